package convert

import (
	"slices"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// TestSink: a ReLU behind pools and concatenations, which read convolutions, goes in front of them; where somebody else
// reads the value without it, it stays.
func TestSink(t *testing.T) {
	made := func(shared bool) *graph.Graph {
		g := graph.New("TensorFlow")
		add := func(name, op string, inputs ...string) {
			t.Helper()
			if err := g.Add(&graph.Node{Name: name, Op: op, Inputs: inputs, Attrs: map[string]graph.Attr{}}, name); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.AddConst("axis", &graph.Const{Tensor: raw.Tensor{DType: raw.I32}, Ints: []int64{3}}); err != nil {
			t.Fatal(err)
		}
		add("a", "Conv2D", "x", "w")
		add("b", "Conv2D", "x", "v")
		add("c", "Conv2D", "x", "u")
		add("c+", "Relu", "c")
		add("pool", "MaxPool", "b")
		add("cat", "ConcatV2", "a", "pool", "c+", "axis")
		add("y", "Relu", "cat")
		add("z", "Relu", "y")
		if shared {
			add("other", "AvgPool", "cat")
		}
		return g
	}
	g := made(false)
	if err := sink(g, tfDialect{}); err != nil {
		t.Fatal(err)
	}
	follow := func(v string) (ops []string) {
		for n := g.By[v]; n != nil; n = g.By[n.Inputs[0]] {
			ops = append(ops, n.Op)
		}
		return ops
	}
	cat := g.By["cat"].Inputs
	for i, want := range [][]string{{"Relu", "Conv2D"}, {"MaxPool", "Relu", "Conv2D"}, {"Relu", "Conv2D"}} {
		got := slices.DeleteFunc(follow(cat[i]), func(op string) bool { return op == "Identity" })
		if !slices.Equal(got, want) {
			t.Errorf("input %d: %q, want %q", i, got, want)
		}
	}
	if cat[3] != "axis" || g.By["y"].Op != "Identity" || g.By["z"].Op != "Relu" {
		t.Errorf("axis %q, %s and %s behind the concatenation", cat[3], g.By["y"].Op, g.By["z"].Op)
	}
	g = made(true)
	if err := sink(g, tfDialect{}); err != nil || g.By["y"].Op != "Relu" || g.By["cat"].Inputs[0] != "a" {
		t.Errorf("a concatenation that is read without its ReLU has lost it: %v", err)
	}
}
