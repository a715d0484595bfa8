package head

import (
	"testing"

	"github.com/c236555e/rehead/train/internal/traintest"
)

func TestThresholds(t *testing.T) {
	sets := [][]int{{0, 1}, {0}, {1}, {}, {}}
	probabilities := [][3]float64{{0.9, 0.2, 0.1}, {0.8, 0.1, 0.9}, {0.3, 0.15, 0.5}, {0.2, 0.05, 0.5}, {0.7, 0.02, 0.5}}
	// times that, label 0 is right from between 0.8 and 0.7 on, label 1 from between 0.15 and 0.1,
	// label 2 is nobody's.
	for times, want := range map[int][]float64{2: {0.5, 0.5, 0.5}, 3: {0.75, 0.125, 0.5}} {
		ex := Examples{Classes: 3, Labels: make([]int, 5*times)}
		var logits []float64
		for range times {
			ex.MultiLabel = append(ex.MultiLabel, sets...)
			for _, p := range probabilities {
				logits = append(logits, traintest.Logit(p[0]), traintest.Logit(p[1]), traintest.Logit(p[2]))
			}
		}
		got := FitThresholds(logits, ex, 1)
		for l := range want {
			if !traintest.Near(got[l], want[l], 1e-12, 0) {
				t.Errorf("%d times, label %d: got %g, want %g", times, l, got[l], want[l])
			}
		}
	}
}

// TestWeightedTemperature: an example of weight 3 counts as three of weight 1.
func TestWeightedTemperature(t *testing.T) {
	logits, labels := traintest.Answers(5, 40, 3, 2)
	ex, many := Examples{Labels: labels, Classes: 3}, Examples{Classes: 3}
	var repeated []float64
	for i, l := range labels {
		ex.Weights = append(ex.Weights, 1+2*float64(i%2))
		for range 1 + 2*(i%2) {
			many.Labels, repeated = append(many.Labels, l), append(repeated, logits[3*i:3*i+3]...)
		}
	}
	// The prior weighs as much as it does for 40 examples, so that repeating is nearly but not
	// quite the same.
	if a, b := FitTemperature(logits, ex), FitTemperature(repeated, many); !traintest.Near(a, b, 0, 0.05) ||
		traintest.Near(a, FitTemperature(logits, Examples{Labels: labels, Classes: 3}), 0, 1e-9) {
		t.Errorf("got %g, of repeated examples %g", a, b)
	}
}

// TestTemperatureIsNoNoise: of samples drawn with temperature 1 nearly all keep it, of those drawn
// with another nearly none.
func TestTemperatureIsNoNoise(t *testing.T) {
	const samples = 200
	for _, c := range []struct {
		temperature float64
		least, most int // samples that get a temperature
	}{{1, 1, samples / 10}, {2, samples * 95 / 100, samples}} {
		fitted := 0
		for seed := range uint64(samples) {
			logits, labels := traintest.Answers(seed, 150, 4, c.temperature)
			if FitTemperature(logits, Examples{Labels: labels, Classes: 4}) != 1 {
				fitted++
			}
		}
		if fitted < c.least || fitted > c.most {
			t.Errorf("temperature %g: fitted for %d of %d samples, want %d to %d", c.temperature, fitted, samples, c.least,
				c.most)
		}
	}
}

// TestCrossValidate: what a fold's examples are told does not depend on their labels, and views of
// theirs do not give them away.
func TestCrossValidate(t *testing.T) {
	rows := make([][]float32, 40)
	ex := Examples{Classes: 2}
	fold := make([]int, len(rows))
	for i := range rows {
		ex.Rows = append(ex.Rows, []float32{float32(i%7) + float32(i%2), float32(i % 3)})
		ex.Labels, fold[i] = append(ex.Labels, i%2), i%4
	}
	ex.Rows, ex.Labels, fold = append(ex.Rows, ex.Rows[5]), append(ex.Labels, 0), append(fold, -1-fold[5])
	before, err := CrossValidate(t.Context(), ex, Config{Folds: fold})
	if err != nil {
		t.Fatal(err)
	}
	for i := range ex.Labels {
		if fold[i] == 1 || fold[i] == -2 {
			ex.Labels[i] = 1 - ex.Labels[i]
		}
	}
	after, err := CrossValidate(t.Context(), ex, Config{Folds: fold})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range fold {
		same := before[2*i] == after[2*i] && before[2*i+1] == after[2*i+1]
		if want := f == 1 || f < 0; same != want {
			t.Errorf("example %d of fold %d: the same is %t, want %t", i, f, same, want)
		}
	}
	if _, err := CrossValidate(t.Context(), ex, Config{Folds: fold[1:]}); err == nil {
		t.Error("a fold too few: got no error")
	}
}
