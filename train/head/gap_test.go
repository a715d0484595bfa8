package head

import (
	"math"
	"testing"

	"github.com/c236555e/rehead/nn/linalg"
)

// newtons minimises p by Newton's method with all second derivatives, in float64, to the end of
// what float64 can tell: a reference that shares nothing with the solver but the factorisation.
func newtons(t *testing.T, p *plain) (least float64) {
	t.Helper()
	f, k := len(p.z[0]), p.k
	dim := k*f + k
	theta := make([]float64, dim)
	loss, grad := p.at(theta)
	for range 200 {
		h := p.second(theta)
		for i := range dim { // moves only what does not matter
			h.Data[i*dim+i] += 1e-13
		}
		for a := k * f; a < dim; a++ { // alike for all classes: free
			for b := k * f; b < dim; b++ {
				h.Data[a*dim+b] += 1
			}
		}
		factor, err := linalg.Factor(h, 1)
		if err != nil {
			t.Fatal(err)
		}
		step := append([]float64(nil), grad...)
		if err := factor.Solve(linalg.New(step, 1, dim)); err != nil {
			t.Fatal(err)
		}
		slope := 0.0
		for i, g := range grad {
			slope += g * step[i]
		}
		if slope < 1e-15*loss {
			return loss
		}
		for rate := 1.0; ; rate /= 2 {
			next := make([]float64, dim)
			for i := range next {
				next[i] = theta[i] - rate*step[i]
			}
			if l, g := p.at(next); l <= loss-1e-4*rate*slope || rate < 1e-9 {
				theta, loss, grad = next, l, g
				break
			}
		}
	}
	t.Fatal("Newton's method does not end")
	return 0
}

// second is the matrix of p's second derivatives.
func (p *plain) second(theta []float64) linalg.Matrix[float64] {
	f, n := len(p.z[0]), float64(len(p.z))
	dim := p.k*f + p.k
	h := linalg.New(make([]float64, dim*dim), dim, dim)
	for _, z := range p.z {
		prob := p.probabilities(theta, z)
		place := func(k, j int) (int, float64) {
			if j == f {
				return p.k*f + k, 1
			}
			return k*f + j, z[j]
		}
		for a := range p.k {
			for b := range p.k {
				c := -prob[a] * prob[b] / n
				if a == b {
					c += prob[a] / n
				}
				for i := range f + 1 {
					row, x := place(a, i)
					for j := range f + 1 {
						col, y := place(b, j)
						h.Data[row*dim+col] += c * x * y
					}
				}
			}
		}
	}
	for i := range p.k * f {
		h.Data[i*dim+i] += p.l2
	}
	return h
}

func (p *plain) probabilities(theta, z []float64) []float64 {
	f := len(z)
	prob, top, sum := make([]float64, p.k), math.Inf(-1), 0.0
	for k := range prob {
		prob[k] = theta[p.k*f+k]
		for j, v := range z {
			prob[k] += theta[k*f+j] * v
		}
		top = max(top, prob[k])
	}
	for k, v := range prob {
		prob[k] = math.Exp(v - top)
		sum += prob[k]
	}
	for k := range prob {
		prob[k] /= sum
	}
	return prob
}

// TestGapHolds holds the loss and the bound on its distance from the least one to a reference: at
// every L2 from the strongest to the weakest, of data that a plane parts, of data that none does and
// of more features than examples, after any number of iterations, on the way by float32 or by bfloat16.
func TestGapHolds(t *testing.T) {
	parted, mixed := clouds(61, 40, 12, 3), clouds(62, 150, 6, 3)
	for i := range 37 {
		mixed.Labels[4*i] = (mixed.Labels[4*i] + 1) % 3
	}
	for _, set := range []struct {
		name     string
		ex       Examples
		bfloat16 int
	}{
		{"parted", parted, -1}, {"mixed", mixed, -1}, {"wide", clouds(66, 40, 90, 3), -1},
		{"parted, rough", parted, 1}, {"mixed, rough", mixed, 1},
	} {
		name, ex := set.name, set.ex
		for _, l2 := range []float64{3, 0.1, 1e-3, 1e-5, 1e-7, 1e-8} {
			p := newPlain(ex, l2)
			least := newtons(t, p)
			for _, most := range []int{1, 3, 10, 0} {
				fit := mustFit(t, ex, Config{bfloat16: set.bfloat16,
					Options: Options{L2: l2, Scaling: ScaleStandard, MaxIterations: most}})
				loss, _ := p.at(fit.theta)
				rounding := 1e-9 * loss // the reference's rows are float64
				if above := loss - least; !(above <= fit.Gap+rounding) || !(above >= -rounding) {
					t.Errorf("%s, L2 %g, %d iterations: the loss %.12g is %.3g above the least, told: at most %.3g", name, l2,
						fit.Iterations, loss, above, fit.Gap)
				}
				if !(math.Abs(loss-fit.Loss) <= 1e-6*loss) {
					t.Errorf("%s, L2 %g, %d iterations: the loss is %.12g, told %.12g", name, l2, fit.Iterations, loss, fit.Loss)
				}
				if fit.Converged != (fit.Gap <= 1e-6*fit.Loss) || most == 0 && !fit.Converged {
					t.Errorf("%s, L2 %g: %d iterations, %d evaluations: gap %.3g of %.9g, converged %t", name, l2, fit.Iterations,
						fit.Evaluations, fit.Gap, fit.Loss, fit.Converged)
				}
				if most == 0 {
					t.Logf("%s, L2 %g: %d iterations, %d evaluations: gap %.3g (%.3g) of %.9g", name, l2, fit.Iterations,
						fit.Evaluations, fit.Gap, loss-least, fit.Loss)
				}
			}
		}
	}
}
