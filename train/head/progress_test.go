package head

import (
	"context"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/c236555e/rehead/train/internal/traintest"
)

// TestEverySolverKeepsTheValidationLoss: each iteration has the loss on the validation part beside
// the one it descends, the last is the head's own, and a run that was stopped over and over keeps
// the same losses, to the last bit.
func TestEverySolverKeepsTheValidationLoss(t *testing.T) {
	ex, valid := clouds(55, 300, 20, 4), clouds(56, 90, 20, 4)
	for name, cfg := range map[string]Config{
		"lbfgs":    {Options: Options{L2: 0.001}},
		"sgd":      {Options: Options{Solver: SGD, MiniBatch: MiniBatch{Epochs: 6}}},
		"momentum": {Options: Options{Solver: Momentum, MiniBatch: MiniBatch{Epochs: 6}}},
		"adam":     {Options: Options{Solver: Adam, MiniBatch: MiniBatch{Epochs: 6, Patience: -1}}},
		"retrain":  {Options: Options{Solver: Retrain, MiniBatch: MiniBatch{Steps: 250}}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Validation = &valid
			var whole []moment
			cfg.Progress = collect(&whole)
			fit := mustFit(t, ex, cfg)
			if len(whole) < 5 {
				t.Fatalf("%d iterations were told of", len(whole))
			}
			for _, it := range whole[1:] {
				if !(it.validation > 0) || it.validation == it.Loss.Loss {
					t.Errorf("iteration %d: loss %g, on the validation part %g", it.Iteration, it.Loss.Loss, it.validation)
				}
			}
			if last := fit.Losses[len(fit.Losses)-1]; len(fit.Losses) < 5 || last != (Loss{fit.Iterations, fit.Loss}) {
				t.Errorf("%d losses, the last %+v; want that of the head, %+v", len(fit.Losses), last, fit)
			}
			want, _, err := meanLoss(context.Background(), fit.Head, valid, 1)
			if err != nil {
				t.Fatal(err)
			}
			if got := whole[len(whole)-1].validation; got != want {
				t.Errorf("the last loss told is %g, the head's is %g", got, want)
			}
			logits, err := Logits(context.Background(), fit.Head, valid.Rows, 1)
			if err != nil {
				t.Fatal(err)
			}
			if exact, _ := score(logits, valid, 1); !traintest.Near(want, exact, 0, 1e-5) {
				t.Errorf("in float32 the loss is %g, in float64 %g", want, exact)
			}
			cfg.Checkpoints = Checkpoints{Dir: t.TempDir(), Every: time.Nanosecond}
			var last []moment
			for stops := 0; ; stops++ {
				ctx, cancel := context.WithCancel(context.Background())
				last = nil
				keep := collect(&last)
				cfg.Progress = func(e Event) {
					if keep(e); len(last) > 1+6*stops {
						cancel()
					}
				}
				again, err := Fit(ctx, ex, cfg)
				cancel()
				if err == nil {
					if !reflect.DeepEqual(again.Losses, fit.Losses) {
						t.Errorf("a run that was stopped has other losses:\n%v, want\n%v", again.Losses, fit.Losses)
					}
					break
				}
				if !errors.Is(err, context.Canceled) || stops > 200 {
					t.Fatal(err)
				}
			}
			if a, b := once(whole), once(last); !reflect.DeepEqual(a, b) {
				t.Errorf("a run that was stopped keeps other losses:\n%v, want\n%v", b, a)
			}
		})
	}
	alone := Config{Progress: func(e Event) {
		if !math.IsNaN(e.ValidationLoss) || !math.IsNaN(e.ValidationAccuracy) {
			t.Errorf("without a validation part: loss %g, accuracy %g", e.ValidationLoss, e.ValidationAccuracy)
		}
	}}
	mustFit(t, ex, alone)
}

// collect returns a Progress that keeps the losses.
func collect(to *[]moment) func(Event) {
	return func(e Event) { *to = append(*to, moment{Loss{e.Done, e.Loss}, e.ValidationLoss}) }
}

// once leaves out what was told of twice.
func once(list []moment) map[int]moment {
	out := map[int]moment{}
	for _, it := range list {
		if _, met := out[it.Iteration]; !met {
			out[it.Iteration] = it
		}
	}
	return out
}

// TestSnapshots: heads on the way are what fits that stop there give, in the examples' own space and out of
// it; a search has none.
func TestSnapshots(t *testing.T) {
	for name, ex := range map[string]Examples{"own space": clouds(5, 50, 130, 4), "features": clouds(5, 300, 20, 4)} {
		fit := mustFit(t, ex, Config{Options: Options{L2: 1e-4, Tolerance: 1e-9}, Snapshots: true})
		n := len(fit.Snapshots)
		if n < 4 {
			t.Fatalf("%s: %d snapshots of %d iterations", name, n, fit.Iterations)
		}
		last := fit.Snapshots[n-1]
		if last.Loss != (Loss{fit.Iterations, fit.Loss}) || !reflect.DeepEqual(last.Head, fit.Head) {
			t.Errorf("%s: the last snapshot is not the head: %+v", name, last.Loss)
		}
		for i, s := range fit.Snapshots[:n-1] {
			if s.Iteration != 1<<i {
				t.Fatalf("%s: snapshot %d is of iteration %d", name, i, s.Iteration)
			}
			short := mustFit(t, ex, Config{Options: Options{L2: 1e-4, Tolerance: 1e-9, MaxIterations: s.Iteration}})
			if !traintest.Near(s.Loss.Loss, short.Loss, 0, 1e-4) {
				t.Errorf("%s: after %d iterations: loss %.9g, a fit that stops there has %.9g", name, s.Iteration,
					s.Loss.Loss, short.Loss)
			}
			for j, w := range s.Head.W {
				if !traintest.Near(float64(w), float64(short.Head.W[j]), 1e-4, 1e-3) {
					t.Fatalf("%s: after %d iterations: weight %d is %g, of a fit that stops there %g", name, s.Iteration, j, w,
						short.Head.W[j])
				}
			}
		}
		folds := make([]int, len(ex.Rows))
		for i := range folds {
			folds[i] = i % 3
		}
		if got := mustFit(t, ex, Config{Options: Options{L2: -1}, Folds: folds, Snapshots: true}); got.Snapshots != nil {
			t.Errorf("%s: a search has %d snapshots", name, len(got.Snapshots))
		}
	}
}
