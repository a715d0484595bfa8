package metrics

import (
	"math/rand/v2"
	"testing"

	"github.com/c236555e/rehead/train/internal/traintest"
)

func TestROCAUC(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 2; n < 40; n++ {
		scores, is := make([]float64, n), make([]bool, n)
		for i := range scores {
			scores[i], is[i] = float64(rng.IntN(8)), i == 0 || i > 1 && rng.IntN(2) == 0
		}
		wins, pairs := 0.0, 0.0
		for i := range scores {
			for j := range scores {
				if is[i] && !is[j] {
					pairs++
					switch {
					case scores[i] > scores[j]:
						wins++
					case scores[i] == scores[j]:
						wins += 0.5
					}
				}
			}
		}
		if got, ok := rocAUC(scores, is); !ok || !traintest.Near(got, wins/pairs, 1e-12, 0) {
			t.Errorf("%d examples: got %g, %t; want %g", n, got, ok, wins/pairs)
		}
	}
	for _, is := range [][]bool{{true, true}, {false, false}} {
		if got, ok := rocAUC([]float64{1, 2}, is); ok {
			t.Errorf("%v: got %g, want none", is, got)
		}
	}
}

func TestTopK(t *testing.T) {
	logits := []float64{
		6, 5, 4, 3, 2, 1, // label 0: first
		6, 5, 4, 3, 2, 1, // label 2: third
		6, 5, 4, 3, 2, 1, // label 5: sixth, so never among five
		1, 1, 0, 0, 0, 0, // label 1: second, since the first of equals is ahead
	}
	got := topK(logits, []int{0, 2, 5, 1}, 6)
	for k, want := range []float64{0.25, 0.5, 0.75, 0.75, 0.75} {
		if len(got) != 5 || got[k] != want {
			t.Fatalf("got %v, want %g at %d", got, want, k)
		}
	}
	if got := topK(nil, nil, 6); got != nil {
		t.Errorf("no examples: got %v", got)
	}
}
