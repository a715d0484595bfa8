package convert

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

// TestBlocked: a model that ONNX Runtime laid out for one processor is the model that it was made of. See
// testdata/blocked.py.
func TestBlocked(t *testing.T) {
	want, err := Load(fixture.File(t, "folded.onnx"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(fixture.File(t, "blocked.onnx"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	sameTensors(t, got, want)
}

func sameTensors(t *testing.T, got, want *inception.Weights) {
	t.Helper()
	if len(got.Tensors) != len(want.Tensors) {
		t.Fatalf("got %d tensors, want %d", len(got.Tensors), len(want.Tensors))
	}
	for name, w := range want.Tensors {
		if g := got.Tensors[name]; !slices.Equal(g.Shape, w.Shape) || !slices.Equal(g.Data, w.Data) {
			t.Errorf("%s: got another tensor of shape %v, want that of shape %v", name, g.Shape, w.Shape)
		}
	}
}

// blockedAs lays the convolutions of a graph out in blocks of that many channels, each between operators that
// reorder its values.
func blockedAs(t *testing.T, g *graph.Graph, size int) {
	t.Helper()
	up := func(n int) int { return (n + size - 1) / size * size }
	add := func(op, in, out string) {
		n := &graph.Node{Name: out, Op: blockedDomain + op, Inputs: []string{in}, Attrs: map[string]graph.Attr{}}
		if err := g.Add(n, out); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range slices.Clone(g.Nodes) {
		if n.Op != "Conv" {
			continue
		}
		k, out := *g.Consts[n.Inputs[1]], n.Outputs[0]
		s, reorder := k.Shape, k.Shape[1] >= size
		src, err := finite(k.Tensor)
		if err != nil {
			t.Fatal(err)
		}
		shape := []int{up(s[0]), s[1], s[2], s[3]}
		wide := 1
		if reorder {
			shape[1], wide = up(s[1]), size
			add("ReorderInput", n.Inputs[0], out+"/in")
			n.Inputs[0] = out + "/in"
		}
		dst, cells := make([]float32, shape[0]*shape[1]*shape[2]*shape[3]), s[2]*s[3]
		for at, v := range src {
			o, i, cell := at/(s[1]*cells), at/cells%s[1], at%cells
			dst[(((o/size*(shape[1]/wide)+i/wide)*cells+cell)*wide+i%wide)*size+o%size] = v
		}
		bias, err := finite(g.Consts[n.Inputs[2]].Tensor)
		if err != nil {
			t.Fatal(err)
		}
		bias = append(bias, make([]float32, shape[0]-s[0])...)
		for i, c := range []*graph.Const{{Tensor: raw.Tensor{Shape: shape, DType: raw.F32, Load: func(d []float32) error {
			copy(d, dst)
			return nil
		}}}, {Tensor: raw.Tensor{Shape: shape[:1], DType: raw.F32, Load: func(d []float32) error {
			copy(d, bias)
			return nil
		}}}} {
			n.Inputs[1+i] = out + [...]string{"/w", "/b"}[i]
			if err := g.AddConst(n.Inputs[1+i], c); err != nil {
				t.Fatal(err)
			}
		}
		delete(g.By, out)
		n.Op = blockedDomain + n.Op
		if err := g.Reuse(n, out+"/out"); err != nil {
			t.Fatal(err)
		}
		add("ReorderOutput", out+"/out", out)
	}
}

// TestBlocks: blocks of 8 channels and of 16 are told apart, and refused where nothing tells them.
func TestBlocks(t *testing.T) {
	want, err := onnxSource(readGraph(t, "folded.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := assemble(want)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range blockSizes {
		g := readGraph(t, "folded.onnx")
		blockedAs(t, g, size)
		src, err := onnxSource(g)
		if err != nil {
			t.Fatalf("blocks of %d: %v", size, err)
		}
		w, err := assemble(src)
		if err != nil {
			t.Fatalf("blocks of %d: %v", size, err)
		}
		sameTensors(t, w, whole)
	}
	g := graph.New("ONNX")
	ones := &graph.Const{Tensor: raw.Tensor{Shape: []int{32, 3, 3, 3}, DType: raw.F32, Load: func(d []float32) error {
		for i := range d {
			d[i] = 1
		}
		return nil
	}}}
	conv := &graph.Node{Name: "conv", Op: blockedDomain + "Conv", Inputs: []string{"x", "w"}}
	if err := errors.Join(g.AddConst("w", ones), g.Add(conv, "y")); err != nil {
		t.Fatal(err)
	}
	if err := unblock(g); err == nil || !strings.Contains(err.Error(), "whether 8 or 16") {
		t.Errorf("weights that are all alike: got %v, want the size of a block refused", err)
	}
}

// TestBlockedRefused: what no convolution of this network has in blocks is refused, with the way out.
func TestBlockedRefused(t *testing.T) {
	for _, c := range []struct {
		name, want, op string
		change         func(n *graph.Node)
	}{
		{"a sum", "4 inputs", "", func(n *graph.Node) { n.Inputs = append(n.Inputs, n.Inputs[0]) }},
		{"groups", "2 groups", "", func(n *graph.Node) { n.Attrs["group"] = graph.Attr{Int: 2} }},
		{"another activation", `"Tanh"`, "", func(n *graph.Node) { n.Attrs["activation"] = graph.Attr{Text: "Tanh"} }},
		{"another operator", "is not an operator", "", func(n *graph.Node) { n.Op = blockedDomain + "Upsample" }},
		{"channels last", "is not an operator", "ReorderOutput", func(n *graph.Node) {
			n.Attrs["channels_last"] = graph.Attr{Int: 1}
		}},
		{"no weights", "no constant", "", func(n *graph.Node) { n.Inputs[1] = n.Inputs[0] }},
	} {
		g := readGraph(t, "blocked.onnx")
		c.change(node(t, g, blockedDomain+cmp.Or(c.op, "Conv"), 3))
		if _, err := onnxSource(g); err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), "ORT_ENABLE_BASIC") {
			t.Errorf("%s: got %v, want an error with %q and the way out", c.name, err, c.want)
		}
	}
}
