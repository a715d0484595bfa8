package head

import (
	"context"
	"math"
	"testing"

	"github.com/c236555e/rehead/train/internal/traintest"
)

// plain is the objective of the package comment, written down once more: float64, one example after
// another, nothing shared with the code under test.
type plain struct {
	z      [][]float64
	labels []int
	k      int
	l2     float64
}

func newPlain(ex Examples, l2 float64) *plain { // with ScaleStandard
	f, n := len(ex.Rows[0]), float64(len(ex.Rows))
	p := &plain{labels: ex.Labels, k: ex.Classes, l2: l2}
	for range ex.Rows {
		p.z = append(p.z, make([]float64, f))
	}
	for j := range f {
		mean, sq := 0.0, 0.0
		for _, r := range ex.Rows {
			mean += float64(r[j]) / n
		}
		for _, r := range ex.Rows {
			sq += (float64(r[j]) - mean) * (float64(r[j]) - mean) / n
		}
		for i, r := range ex.Rows {
			if sq > 1e-20 {
				p.z[i][j] = (float64(r[j]) - mean) / math.Sqrt(sq)
			}
		}
	}
	return p
}

func (p *plain) at(theta []float64) (loss float64, grad []float64) {
	f, n := len(p.z[0]), float64(len(p.z))
	grad = make([]float64, len(theta))
	logits := make([]float64, p.k)
	for i, z := range p.z {
		sum := 0.0
		for k := range logits {
			logits[k] = theta[p.k*f+k]
			for j, v := range z {
				logits[k] += theta[k*f+j] * v
			}
			sum += math.Exp(logits[k])
		}
		loss -= math.Log(math.Exp(logits[p.labels[i]])/sum) / n
		for k := range logits {
			d := math.Exp(logits[k]) / sum / n
			if k == p.labels[i] {
				d -= 1 / n
			}
			for j, v := range z {
				grad[k*f+j] += d * v
			}
			grad[p.k*f+k] += d
		}
	}
	for i, w := range theta[:p.k*f] {
		loss += p.l2 / 2 * w * w
		grad[i] += p.l2 * w
	}
	return loss, grad
}

func TestPlainGradient(t *testing.T) { // the reference itself, by central differences
	p := newPlain(clouds(3, 17, 4, 3), 0.2)
	theta := normal(1, 3*4+3)
	_, grad := p.at(theta)
	for i, keep := range theta {
		const h = 1e-5
		theta[i] = keep + h
		up, _ := p.at(theta)
		theta[i] = keep - h
		down, _ := p.at(theta)
		theta[i] = keep
		if d := (up - down) / (2 * h); !traintest.Near(grad[i], d, 1e-8, 1e-6) {
			t.Errorf("component %d: got %g, central difference %g", i, grad[i], d)
		}
	}
}

// value and gradient away from the solution, in several chunks with a smaller last one
func TestObjective(t *testing.T) {
	ex := clouds(5, 2*chunkRows+331, 9, 4)
	const l2 = 0.07
	theta := normal(2, 4*9+4)
	for _, threads := range []int{1, 2, 5} {
		o, err := newObjective(context.Background(), mustTargets(t, ex), newScale(ex.Rows, 1, threads), threads, false)
		if err != nil {
			t.Fatal(err)
		}
		o.l2 = l2
		grad := normal(3, len(theta))
		for again := range 2 { // the second evaluation starts from a used state
			loss, err := o.value(theta, grad)
			if err != nil {
				t.Fatal(err)
			}
			wantLoss, wantGrad := newPlain(ex, l2).at(theta) // with the best bias
			if !traintest.Near(loss, wantLoss, 0, 1e-6) {    // float32 logits of size about 3: 2e-7 each
				t.Errorf("threads %d, run %d: loss: got %.9g, want %.9g", threads, again, loss, wantLoss)
			}
			for i := range grad {
				if !traintest.Near(grad[i], wantGrad[i], 2e-6, 1e-5) {
					t.Errorf("threads %d, run %d: gradient %d: got %g, want %g", threads, again, i, grad[i], wantGrad[i])
				}
			}
		}
	}
}

func mustTargets(t testing.TB, ex Examples) *targets {
	t.Helper()
	g, err := newTargets(ex, Config{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}
