package graphdef

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/fuzztest"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

func parse(b []byte) (*graph.Graph, error) { return Read(bytes.NewReader(b), int64(len(b))) }

// constant is a graph of one Const node over a TensorProto.
func constant(name string, t fixture.PB) fixture.PB {
	return fixture.PB(nil).Raw(1,
		fixture.PB(nil).Str(1, name).Str(2, "Const").Raw(5,
			fixture.PB(nil).Str(1, "value").Raw(2, fixture.PB(nil).Raw(8, t))))
}

// dims is TensorShapeProto.
func dims(n ...uint64) fixture.PB {
	var s fixture.PB
	for _, d := range n {
		s = s.Raw(2, fixture.PB(nil).Num(1, d))
	}
	return s
}

func relu(name string) fixture.PB {
	return fixture.PB(nil).Raw(1, fixture.PB(nil).Str(1, name).Str(2, "Relu").Str(3, "x:0").Str(3, "^y").Str(3, "z:1"))
}

func TestValues(t *testing.T) {
	one := []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x40} // 1, 2
	for name, c := range map[string]struct {
		t    fixture.PB
		want []float32
	}{
		"content": {fixture.PB(nil).Num(1, 1).Raw(2, dims(2)).Raw(4, one), []float32{1, 2}},
		"packed":  {fixture.PB(nil).Num(1, 1).Raw(2, dims(2, 1)).Raw(5, one), []float32{1, 2}},
		"loose": {append(fixture.PB(nil).Num(1, 1).Raw(2, dims(2)), 0x2d, 0, 0, 0x80, 0x3f, 0x2d, 0, 0, 0, 0x40),
			[]float32{1, 2}},
		"splat":  {fixture.PB(nil).Num(1, 1).Raw(2, dims(3)).Raw(5, one[4:]), []float32{2, 2, 2}},
		"partly": {fixture.PB(nil).Num(1, 1).Raw(2, dims(4)).Raw(5, one), []float32{1, 2, 2, 2}},
		"scalar": {fixture.PB(nil).Num(1, 1).Raw(5, one[:4]), []float32{1}},
		"half":   {fixture.PB(nil).Num(1, 19).Raw(2, dims(2)).Raw(4, []byte{0, 0x3c, 0, 0x40}), []float32{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := parse(append(relu("r"), constant("w", c.t)...))
			if err != nil {
				t.Fatal(err)
			}
			v, err := g.Consts["w"].Float32s()
			if err != nil || len(v) != len(c.want) {
				t.Fatalf("got %v, %v, want %v", v, err, c.want)
			}
			for i := range v {
				if v[i] != c.want[i] {
					t.Errorf("got %v, want %v", v, c.want)
				}
			}
		})
	}
	g, err := parse(append(relu("r"), constant("axis", fixture.PB(nil).Num(1, 3).Raw(4, []byte{3, 0, 0, 0}))...))
	if err != nil || len(g.Consts["axis"].Ints) != 1 || g.Consts["axis"].Ints[0] != 3 {
		t.Errorf("an integer: %+v, %v", g, err)
	}
	if in := g.By["r"].Inputs; len(in) != 2 || in[0] != "x" || in[1] != "z:1" {
		t.Errorf("inputs are %q, want x and z:1 without the control edge", in)
	}
}

// TestZero: a constant without any value is of zeros, as TensorFlow writes them.
func TestZero(t *testing.T) {
	b := append(constant("w", fixture.PB(nil).Num(1, 1).Raw(2, dims(3))),
		fixture.PB(nil).Raw(1, fixture.PB(nil).Str(1, "x").Str(2, "Placeholder"))...)
	g, err := parse(b)
	if err != nil {
		t.Fatal(err)
	}
	v, err := g.Consts["w"].Float32s()
	if err != nil || len(v) != 3 || v[0] != 0 || v[2] != 0 {
		t.Errorf("got %v, %v, want three zeros", v, err)
	}
}

func TestRefused(t *testing.T) {
	whole := fixture.Read(t, "classify_image_graph_def.pb")
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "no nodes"},
		{"truncated", whole[:len(whole)/2], "truncated"},
		{"short content", constant("w", fixture.PB(nil).Num(1, 1).Raw(2, dims(3)).Raw(4, make([]byte, 8))), `constant "w" at offset 0: has 8 bytes`},
		{"too many floats", constant("w", fixture.PB(nil).Num(1, 1).Raw(2, dims(1)).Raw(5, make([]byte, 8))), "2 values"},
		{"no floats for a million", constant("w", fixture.PB(nil).Num(1, 1).Raw(2, dims(1000, 1000))), "0 values"},
		{"one float for a million", constant("w", fixture.PB(nil).Num(1, 1).Raw(2, dims(1000, 1000)).Raw(5, make([]byte, 4))),
			"1 values"},
		{"a huge shape", constant("w", fixture.PB(nil).Num(1, 1).Raw(2, dims(1<<30, 1<<30)).Raw(4, nil)), "more than"},
		{"a negative axis", constant("w", fixture.PB(nil).Num(1, 1).Raw(2, dims(1<<63)).Raw(4, nil)), "axis 0"},
		{"no value", fixture.PB(nil).Raw(1, fixture.PB(nil).Str(1, "w").Str(2, "Const")), `"w" has no value`},
		{"a name twice", append(relu("r"), relu("r")...), `"r" is made twice`},
		{"an attribute twice", fixture.PB(nil).Raw(1, fixture.PB(nil).Str(1, "r").Raw(5, fixture.PB(nil).Str(1, "T")).Raw(5, fixture.PB(nil).Str(1, "T"))), `"T" is there twice`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parse(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	fuzztest.Graph(f, fuzztest.Limits{Elements: func(n int) int { return n + maxSplat }}, parse,
		fixture.Read(f, "classify_image_graph_def.pb")[:20000],
		append(relu("r"), constant("w", fixture.PB(nil).Num(1, 1).Raw(2, dims(4)).Raw(5, make([]byte, 8)))...),
		constant("axis", fixture.PB(nil).Num(1, 3).Raw(4, []byte{3, 0, 0, 0})))
}

func FuzzSavedModel(f *testing.F) {
	args := fixture.PB(nil).Str(1, "f").Raw(2, fixture.PB(nil).Str(1, "x")).Raw(3, fixture.PB(nil).Str(1, "y"))
	fn := fixture.PB(nil).Raw(1, args).Raw(3, fixture.PB(nil).Str(1, "r").Str(2, "Relu").Str(3, "x")).
		Raw(4, fixture.PB(nil).Str(1, "y").Str(2, "r:activations:0"))
	call := fixture.PB(nil).Str(1, "c").Str(2, "PartitionedCall").Str(3, "p").
		Raw(5, fixture.PB(nil).Str(1, "f").Raw(2, fixture.PB(nil).Raw(10, fixture.PB(nil).Str(1, "f"))))
	body := fixture.PB(nil).Raw(1, fixture.PB(nil).Str(1, "p").Str(2, "Placeholder")).Raw(1, call).
		Raw(2, fixture.PB(nil).Raw(1, fn))
	sig := fixture.PB(nil).Str(1, "serving_default").
		Raw(2, fixture.PB(nil).Raw(2, fixture.PB(nil).Str(1, "out").Raw(2, fixture.PB(nil).Str(1, "c:0"))))
	good := fixture.PB(nil).Num(1, 1).Raw(2, fixture.PB(nil).Raw(2, body).Raw(5, sig))
	g, err := ReadSavedModel(bytes.NewReader(good), int64(len(good)), nil, nil)
	if err != nil || len(g.Nodes) != 1 || g.Nodes[0].Op != "Relu" {
		f.Fatalf("got %+v, %v, want the one operator of the function", g, err)
	}
	fuzztest.Graph(f, fuzztest.Limits{Nodes: func(n int) int { return 8*n + 8 }, Unread: true},
		func(b []byte) (*graph.Graph, error) {
			return ReadSavedModel(bytes.NewReader(b), int64(len(b)), nil, nil)
		}, good)
}

// TestPlaceholder: the side of an input and its type are told.
func TestPlaceholder(t *testing.T) {
	size := func(n uint64) fixture.PB { return fixture.PB(nil).Raw(2, fixture.PB(nil).Num(1, n)) }
	attr := func(key string, value fixture.PB) fixture.PB { return fixture.PB(nil).Str(1, key).Raw(2, value) }
	shape := slices.Concat(fixture.PB(nil).Raw(2, fixture.PB(nil)), size(139), size(139), size(3))
	input := fixture.PB(nil).Str(1, "x").Str(2, "Placeholder").Raw(5, attr("shape", fixture.PB(nil).Raw(7, shape))).
		Raw(5, attr("dtype", fixture.PB(nil).Num(6, 4)))
	g, err := parse(fixture.PB(nil).Raw(1, input))
	if err != nil || g.Sizes["x"] != 139 || !g.Bytes["x"] {
		t.Errorf("got %+v, %v, want bytes of 139 pixels a side", g, err)
	}
}
