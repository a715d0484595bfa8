package nn_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/c236555e/rehead/nn"
)

var update = flag.Bool("update", false, "write docs/operators.md anew")

// row is an operator with arguments to try it with: shapes of inputs, then of parameters.
type row struct {
	op             nn.Op
	inputs, params [][]int
	devices        bool // in the suite that GPUs and ONNX Runtime are held to
}

func rows() []row {
	x, v := []int{1, 8, 6, 6}, []int{1, 8}
	two := [2]int{2, 2}
	seen := &nn.Running{Mean: make([]float32, 8), Variance: make([]float32, 8), Batches: 1}
	list := []row{
		{&nn.Conv2D{Name: "Conv2D"}, [][]int{x}, [][]int{{8, 8, 3, 3}, {8}}, true},
		{&nn.Conv2D{Name: "Conv2D, groups and dilation", Groups: 4, Dilation: two}, [][]int{x}, [][]int{{8, 2, 2, 2}, {8}}, true},
		{&nn.BatchNorm{Name: "BatchNorm, stored statistics", Eps: 1}, [][]int{x}, [][]int{{8}, {8}, {8}, {8}}, true},
		{&nn.BatchNormTraining{Name: "BatchNorm, the batch's statistics (BatchNormTraining)", Eps: 1, Running: seen},
			[][]int{x}, [][]int{{8}, {8}}, true},
		{&nn.ReLU{Name: "ReLU"}, [][]int{x}, nil, true},
	}
	for _, f := range nn.Functions() {
		list = append(list, row{&nn.Activation{Name: fmt.Sprintf("Activation, %s", f), Function: f}, [][]int{x}, nil, false})
	}
	return append(list,
		row{&nn.MaxPool{Name: "MaxPool", Kernel: two}, [][]int{x}, nil, true},
		row{&nn.AvgPool{Name: "AvgPool", Kernel: two}, [][]int{x}, nil, true},
		row{&nn.GlobalAvgPool{Name: "GlobalAvgPool"}, [][]int{x}, nil, true},
		row{&nn.Concat{Name: "Concat"}, [][]int{x}, nil, true},
		row{&nn.Add{Name: "Add"}, [][]int{x, x}, nil, false},
		row{&nn.Flatten{Name: "Flatten"}, [][]int{x}, nil, false},
		row{&nn.Dropout{Name: "Dropout"}, [][]int{x, x}, nil, true},
		row{&nn.Dense{Name: "Dense"}, [][]int{v}, [][]int{{3, 8}, {3}}, true},
		row{&nn.Softmax{Name: "Softmax"}, [][]int{v}, nil, true},
		row{&nn.Moments{Name: "Moments"}, [][]int{x}, nil, true})
}

// mark is how the page says yes and no.
func mark(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// line is the page's row of r. Its input is a convolution of the program's, as it is in a network.
func (r row) line(t *testing.T) string {
	t.Helper()
	must := func(n *nn.Node, err error) *nn.Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	g := nn.NewGraph()
	in := must(nn.Input(g, "in", r.inputs[0]...))
	from := in
	if len(r.inputs[0]) == 4 {
		from = must(nn.Apply(&nn.ReLU{Name: "before"}, must(nn.Apply(&nn.Conv2D{Name: "first"}, in,
			must(nn.Param(g, "w0", make([]float32, 64), 8, 8, 1, 1))))))
	}
	var args []*nn.Node
	for range r.inputs {
		args = append(args, from)
	}
	for i, s := range r.params {
		args = append(args, must(nn.Param(g, fmt.Sprint("p", i), make([]float32, size(s)), s...)))
	}
	y := must(nn.Apply(r.op, args...))
	_, noGrad := gorgonia.Grad(must(gorgonia.Sum(y)), in)
	cells := []string{"yes", mark(noGrad == nil)}
	for _, p := range []nn.Precision{nn.Float32, nn.BFloat16} {
		program, err := nn.Compile(nn.Config{Device: "cpu", Precision: p}, in, y)
		cells = append(cells, mark(err == nil))
		if err == nil {
			_ = program.Close()
		}
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprint(r.name()), "nn."), "\n")
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, strings.Join(cells, " | "), mark(r.devices), mark(r.devices))
}

// name is the Name of the operator, which says what it is here.
func (r row) name() string {
	switch o := r.op.(type) {
	case *nn.Conv2D:
		return o.Name
	case *nn.BatchNorm:
		return o.Name
	case *nn.BatchNormTraining:
		return o.Name
	case *nn.Activation:
		return o.Name
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", r.op), "*nn.")
}

// TestOperatorsPage: the table of docs/operators.md is what compiles.
func TestOperatorsPage(t *testing.T) {
	var b strings.Builder
	b.WriteString("| operator | machine | gradient by its input | cpu, float32 | cpu, bfloat16 | cuda | onnxruntime |\n" +
		"|---|---|---|---|---|---|---|\n")
	for _, r := range rows() {
		b.WriteString(r.line(t))
	}
	path := filepath.Join("..", "docs", "operators.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const from, to = "<!-- table -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(string(page), from)
	_, after, ends := strings.Cut(rest, to)
	if !found || !ends {
		t.Fatalf("%s has no %q and %q", path, from, to)
	}
	want := before + from + b.String() + to + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("%s is stale: go test ./nn -run OperatorsPage -update", path)
	}
}
