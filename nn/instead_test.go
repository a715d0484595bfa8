package nn

import (
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestCompileNamesEquivalents compiles Gorgonia's own operators: the error says what this package has for each.
func TestCompileNamesEquivalents(t *testing.T) {
	image, vector := []int{2, 4, 6, 6}, []int{2, 8}
	pair := tensor.Shape{2, 2}
	type made = func(g *Graph, x *Node) (*Node, error)
	unary := func(f func(*Node) (*Node, error)) made { return func(_ *Graph, x *Node) (*Node, error) { return f(x) } }
	for name, c := range map[string]struct {
		shape []int
		build made
		want  string
	}{
		"Conv2d": {image, func(g *Graph, x *Node) (*Node, error) {
			w := param(t, g, "w", make([]float32, 3*4*2*2), 3, 4, 2, 2)
			return gorgonia.Conv2d(x, w, pair, []int{0, 0}, []int{1, 1}, []int{1, 1})
		}, "nn.Conv2D"},
		"Rectify": {image, unary(gorgonia.Rectify), "nn.ReLU"},
		"LeakyRelu": {image, func(_ *Graph, x *Node) (*Node, error) {
			return gorgonia.LeakyRelu(x, 0.1)
		}, "Activation of LeakyReLU"},
		"MaxPool2D": {image, func(_ *Graph, x *Node) (*Node, error) {
			return gorgonia.MaxPool2D(x, pair, []int{0, 0}, []int{2, 2})
		}, "nn.MaxPool"},
		"AveragePool2D": {image, func(_ *Graph, x *Node) (*Node, error) {
			return gorgonia.AveragePool2D(x, pair, []int{0, 0}, []int{2, 2})
		}, "nn.AvgPool"},
		"GlobalAveragePool2D": {image, unary(gorgonia.GlobalAveragePool2D), "nn.GlobalAvgPool"},
		"BatchNorm": {image, func(g *Graph, x *Node) (*Node, error) {
			of := []*Node{}
			for _, name := range []string{"scale", "bias"} {
				of = append(of, param(t, g, name, make([]float32, 2*4*6*6), image...))
			}
			y, _, _, _, err := gorgonia.BatchNorm(x, of[0], of[1], 0.1, 1e-3)
			return y, err
		}, "nn.BatchNorm"},
		"SoftMax":  {vector, func(_ *Graph, x *Node) (*Node, error) { return gorgonia.SoftMax(x) }, "nn.Softmax"},
		"Tanh":     {vector, unary(gorgonia.Tanh), "Activation of Tanh"},
		"Sigmoid":  {vector, unary(gorgonia.Sigmoid), "Activation of Sigmoid"},
		"Softplus": {vector, unary(gorgonia.Softplus), "Activation of Softplus"},
		"Add":      {vector, func(_ *Graph, x *Node) (*Node, error) { return gorgonia.Add(x, x) }, "nn.Add"},
		"Mul": {vector, func(g *Graph, x *Node) (*Node, error) {
			return gorgonia.Mul(x, param(t, g, "w", make([]float32, 24), 8, 3))
		}, "nn.Dense"},
		"Reshape": {image, func(_ *Graph, x *Node) (*Node, error) {
			return gorgonia.Reshape(x, tensor.Shape{2, 144})
		}, "nn.Flatten"},
		"Dropout": {vector, func(_ *Graph, x *Node) (*Node, error) { return gorgonia.Dropout(x, 0.5) }, "nn.Dropout"},
		"Concat":  {image, func(_ *Graph, x *Node) (*Node, error) { return gorgonia.Concat(1, x, x) }, "nn.Concat"},
		"Cube":    {vector, unary(gorgonia.Cube), "docs/operators.md"}, // which has no equivalent
	} {
		t.Run(name, func(t *testing.T) {
			g := NewGraph()
			x := input(t, g, "x", c.shape...)
			y, err := c.build(g, x)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Compile(Config{}, x, y)
			if err == nil {
				t.Fatal("no error")
			}
			if _, says, ok := strings.Cut(err.Error(), "want operators of package nn: "); !ok || !strings.Contains(says, c.want) {
				t.Errorf("got %v, want %s named", err, c.want)
			}
		})
	}
}
