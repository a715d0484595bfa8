package convert

import (
	"math"
	"slices"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// spelt are the activations that exporters spell out in operators of arithmetic.
var spelt = map[inception.LayerKind]func(x float64) float64{
	inception.LayerGELU: func(x float64) float64 { return 0.5 * x * math.Erfc(-x/math.Sqrt2) },
	inception.LayerGELUTanh: func(x float64) float64 {
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	},
	inception.LayerMish:      func(x float64) float64 { return x * math.Tanh(math.Log1p(math.Exp(x))) },
	inception.LayerSoftplus:  func(x float64) float64 { return math.Log1p(math.Exp(x)) },
	inception.LayerHardSwish: func(x float64) float64 { return x * min(max(x+3, 0), 6) / 6 },
	inception.LayerSoftsign:  func(x float64) float64 { return x / (1 + math.Abs(x)) },
}

// The places at which a spelled activation is compared, the two kinds of GELU differ by up to 5e-4
// there, and how near it has to come: constants of float16 move it by 1e-4.
var probes = [...]float64{-5, -3, -2, -1, -0.25, 0.5, 1.5, 2.25, 6}

const spelledNear = 2e-4

// maxSpelled bounds the operators of a spelled activation: tanh GELU has nine, and a Cast here and there.
const maxSpelled = 24

// spelled recognises an activation by its values, however its arithmetic is put: it follows v through
// operators that compute with it and numbers, and returns the first whose result is one of those.
func (w *walker) spelled(v string) (link, *graph.Node) {
	values, seen := map[string][]float64{v: probes[:]}, map[*graph.Node]bool{}
	for queue := []string{v}; len(queue) > 0 && len(seen) < maxSpelled; queue = queue[1:] {
		for _, n := range w.users[queue[0]] {
			if seen[n] || len(w.outputs[n]) != 1 {
				continue
			}
			y := w.arithmetic(n, values)
			if y == nil {
				continue // it waits for its other input, or is no arithmetic
			}
			seen[n] = true
			if kind := named(y); kind != "" && w.closed(values, seen) {
				return link{kind: kind, node: n}, n
			}
			out := w.outputs[n][0]
			values[out] = y
			queue = append(queue, out)
		}
	}
	return link{}, nil
}

// closed reports whether nothing but the operators that were seen reads the values that they make of each other.
func (w *walker) closed(values map[string][]float64, seen map[*graph.Node]bool) bool {
	for v := range values {
		if slices.ContainsFunc(w.readers(v), func(n *graph.Node) bool { return !seen[n] }) {
			return false
		}
	}
	return true
}

// named is the kind that has these values at the probes, the nearer one.
func named(y []float64) (kind inception.LayerKind) {
	least := spelledNear
	for k, f := range spelt {
		far := 0.0
		for i, x := range probes {
			far = max(far, math.Abs(y[i]-f(x))/max(1, math.Abs(x)))
		}
		if far < least {
			kind, least = k, far
		}
	}
	return kind
}

// arithmetic computes an operator of known values and numbers, nil where it has others.
func (w *walker) arithmetic(n *graph.Node, values map[string][]float64) []float64 {
	var in [2][]float64
	inputs, one := n.Inputs, unaries[n.Op]
	switch {
	case n.Op == "Clip" && clipped(w.matcher, n) == nil:
		inputs, one = inputs[:1], unaries["Relu6"]
	case n.Op == "HardSigmoid":
		_, alpha, err := activation(w.matcher, n)
		if err != nil {
			return nil
		}
		one = func(x float64) float64 { return min(max(alpha*x+0.5, 0), 1) }
	}
	if len(inputs) == 0 || len(inputs) > 2 {
		return nil
	}
	for i, name := range inputs {
		in[i] = values[name]
		if in[i] != nil {
			continue
		}
		c, err := w.vector(name)
		if err != nil || len(c) != 1 {
			return nil
		}
		in[i] = make([]float64, len(probes))
		for j := range in[i] {
			in[i][j] = c[0]
		}
	}
	f := binaries[n.Op]
	if one != nil || w.d.kind(n) == opPass {
		f = func(x, _ float64) float64 {
			if one == nil {
				return x
			}
			return one(x)
		}
	}
	if f == nil || binaries[n.Op] != nil && in[1] == nil {
		return nil
	}
	y := make([]float64, len(probes))
	for j := range y {
		b := 0.0
		if in[1] != nil {
			b = in[1][j]
		}
		y[j] = f(in[0][j], b)
	}
	return y
}

var (
	unaries = map[string]func(x float64) float64{
		"Tanh": math.Tanh, "Erf": math.Erf, "Square": func(x float64) float64 { return x * x },
		"Neg": func(x float64) float64 { return -x }, "Erfc": math.Erfc, "Abs": math.Abs, "Exp": math.Exp, "Log": math.Log,
		"Log1p": math.Log1p, "Relu6": func(x float64) float64 { return min(max(x, 0), 6) },
		"Softplus": func(x float64) float64 { return math.Log1p(math.Exp(x)) },
		"Relu":     func(x float64) float64 { return max(x, 0) },
	}
	binaries = map[string]func(a, b float64) float64{
		"Add": add, "AddV2": add, "BiasAdd": add, "Pow": math.Pow,
		"Mul": func(a, b float64) float64 { return a * b }, "Sub": func(a, b float64) float64 { return a - b },
		"Div": quotient, "RealDiv": quotient,
	}
)

func add(a, b float64) float64      { return a + b }
func quotient(a, b float64) float64 { return a / b }
