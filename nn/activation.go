package nn

import (
	"cmp"
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

// Function is an activation function of one number.
type Function string

// The functions there are; ReLU is an operator of its own.
const (
	LeakyReLU Function = "leaky-relu" // x, or Alpha*x below 0
	ELU       Function = "elu"        // x, or Alpha*(exp(x)-1) below 0
	SELU      Function = "selu"       // 1.0507 times the ELU of Alpha 1.6733 (Klambauer et al. 2017); it takes no Alpha
	GELU      Function = "gelu"       // x*Phi(x), by the error function (Hendrycks and Gimpel 2016)
	Tanh      Function = "tanh"       // the hyperbolic tangent
	Sigmoid   Function = "sigmoid"    // 1/(1+exp(-x))
	Softplus  Function = "softplus"   // log(1+exp(x))
	Swish     Function = "swish"      // x*sigmoid(x), also called SiLU
)

// Functions lists them.
func Functions() []Function {
	return []Function{LeakyReLU, ELU, SELU, GELU, Tanh, Sigmoid, Softplus, Swish}
}

// Activation applies a Function to each element of x, of any number of axes from 1 to 4; the result is of
// x's shape. It has a gradient; at 0, that of the upper side.
type Activation struct {
	Name     string
	Function Function
	Alpha    float64 // of LeakyReLU (0 means 0.01) and ELU (0 means 1), above 0
}

func (o *Activation) signature() signature {
	return signature{kind: "activation", name: o.Name, axes: []int{anyAxes, anyAxes}, counts: []int{1}, wrt: []bool{true}}
}

// alpha is Alpha, with what 0 means.
func (o *Activation) alpha() float64 {
	if o.Alpha == 0 && o.Function == LeakyReLU {
		return 0.01
	}
	return cmp.Or(o.Alpha, 1)
}

// scalar is the function, in float64.
func (o *Activation) scalar() ref.Scalar {
	f, _ := ref.Function(string(o.Function), o.alpha())
	return f
}

func (o *Activation) infer(s []tensor.Shape) (tensor.Shape, error) {
	if !slices.Contains(Functions(), o.Function) {
		return nil, want(o, "function", fmt.Sprintf("%q", o.Function), fmt.Sprintf("one of %v", Functions()))
	}
	if takes := o.Function == LeakyReLU || o.Function == ELU; !(o.Alpha >= 0 && o.Alpha <= 1e6) || o.Alpha != 0 && !takes {
		return nil, want(o, "Alpha", o.Alpha, fmt.Sprintf("0 (the default) to 1e6 for %s and %s, 0 for others", LeakyReLU,
			ELU))
	}
	return s[0].Clone(), nil
}

func (o *Activation) compute(dst []float32, in []view) { ref.Activation(dst, in[0].data, o.scalar().F) }

func (o *Activation) gradient(in []*Node, _, grad *Node) ([]*Node, error) {
	return one(Apply(&slopeTimes{kind: "activation-gradient", name: o.Name, slope: o.scalar().Slope}, in[0], grad))
}

// one is the gradient of an operator of one argument.
func one(n *Node, err error) ([]*Node, error) { return []*Node{n}, err }

// slopeTimes is x, grad of x's shape -> slope(x) * grad.
type slopeTimes struct {
	kind, name string
	slope      func(x float64) float64
}

func (o *slopeTimes) signature() signature {
	return signature{kind: o.kind, name: o.name, axes: []int{anyAxes, anyAxes, anyAxes}, counts: []int{2}}
}

func (o *slopeTimes) infer(s []tensor.Shape) (tensor.Shape, error) { return alike(o, s) }

func (o *slopeTimes) compute(dst []float32, in []view) {
	for i, x := range in[0].data {
		dst[i] = float32(o.slope(float64(x)) * float64(in[1].data[i]))
	}
}

// alike wants all arguments of one shape, which is the result's.
func alike(o Op, s []tensor.Shape) (tensor.Shape, error) {
	for i := range s[1:] {
		if !s[i+1].Eq(s[0]) {
			return nil, want(o, fmt.Sprintf("argument %d", i+1), s[i+1], fmt.Sprintf("%v, as argument 0", s[0]))
		}
	}
	return s[0].Clone(), nil
}
