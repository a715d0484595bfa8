package onnx

import (
	"bytes"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/fuzztest"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

func parse(b []byte) (*graph.Graph, error) { return Read(bytes.NewReader(b), int64(len(b)), nil) }

// model wraps graph fields.
func model(g fixture.PB) []byte { return fixture.PB(nil).Num(1, 7).Str(2, "pytorch").Raw(7, g) }

func TestRead(t *testing.T) {
	g, err := parse(fixture.Read(t, "folded.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	ops := map[string]int{}
	for _, n := range g.Nodes {
		ops[n.Op]++
	}
	if ops["Conv"] != 94 || ops["Relu"] != 94 || ops["Gemm"] != 1 || ops["BatchNormalization"] != 0 {
		t.Errorf("operators: %v", ops)
	}
	g, err = parse(fixture.Read(t, "unfolded.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	ops = map[string]int{}
	for _, n := range g.Nodes {
		ops[n.Op]++
	}
	if ops["BatchNormalization"] != 94 {
		t.Errorf("operators: %v", ops)
	}
}

// TestValues: every way in which a tensor may hold its numbers.
func TestValues(t *testing.T) {
	one := []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x40} // 1, 2
	for name, x := range map[string]fixture.PB{
		"raw":         fixture.PB(nil).Num(1, 2).Num(2, 1).Str(8, "w").Raw(9, one),
		"packed dims": fixture.PB(nil).Raw(1, []byte{2}).Num(2, 1).Str(8, "w").Raw(9, one),
		"float data":  fixture.PB(nil).Num(1, 2).Num(2, 1).Raw(4, one).Str(8, "w"),
		"loose floats": append(append(fixture.PB(nil).Num(1, 2).Num(2, 1), 0x25, 0, 0, 0x80, 0x3f, 0x25, 0, 0, 0, 0x40),
			fixture.PB(nil).Str(8, "w")...),
		"half":   fixture.PB(nil).Num(1, 2).Num(2, 10).Str(8, "w").Raw(9, []byte{0, 0x3c, 0, 0x40}),
		"bfloat": fixture.PB(nil).Num(1, 2).Num(2, 16).Str(8, "w").Raw(9, []byte{0x80, 0x3f, 0, 0x40}),
		"double": fixture.PB(nil).Num(1, 2).Num(2, 11).Raw(10,
			[]byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0x40}).Str(8, "w"),
	} {
		t.Run(name, func(t *testing.T) {
			g, err := parse(model(fixture.PB(nil).Raw(5, x)))
			if err != nil {
				t.Fatal(err)
			}
			v, err := g.Consts["w"].Float32s()
			if err != nil || len(v) != 2 || v[0] != 1 || v[1] != 2 {
				t.Errorf("got %v, %v, want 1 and 2", v, err)
			}
		})
	}
	constant := fixture.PB(nil).Str(2, "c").Str(4, "Constant").Raw(5,
		fixture.PB(nil).Str(1, "value").Raw(5,
			fixture.PB(nil).Num(1, 2).Num(2, 7).Raw(9, []byte{3, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255})))
	g, err := parse(model(fixture.PB(nil).Raw(1, constant)))
	if err != nil {
		t.Fatal(err)
	}
	if c := g.Consts["c"]; c == nil || len(c.Ints) != 2 || c.Ints[0] != 3 || c.Ints[1] != -1 {
		t.Errorf("a Constant node gave %+v", c)
	}
}

func TestRefused(t *testing.T) {
	good := fixture.PB(nil).Num(1, 2).Num(2, 1).Str(8, "w").Raw(9, make([]byte, 8))
	whole := fixture.Read(t, "folded.onnx")
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "0 graphs"},
		{"no protobuf", []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "64 bits"},
		{"two graphs", append(model(nil), model(nil)...), "2 graphs"},
		{"truncated", whole[:len(whole)/2], "truncated"},
		{"short data", model(fixture.PB(nil).Raw(5, fixture.PB(nil).Num(1, 3).Num(2, 1).Str(8, "w").Raw(9, make([]byte, 8)))), `tensor "w" at offset`},
		{"large shape", model(fixture.PB(nil).Raw(5, fixture.PB(nil).Num(1, 1<<30).Num(1, 1<<30).Num(2, 1).Str(8, "w"))),
			"more than"},
		{"negative axis", model(fixture.PB(nil).Raw(5, fixture.PB(nil).Num(1, 1<<63).Num(2, 1).Str(8, "w"))), "axis 0"},
		{"duplicate", model(fixture.PB(nil).Raw(5, good).Raw(5, good)), `"w" is made twice`},
		{"nameless", model(fixture.PB(nil).Raw(5, fixture.PB(nil).Num(2, 1).Raw(9, make([]byte, 4)))), "no name"},
		{"external", model(fixture.PB(nil).Raw(5, fixture.PB(nil).Num(1, 2).Num(2, 1).Str(8, "w").Num(14, 1))),
			"another file"},
		{"sparse", model(fixture.PB(nil).Raw(15, nil)), "sparse"},
		{"a group", model([]byte{0x0b}), "wire type 3"},
		{"field 0", model([]byte{0x00, 0x00}), "field number 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parse(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	fuzztest.Graph(f, fuzztest.Limits{}, parse, fixture.Read(f, "folded.onnx")[:20000],
		model(fixture.PB(nil).Raw(5, fixture.PB(nil).Num(1, 2).Num(2, 1).Str(8, "w").Raw(9, make([]byte, 8)))),
		model(fixture.PB(nil).Raw(1,
			fixture.PB(nil).Str(2, "c").Str(4, "Constant").Raw(5,
				fixture.PB(nil).Str(1, "value").Raw(5, fixture.PB(nil).Num(1, 2).Num(2, 7).Raw(9, make([]byte, 16)))))))
}
