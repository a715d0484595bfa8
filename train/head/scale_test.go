package head

import (
	"math"
	"testing"

	"github.com/c236555e/rehead/train/internal/traintest"
)

func TestScale(t *testing.T) {
	ex := clouds(29, 70, 9, 3)
	for _, row := range ex.Rows {
		row[4] = 2.5
	}
	std := make([]float64, 9)
	for j := range std {
		mean := 0.0
		for _, row := range ex.Rows {
			mean += float64(row[j]) / 70
		}
		for _, row := range ex.Rows {
			std[j] += (float64(row[j]) - mean) * (float64(row[j]) - mean) / 70
		}
		std[j] = math.Sqrt(std[j])
	}
	for _, c := range []struct {
		scaling Scaling
		power   float64
	}{{"", 0.5}, {ScaleHalf, 0.5}, {ScaleStandard, 1}, {ScaleCommon, 0}} {
		power, ok := c.scaling.power()
		if !ok || power != c.power {
			t.Fatalf("%q: got power %g, want %g", c.scaling, power, c.power)
		}
		s := newScale(ex.Rows, power, 2)
		z, sum := make([]float32, 9), make([]float64, 9)
		for _, row := range ex.Rows {
			s.apply(z, row)
			for j, v := range z {
				sum[j] += float64(v) * float64(v) / 70
			}
		}
		total := 0.0
		for j, v := range sum {
			total += v
			if j != 4 { // the scaled deviation is proportional to std^(1-power)
				want := math.Sqrt(sum[0]) * math.Pow(std[j]/std[0], 1-power)
				if !traintest.Near(math.Sqrt(v), want, 0, 1e-5) {
					t.Errorf("%q: feature %d: got deviation %g, want %g", c.scaling, j, math.Sqrt(v), want)
				}
			}
		}
		if !traintest.Near(total/8, 1, 1e-5, 0) || sum[4] != 0 {
			t.Errorf("%q: got a mean variance of %g, and %g for the constant feature; want 1 and 0", c.scaling, total/8, sum[4])
		}
	}
}

func TestFoldKeepsTheFunction(t *testing.T) {
	ex := clouds(27, 50, 11, 4)
	theta := normal(4, 4*11+4)
	head := newScale(ex.Rows, 1, 3).fold(theta, 4)
	logits := make([]float64, 4)
	p := newPlain(ex, 0)
	for i, row := range ex.Rows {
		_ = head.Logits(row, logits)
		for k := range logits {
			want := theta[4*11+k]
			for j, z := range p.z[i] {
				want += theta[k*11+j] * z
			}
			if !traintest.Near(logits[k], want, 1e-5, 1e-5) { // the head is stored in float32
				t.Errorf("row %d, class %d: got %g, want %g", i, k, logits[k], want)
			}
		}
	}
}
