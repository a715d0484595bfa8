package inception

import (
	"fmt"
	"math"

	"github.com/c236555e/rehead/internal/safetensors"
)

// HeadLayer is one step of a head that is not linear.
type HeadLayer struct {
	Kind  LayerKind
	Units int       // what it gives: of Dense; the others keep the width
	W, B  []float32 // of Dense: [Units,width], [Units]; of Scale: [width] each, y = W x + B; of PReLU: [width], none
	Alpha float64   // of LeakyReLU, ELU: the slope, or the limit, below zero; of HardSigmoid: the slope; of Norm: epsilon
}

// LayerKind names what a HeadLayer computes.
type LayerKind string

// The kinds of HeadLayer.
const (
	LayerDense     LayerKind = "dense"
	LayerScale     LayerKind = "scale" // what is left of a batch norm at inference
	LayerReLU      LayerKind = "relu"
	LayerReLU6     LayerKind = "relu6"
	LayerLeakyReLU LayerKind = "leaky_relu"
	LayerELU       LayerKind = "elu"
	LayerSELU      LayerKind = "selu"
	LayerTanh      LayerKind = "tanh"
	LayerSigmoid   LayerKind = "sigmoid"
	LayerSwish     LayerKind = "swish"
	LayerGELU      LayerKind = "gelu"      // x times the normal distribution's share below x
	LayerGELUTanh  LayerKind = "gelu_tanh" // its approximation by a tanh (Hendrycks and Gimpel, 2016)
	LayerL2        LayerKind = "l2"        // x / max(|x|, 1e-12)

	LayerSoftplus    LayerKind = "softplus"     // log(1 + e^x)
	LayerSoftsign    LayerKind = "softsign"     // x / (1 + |x|)
	LayerMish        LayerKind = "mish"         // x times the tanh of its softplus
	LayerHardSigmoid LayerKind = "hard_sigmoid" // Alpha x + 1/2, kept within 0..1
	LayerHardSwish   LayerKind = "hard_swish"   // x times the hard sigmoid of slope 1/6
	LayerPReLU       LayerKind = "prelu"        // W x below zero, x above
	LayerNorm        LayerKind = "layer_norm"   // (x - mean) / sqrt(variance + Alpha), over the values of a picture
)

// The constants of SELU (Klambauer et al., 2017) and of GELU by a tanh, and what keeps LayerL2 from
// dividing by zero.
const (
	seluAlpha = 1.6732632423543772
	seluScale = 1.0507009873554805
	l2Floor   = 1e-12

	geluNarrow = 0.7978845608028654 // the root of 2/pi
	geluCube   = 0.044715
)

// width is the length of what a layer gives for n inputs.
func (l *HeadLayer) width(n int) int {
	if l.Kind == LayerDense {
		return l.Units
	}
	return n
}

// apply computes one layer.
func (l *HeadLayer) apply(x []float64) []float64 {
	y := make([]float64, l.width(len(x)))
	switch l.Kind {
	case LayerDense:
		product(l.W, l.B, x, y)
	case LayerScale:
		for i, v := range x {
			y[i] = float64(l.W[i])*v + float64(l.B[i])
		}
	case LayerL2:
		n := max(norm(x), l2Floor)
		for i, v := range x {
			y[i] = v / n
		}
	case LayerPReLU:
		for i, v := range x {
			y[i] = v * l.slope(i, v)
		}
	case LayerNorm:
		mean, deviation := l.moments(x)
		for i, v := range x {
			y[i] = (v - mean) / deviation
		}
	default:
		for i, v := range x {
			y[i], _ = l.at(v)
		}
	}
	return y
}

func norm(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}

// at is an activation's value and slope at x.
func (l *HeadLayer) at(x float64) (y, slope float64) {
	switch l.Kind {
	case LayerReLU6:
		if x >= 6 {
			return 6, 0
		}
		return max(x, 0), positive(x)
	case LayerLeakyReLU:
		if x < 0 {
			return l.Alpha * x, l.Alpha
		}
		return x, 1
	case LayerELU, LayerSELU:
		scale, alpha := 1.0, l.Alpha
		if l.Kind == LayerSELU {
			scale, alpha = seluScale, seluAlpha
		}
		if x < 0 {
			return scale * alpha * math.Expm1(x), scale * alpha * math.Exp(x)
		}
		return scale * x, scale
	case LayerTanh:
		y = math.Tanh(x)
		return y, 1 - y*y
	case LayerSigmoid, LayerSwish:
		s := 1 / (1 + math.Exp(-x))
		if l.Kind == LayerSigmoid {
			return s, s * (1 - s)
		}
		return x * s, s + x*s*(1-s)
	case LayerGELU:
		p := 0.5 * math.Erfc(-x/math.Sqrt2)
		return x * p, p + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case LayerGELUTanh:
		u := geluNarrow * (x + geluCube*x*x*x)
		t := math.Tanh(u)
		return x * (1 + t) / 2, (1+t)/2 + x*(1-t*t)/2*geluNarrow*(1+3*geluCube*x*x)
	case LayerSoftplus, LayerSoftsign, LayerMish, LayerHardSigmoid, LayerHardSwish:
		return l.bend(x)
	}
	return max(x, 0), positive(x)
}

func positive(x float64) float64 {
	if x > 0 {
		return 1
	}
	return 0
}

// backward turns the gradient of a layer's result y into that of its input x.
func (l *HeadLayer) backward(x, y, g []float64) []float64 {
	in := make([]float64, len(x))
	switch l.Kind {
	case LayerDense:
		for k, v := range g {
			for i, w := range l.W[k*len(x) : (k+1)*len(x)] {
				in[i] += v * float64(w)
			}
		}
	case LayerScale:
		for i, v := range g {
			in[i] = v * float64(l.W[i])
		}
	case LayerL2:
		dot := 0.0
		for i, v := range g {
			dot += v * y[i]
		}
		n := max(norm(x), l2Floor)
		for i, v := range g {
			in[i] = (v - dot*y[i]) / n
		}
	case LayerPReLU:
		for i, v := range g {
			in[i] = v * l.slope(i, x[i])
		}
	case LayerNorm:
		_, deviation := l.moments(x)
		sum, dot := 0.0, 0.0
		for i, v := range g {
			sum += v / float64(len(g))
			dot += v * y[i] / float64(len(g))
		}
		for i, v := range g {
			in[i] = (v - sum - dot*y[i]) / deviation
		}
	default:
		for i, v := range g {
			_, slope := l.at(x[i])
			in[i] = v * slope
		}
	}
	return in
}

// sizes is how many weights, biases and units a layer has that reads n values.
func (l *HeadLayer) sizes(n int) (w, b, units int, err error) {
	switch l.Kind {
	case LayerDense:
		if l.Units < 1 || l.Units > maxUnits {
			return 0, 0, 0, fmt.Errorf("got %d units, want 1 to %d", l.Units, maxUnits)
		}
		return l.Units * n, l.Units, l.Units, nil
	case LayerScale:
		return n, n, 0, nil
	case LayerPReLU:
		return n, 0, 0, nil
	case LayerReLU, LayerReLU6, LayerLeakyReLU, LayerELU, LayerSELU, LayerTanh, LayerSigmoid, LayerSwish, LayerGELU,
		LayerGELUTanh, LayerL2, LayerSoftplus, LayerSoftsign, LayerMish, LayerHardSigmoid, LayerHardSwish, LayerNorm:
		return 0, 0, 0, nil
	}
	return 0, 0, 0, fmt.Errorf("its kind is %q, which this rehead does not know", l.Kind)
}

// validate checks a layer that reads n values.
func (l *HeadLayer) validate(n int) error {
	w, b, units, err := l.sizes(n)
	if err != nil {
		return err
	}
	leaks := l.Kind == LayerLeakyReLU || l.Kind == LayerELU || l.Kind == LayerHardSigmoid || l.Kind == LayerNorm
	switch {
	case len(l.W) != w || len(l.B) != b || l.Units != units:
		return fmt.Errorf("%s has %d weights, %d biases and %d units, want %d, %d and %d", l.Kind, len(l.W), len(l.B),
			l.Units, w, b, units)
	case safetensors.NotFinite(l.W) >= 0 || safetensors.NotFinite(l.B) >= 0:
		return fmt.Errorf("%s has a value that is not finite", l.Kind)
	case leaks && !(0 <= l.Alpha && l.Alpha <= 100) || !leaks && l.Alpha != 0:
		return fmt.Errorf("%s has alpha %g, want 0..100 for %s, %s, %s and %s and 0 else", l.Kind, l.Alpha, LayerLeakyReLU,
			LayerELU, LayerHardSigmoid, LayerNorm)
	case l.Kind == LayerNorm && l.Alpha == 0:
		return fmt.Errorf("%s has alpha 0, which is added to a variance: want more", l.Kind)
	}
	return nil
}
