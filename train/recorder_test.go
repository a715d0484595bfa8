package train

import (
	"context"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"
)

// TestEverySolverKeepsTheValidationLoss: each iteration has the loss on the validation part beside
// the one it descends, the last is the head's own, and a run that was stopped over and over keeps
// the same losses, to the last bit.
func TestEverySolverKeepsTheValidationLoss(t *testing.T) {
	ex, valid := clouds(55, 300, 20, 4), clouds(56, 90, 20, 4)
	for name, cfg := range map[string]FitConfig{
		"lbfgs":    {L2: 0.001},
		"sgd":      {Solver: SGD, Descent: Descent{Epochs: 6}},
		"momentum": {Solver: Momentum, Descent: Descent{Epochs: 6}},
		"adam":     {Solver: Adam, Descent: Descent{Epochs: 6, Patience: -1}},
		"retrain":  {Solver: Retrain, Descent: Descent{Steps: 250}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Validation = &valid
			var whole evidence
			cfg.Progress = whole.watch(nil)
			fit := mustFit(t, ex, cfg)
			if len(whole.losses) < 5 {
				t.Fatalf("%d iterations were told of", len(whole.losses))
			}
			for _, it := range whole.losses[1:] {
				if !(it.validation > 0) || it.validation == it.loss {
					t.Errorf("iteration %d: loss %g, on the validation part %g", it.done, it.loss, it.validation)
				}
			}
			want, _, err := headLoss(context.Background(), fit.Head, valid, 1)
			if err != nil {
				t.Fatal(err)
			}
			if got := whole.losses[len(whole.losses)-1].validation; got != want {
				t.Errorf("the last loss told is %g, the head's is %g", got, want)
			}
			logits, err := headLogits(context.Background(), fit.Head, valid.Rows, 1)
			if err != nil {
				t.Fatal(err)
			}
			if exact, _ := score(logits, valid, 1); !near(want, exact, 0, 1e-5) {
				t.Errorf("in float32 the loss is %g, in float64 %g", want, exact)
			}
			cfg.Checkpoints = Checkpoints{Dir: t.TempDir(), Every: time.Nanosecond}
			var last evidence
			for stops := 0; ; stops++ {
				ctx, cancel := context.WithCancel(context.Background())
				last = evidence{}
				cfg.Progress = last.watch(func(Event) {
					if len(last.losses) > 1+6*stops {
						cancel()
					}
				})
				_, err := FitHead(ctx, ex, cfg)
				cancel()
				if err == nil {
					break
				}
				if !errors.Is(err, context.Canceled) || stops > 200 {
					t.Fatal(err)
				}
			}
			if a, b := whole.once(), last.once(); !reflect.DeepEqual(a, b) {
				t.Errorf("a run that was stopped keeps other losses:\n%v, want\n%v", b, a)
			}
		})
	}
	alone := FitConfig{Progress: func(e Event) {
		if !math.IsNaN(e.ValidationLoss) || !math.IsNaN(e.ValidationAccuracy) {
			t.Errorf("without a validation part: loss %g, accuracy %g", e.ValidationLoss, e.ValidationAccuracy)
		}
	}}
	mustFit(t, ex, alone)
}

// once leaves out what was told of twice.
func (e *evidence) once() map[int]iteration {
	out := map[int]iteration{}
	for _, it := range e.losses {
		if _, met := out[it.done]; !met {
			out[it.done] = it
		}
	}
	return out
}
