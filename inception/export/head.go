package export

import (
	"fmt"
	"math"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/onnx"
)

// head adds the classifier's nodes and returns the name of its logits, before the temperature.
func (g *graph) head(h *inception.Head, x string) string {
	for i := range h.Before {
		x = g.layer(&h.Before[i], fmt.Sprintf("layer%d", i), x)
	}
	return g.dense("head", x, h.W, h.B)
}

// dense adds W x + B.
func (g *graph) dense(name, x string, w, b []float32) string {
	g.Tensor(name+".weight", []int{len(b), len(w) / len(b)}, w)
	g.Tensor(name+".bias", []int{len(b)}, b)
	g.Node("Gemm", name, []string{x, name + ".weight", name + ".bias"}, onnx.Int("transB", 1))
	return name
}

// layer adds one layer that stands before the last and returns the name of what it gives.
func (g *graph) layer(l *inception.HeadLayer, name, x string) string {
	step, number := g.steps(name)
	switch l.Kind {
	case inception.LayerDense:
		return g.dense(name, x, l.W, l.B)
	case inception.LayerScale:
		g.Tensor(name+".weight", []int{len(l.W)}, l.W)
		g.Tensor(name+".bias", []int{len(l.B)}, l.B)
		return step("Add", "", step("Mul", "_scaled", x, name+".weight"), name+".bias")
	case inception.LayerReLU6:
		return step("Clip", "", x, number(".least", 0), number(".most", 6))
	case inception.LayerLeakyReLU:
		g.Node("LeakyRelu", name, []string{x}, onnx.Real("alpha", l.Alpha))
		return name
	case inception.LayerELU:
		g.Node("Elu", name, []string{x}, onnx.Real("alpha", l.Alpha))
		return name
	case inception.LayerSELU:
		return step("Selu", "", x)
	case inception.LayerTanh:
		return step("Tanh", "", x)
	case inception.LayerSigmoid:
		return step("Sigmoid", "", x)
	case inception.LayerSwish:
		return step("Mul", "", x, step("Sigmoid", "_gate", x))
	case inception.LayerSoftplus:
		return step("Softplus", "", x)
	case inception.LayerSoftsign:
		return step("Softsign", "", x)
	case inception.LayerPReLU:
		g.Tensor(name+".slope", []int{len(l.W)}, l.W)
		return step("PRelu", "", x, name+".slope")
	case inception.LayerL2:
		g.Node("ReduceL2", name+"_length", []string{x}, onnx.Ints("axes", 1))
		return step("Div", "", x, step("Max", "_longer", name+"_length", number(".floor", 1e-12)))
	}
	return g.spelled(l, name, x)
}

// steps are how nodes and numbers that belong to a layer are added; both return their names.
func (g *graph) steps(name string) (step func(op, suffix string, in ...string) string,
	number func(suffix string, v float64) string) {
	step = func(op, suffix string, in ...string) string {
		g.Node(op, name+suffix, in)
		return name + suffix
	}
	number = func(suffix string, v float64) string {
		g.Tensor(name+suffix, nil, []float32{float32(v)})
		return name + suffix
	}
	return step, number
}

// spelled adds a layer that this operator set has no operator for.
func (g *graph) spelled(l *inception.HeadLayer, name, x string) string {
	step, number := g.steps(name)
	switch l.Kind {
	case inception.LayerGELU:
		erf := step("Erf", "_erf", step("Mul", "_narrow", x, number(".narrow", 1/math.Sqrt2)))
		half := step("Mul", "_half", x, number(".half", 0.5))
		return step("Mul", "", half, step("Add", "_share", erf, number(".one", 1)))
	case inception.LayerGELUTanh:
		cube := step("Mul", "_cube", x, step("Mul", "_square", x, x))
		bent := step("Add", "_bent", x, step("Mul", "_little", cube, number(".cube", 0.044715)))
		tanh := step("Tanh", "_tanh", step("Mul", "_narrow", bent, number(".narrow", math.Sqrt(2/math.Pi))))
		half := step("Mul", "_half", x, number(".half", 0.5))
		return step("Mul", "", half, step("Add", "_share", tanh, number(".one", 1)))
	case inception.LayerMish:
		return step("Mul", "", x, step("Tanh", "_gate", step("Softplus", "_soft", x)))
	case inception.LayerHardSigmoid, inception.LayerHardSwish:
		if l.Kind == inception.LayerHardSigmoid {
			g.Node("HardSigmoid", name, []string{x}, onnx.Real("alpha", l.Alpha))
			return name
		}
		g.Node("HardSigmoid", name+"_gate", []string{x}, onnx.Real("alpha", 1.0/6))
		return step("Mul", "", x, name+"_gate")
	case inception.LayerNorm:
		mean := func(suffix, of string) string {
			g.Node("ReduceMean", name+suffix, []string{of}, onnx.Ints("axes", 1))
			return name + suffix
		}
		rest := step("Sub", "_rest", x, mean("_mean", x))
		variance := mean("_variance", step("Mul", "_squares", rest, rest))
		longer := step("Add", "_longer", variance, number(".epsilon", l.Alpha))
		return step("Div", "", rest, step("Sqrt", "_deviation", longer))
	}
	return step("Relu", "", x)
}
