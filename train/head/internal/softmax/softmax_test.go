package softmax

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// rows makes logits and biases of n labels, padded, among others that must not be touched.
func rows(n, seed int) (u, b []float32) {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(seed)))
	for i := range (n + Lanes - 1) / Lanes * Lanes {
		u = append(u, float32(6*rng.NormFloat64()))
		if b = append(b, Pad); i < n {
			b[i] = float32(rng.NormFloat64())
		}
	}
	return u, b
}

// TestRow holds rows to float64 and, with what assembly there is, to plain Go's bits.
func TestRow(t *testing.T) {
	for _, n := range []int{1, 2, 7, 8, 9, 31, 64, 257} {
		for seed := range 20 {
			u, b := rows(n, seed)
			switch seed {
			case 0: // several are the largest
				u[n-1], b[n-1] = u[0], b[0]
			case 1: // one is far above, which hides the others' sum unless that is summed apart
				u[n/2] = 40
			case 2:
				u[0] = -300
			}
			dst := slices.Repeat([]float32{7}, len(u)+2)
			top, others := Row(dst[1:len(u)+1], u, b)
			if dst[0] != 7 || dst[len(u)+1] != 7 {
				t.Fatal("wrote outside of the row")
			}
			got := dst[1 : len(u)+1]
			most, at, sum := float32(math.Inf(-1)), 0, 0.0
			for j := range n {
				if z := u[j] + b[j]; z > most {
					most, at = z, j
				}
			}
			for j := range u {
				want := math.Exp(float64(u[j]+b[j]) - float64(most))
				// z - most is rounded to 2^-24 of its size, up to 86
				if !(math.Abs(float64(got[j])-want) <= 6e-6*want+1e-37) {
					t.Fatalf("%d labels, value %d: got %g, want %g", n, j, got[j], want)
				}
				if j != at {
					sum += want
				}
			}
			if top != most || !(math.Abs(float64(others)-sum) <= 2e-6*sum+1e-36) {
				t.Fatalf("%d labels: got %g and %g, want %g and %g", n, top, others, most, sum)
			}
			plain := make([]float32, len(u))
			var tops [Lanes]float32
			var sums [2 * Lanes]float32
			addBiasGo(plain, u, b, &tops)
			exponentialsGo(plain, slices.Max(tops[:]), &sums)
			if !slices.Equal(plain, got) {
				t.Fatalf("%d labels: got other bits than plain Go: %v, %v", n, got, plain)
			}
			sum64, want64 := make([]float64, len(u)), make([]float64, len(u))
			for j := range sum64 {
				sum64[j], want64[j] = float64(j), float64(j)
			}
			Scale(got, 0.3, sum64)
			scaleGo(plain, 0.3, want64)
			if !slices.Equal(plain, got) || !slices.Equal(sum64, want64) {
				t.Fatalf("%d labels: scaled to other bits than plain Go", n)
			}
		}
	}
}

// TestRowOfNaN holds that a logit that is no number is told.
func TestRowOfNaN(t *testing.T) {
	for _, at := range []int{0, 5, 12} {
		u, b := rows(13, 1)
		u[at] = float32(math.NaN())
		if _, others := Row(u, u, b); others == others {
			t.Errorf("logit %d is no number: got the sum %g, want none", at, others)
		}
	}
}

func TestExp(t *testing.T) {
	for x := float32(0); x > -90; x -= 0.00371 {
		want := math.Exp(float64(x))
		if x <= -86 {
			want = 0
		}
		if !(math.Abs(float64(Exp(x))-want) <= 2e-7*want) {
			t.Fatalf("exp(%g): got %g, want %g", x, Exp(x), want)
		}
	}
	for _, x := range []float64{math.Inf(-1), -1e4} {
		if Exp(float32(x)) != 0 {
			t.Errorf("exp(%g): got %g, want 0", x, Exp(float32(x)))
		}
	}
	if v := Exp(float32(math.NaN())); v == v {
		t.Errorf("exp(NaN): got %g", v)
	}
}

func BenchmarkRow(b *testing.B) {
	u, bias := rows(257, 1)
	dst, sums := make([]float32, len(u)), make([]float64, len(u))
	for b.Loop() {
		_, others := Row(dst, u, bias)
		Scale(dst, 1/(1+others), sums)
	}
}
