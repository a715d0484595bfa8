package nn_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/c236555e/rehead/nn"
)

func TestWalk(t *testing.T) {
	g := nn.NewGraph()
	must := func(n *nn.Node, err error) *nn.Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	x := must(nn.Input(g, "x", 1, 3))
	w := must(nn.Param(g, "w", []float32{1, 2, 3, 4, 5, 6}, 2, 3))
	b := must(nn.Param(g, "b", []float32{7, 8}, 2))
	y := must(nn.Apply(&nn.Dense{Name: "y"}, x, w, b))
	z := must(nn.Apply(&nn.Softmax{Name: "z"}, y))
	var seen []*nn.Node
	err := nn.Walk([]*nn.Node{y, z}, func(n *nn.Node, args []*nn.Node) error {
		for _, a := range args {
			if !slices.Contains(seen, a) {
				t.Errorf("%v comes before its argument %v", n, a)
			}
		}
		if n == y && !slices.Equal(args, []*nn.Node{x, w, b}) {
			t.Errorf("the arguments of y are %v, want x, w, b", args)
		}
		seen = append(seen, n)
		return nil
	})
	if err != nil || len(seen) != 5 {
		t.Errorf("visited %v with error %v, want each of 5 nodes once", seen, err)
	}
	stop := errors.New("stop")
	if err := nn.Walk([]*nn.Node{z}, func(*nn.Node, []*nn.Node) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got error %v, want visit's own", err)
	}
	if err := nn.Walk([]*nn.Node{nil}, nil); err == nil {
		t.Error("a nil output was accepted")
	}
	if data, err := nn.ParamData(w); err != nil || !slices.Equal(data, []float32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("values of w: %v, %v", data, err)
	}
	for _, n := range []*nn.Node{nil, x, y} {
		if _, err := nn.ParamData(n); err == nil {
			t.Errorf("%v has parameter values, want an error", n)
		}
	}
}
