package ref

import "math"

// Activation computes f(x), element by element.
func Activation[T Float](dst, x []T, f func(float64) float64) {
	for i, v := range x {
		dst[i] = T(f(float64(v)))
	}
}

// Scalar is a function of one number with its derivative.
type Scalar struct{ F, Slope func(x float64) float64 }

// Constants of SELU (Klambauer et al. 2017, arXiv:1706.02515).
const (
	seluScale = 1.0507009873554804934193349852946
	seluAlpha = 1.6732632423543772848170429916717
)

// LeakyReLU is x where x >= 0 and alpha*x elsewhere.
func LeakyReLU(alpha float64) Scalar {
	return Scalar{
		func(x float64) float64 { return choose(x < 0, alpha*x, x) },
		func(x float64) float64 { return choose(x < 0, alpha, 1) },
	}
}

// ELU is x where x >= 0 and alpha*(exp(x)-1) elsewhere.
func ELU(alpha float64) Scalar { return scaledELU(1, alpha) }

// SELU is ELU with the constants that keep mean 0 and variance 1.
func SELU() Scalar { return scaledELU(seluScale, seluAlpha) }

func scaledELU(scale, alpha float64) Scalar {
	return Scalar{
		func(x float64) float64 { return scale * choose(x < 0, alpha*math.Expm1(min(x, 0)), x) },
		func(x float64) float64 { return scale * choose(x < 0, alpha*math.Exp(min(x, 0)), 1) },
	}
}

// GELU is x * Phi(x), Phi the distribution of the normal numbers, exactly: by the error function.
func GELU() Scalar {
	phi := func(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
	return Scalar{
		func(x float64) float64 { return x * phi(x) },
		func(x float64) float64 { return phi(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi) },
	}
}

// Tanh is the hyperbolic tangent.
func Tanh() Scalar {
	return Scalar{math.Tanh, func(x float64) float64 { y := math.Tanh(x); return 1 - y*y }}
}

// SigmoidScalar is Sigmoid with its derivative.
func SigmoidScalar() Scalar {
	return Scalar{Sigmoid, func(x float64) float64 { return Sigmoid(x) * Sigmoid(-x) }}
}

// Softplus is log(1+exp(x)).
func Softplus() Scalar {
	return Scalar{func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }, Sigmoid}
}

// Swish is x * Sigmoid(x), also called SiLU.
func Swish() Scalar {
	return Scalar{
		func(x float64) float64 { return x * Sigmoid(x) },
		func(x float64) float64 { y := Sigmoid(x); return y + x*y*Sigmoid(-x) },
	}
}

func choose(first bool, a, b float64) float64 {
	if first {
		return a
	}
	return b
}

// Function is the activation function of that name, as nn.Function has them, with its parameter; ok is
// false for another name.
func Function(name string, alpha float64) (f Scalar, ok bool) {
	switch name {
	case "leaky-relu":
		return LeakyReLU(alpha), true
	case "elu":
		return ELU(alpha), true
	case "selu":
		return SELU(), true
	case "gelu":
		return GELU(), true
	case "tanh":
		return Tanh(), true
	case "sigmoid":
		return SigmoidScalar(), true
	case "softplus":
		return Softplus(), true
	case "swish":
		return Swish(), true
	}
	return Scalar{}, false
}
