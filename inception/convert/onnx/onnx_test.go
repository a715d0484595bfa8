package onnx

import (
	"bytes"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/graph"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

func parse(b []byte) (*graph.Graph, error) { return Read(bytes.NewReader(b), int64(len(b))) }

// pb writes protobuf fields: a number's tag and value, or a string's tag, length and bytes.
type pb []byte

func varint(v uint64) []byte {
	var out []byte
	for ; v > 127; v >>= 7 {
		out = append(out, byte(v)|0x80)
	}
	return append(out, byte(v))
}

func (b pb) num(n int, v uint64) pb { return append(append(b, varint(uint64(n)<<3)...), varint(v)...) }

func (b pb) raw(n int, v []byte) pb {
	return append(append(append(b, varint(uint64(n)<<3|2)...), varint(uint64(len(v)))...), v...)
}

func (b pb) str(n int, s string) pb { return b.raw(n, []byte(s)) }

// model wraps graph fields.
func model(g pb) []byte { return pb(nil).num(1, 7).str(2, "pytorch").raw(7, g) }

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
	for name, x := range map[string]pb{
		"raw":          pb(nil).num(1, 2).num(2, 1).str(8, "w").raw(9, one),
		"packed dims":  pb(nil).raw(1, []byte{2}).num(2, 1).str(8, "w").raw(9, one),
		"float data":   pb(nil).num(1, 2).num(2, 1).raw(4, one).str(8, "w"),
		"loose floats": append(append(pb(nil).num(1, 2).num(2, 1), 0x25, 0, 0, 0x80, 0x3f, 0x25, 0, 0, 0, 0x40), pb(nil).str(8, "w")...),
		"half":         pb(nil).num(1, 2).num(2, 10).str(8, "w").raw(9, []byte{0, 0x3c, 0, 0x40}),
		"bfloat":       pb(nil).num(1, 2).num(2, 16).str(8, "w").raw(9, []byte{0x80, 0x3f, 0, 0x40}),
		"double":       pb(nil).num(1, 2).num(2, 11).raw(10, []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0x40}).str(8, "w"),
	} {
		t.Run(name, func(t *testing.T) {
			g, err := parse(model(pb(nil).raw(5, x)))
			if err != nil {
				t.Fatal(err)
			}
			v, err := g.Consts["w"].Float32s()
			if err != nil || len(v) != 2 || v[0] != 1 || v[1] != 2 {
				t.Errorf("got %v, %v, want 1 and 2", v, err)
			}
		})
	}
	constant := pb(nil).str(2, "c").str(4, "Constant").raw(5, pb(nil).str(1, "value").raw(5, pb(nil).num(1, 2).num(2, 7).raw(9, []byte{3, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255})))
	g, err := parse(model(pb(nil).raw(1, constant)))
	if err != nil {
		t.Fatal(err)
	}
	if c := g.Consts["c"]; c == nil || len(c.Ints) != 2 || c.Ints[0] != 3 || c.Ints[1] != -1 {
		t.Errorf("a Constant node gave %+v", c)
	}
}

func TestRefused(t *testing.T) {
	good := pb(nil).num(1, 2).num(2, 1).str(8, "w").raw(9, make([]byte, 8))
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
		{"short data", model(pb(nil).raw(5, pb(nil).num(1, 3).num(2, 1).str(8, "w").raw(9, make([]byte, 8)))), `tensor "w" at offset`},
		{"large shape", model(pb(nil).raw(5, pb(nil).num(1, 1<<30).num(1, 1<<30).num(2, 1).str(8, "w"))), "more than"},
		{"negative axis", model(pb(nil).raw(5, pb(nil).num(1, 1<<63).num(2, 1).str(8, "w"))), "axis 0"},
		{"duplicate", model(pb(nil).raw(5, good).raw(5, good)), `"w" is made twice`},
		{"nameless", model(pb(nil).raw(5, pb(nil).num(2, 1).raw(9, make([]byte, 4)))), "no name"},
		{"external", model(pb(nil).raw(5, pb(nil).num(1, 2).num(2, 1).str(8, "w").num(14, 1))), "another file"},
		{"sparse", model(pb(nil).raw(15, nil)), "sparse"},
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
	f.Add(fixture.Read(f, "folded.onnx")[:20000])
	f.Add(model(pb(nil).raw(5, pb(nil).num(1, 2).num(2, 1).str(8, "w").raw(9, make([]byte, 8)))))
	f.Add(model(pb(nil).raw(1, pb(nil).str(2, "c").str(4, "Constant").raw(5, pb(nil).str(1, "value").raw(5, pb(nil).num(1, 2).num(2, 7).raw(9, make([]byte, 16)))))))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := parse(b)
		if err != nil {
			return
		}
		for name, k := range g.Consts {
			if k.DType.Float() && k.Len() > len(b) {
				t.Fatalf("constant %q has %d elements in %d bytes", name, k.Len(), len(b))
			}
			if k.DType.Float() {
				if _, err := k.Float32s(); err != nil {
					t.Fatalf("constant %q was listed but cannot be read: %v", name, err)
				}
			}
		}
	})
}
