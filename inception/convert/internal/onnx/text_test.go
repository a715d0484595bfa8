package onnx

import (
	"bytes"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/fuzztest"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// TestText: what protobuf's text may be written as, beyond what ONNX writes itself.
func TestText(t *testing.T) {
	const text = `ir_version: 8  # a comment
graph: <
  node { input: "x", input: 'a' "b" op_type: "Conv" attribute { name: "pads" ints: [1, 0x2, -3] type: INTS };
    attribute { name: "alpha" f: 0.5f } attribute: { name: "mode" s: "\x41\102\n\u00e9" } output: "y" }
  initializer { dims: 2 dims: 1 data_type: 1 name: "ab" float_data: [1.5, -inf] unknown { deep: "}" } [an.extension]: 7 }
  input { name: "x" type { tensor_type { elem_type: 2 shape { dim { dim_param: "N" } dim { dim_value: 3 }
    dim { dim_value: 75 } dim { dim_value: 75 } } } } }
>`
	g, err := ReadText(strings.NewReader(text), int64(len(text)), nil)
	if err != nil {
		t.Fatal(err)
	}
	n, k := g.By["y"], g.Consts["ab"]
	if n == nil || n.Inputs[1] != "ab" || len(n.Attrs["pads"].Ints) != 3 || n.Attrs["pads"].Ints[1] != 2 ||
		n.Attrs["pads"].Ints[2] != -3 || n.Attrs["alpha"].Float != 0.5 || n.Attrs["mode"].Text != "AB\né" {
		t.Errorf("got the node %+v", n)
	}
	if !g.Bytes["x"] || g.Sizes["x"] != 75 {
		t.Errorf("got the input of bytes %v and size %d, want bytes of 75 pixels a side", g.Bytes["x"], g.Sizes["x"])
	}
	if k == nil || k.DType != raw.F32 {
		t.Fatalf("got the constant %+v", k)
	}
	if v, err := k.Float32s(); err != nil || v[0] != 1.5 || v[1] > -1e38 {
		t.Errorf("got %v, %v, want 1.5 and minus infinity", v, err)
	}
}

func FuzzText(f *testing.F) {
	fuzztest.Graph(f, fuzztest.Limits{},
		func(b []byte) (*graph.Graph, error) { return ReadText(bytes.NewReader(b), int64(len(b)), nil) },
		[]byte("ir_version: 8 graph { node { op_type: \"Conv\\n\\x41\" attribute { ints: [1, 2] } } }"),
		[]byte(`ir_version: 8 graph < initializer { dims: 2 data_type: 1 name: 'w' raw_data: "\000\001" "abcdef" } >`))
}

func FuzzJSON(f *testing.F) {
	fuzztest.Graph(f, fuzztest.Limits{},
		func(b []byte) (*graph.Graph, error) { return ReadJSON(bytes.NewReader(b), int64(len(b)), nil) },
		[]byte(`{"irVersion":"8","graph":{"node":[{"opType":"Conv","attribute":[{"ints":["1",2]}]}]}}`),
		[]byte(`{"ir_version":8,"graph":{"initializer":[{"dims":["1"],"data_type":1,"name":"w","raw_data":"AACAPw=="}]}}`))
}

// Errors of both forms name the field in a line that is no longer than it must be.
func TestFormsSayWhere(t *testing.T) {
	deep := strings.Repeat("g{", 30) + "op_type: 7" + strings.Repeat("}", 30)
	for text, want := range map[string]string{
		`ir_version: 8 graph{node{attribute{f: x1}}}`:         "graph.node.attribute.f: \"x1\" is not a number",
		`ir_version: 8 graph{node{attribute{`:                 "graph.node.attribute: the file ends in the middle of it",
		`ir_version: 8 graph{node{` + deep + `{`:              "the file ends in the middle of it",
		`{"irVersion": 8, "graph": {"node": [{"opType": "C`:   "graph.node.opType: the file ends in the middle of it",
		`{"irVersion": 8, "graph": {"node": [`:                "graph.node: the file ends in the middle of it",
		`{"irVersion": 8, "graph": {"node": [{"op_type": 7}]`: "graph.node.op_type: has a value of another kind",
	} {
		read := ReadText
		if text[0] == '{' {
			read = ReadJSON
		}
		_, err := read(strings.NewReader(text), int64(len(text)), nil)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%.60s: got %v, want %q", text, err, want)
		}
	}
	var err error = errCut
	for range 60 {
		err = inField(strings.Repeat("n", 100), err)
	}
	if n := len(err.Error()); n > 600 {
		t.Errorf("a path of 60 names is told in %d bytes", n)
	}
}
