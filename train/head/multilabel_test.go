package head

import (
	"context"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"
)

// TestMultiLabelGoesOn: a run of sigmoids that is stopped over and over ends with the same head.
func TestMultiLabelGoesOn(t *testing.T) {
	ex, valid := multiLabelClouds(51, 200), multiLabelClouds(52, 60)
	ex.MultiLabel[3] = []int{} // none is an answer too
	cfg := Config{Options: Options{Solver: Adam, MiniBatch: MiniBatch{Epochs: 10}}, Validation: &valid}
	want := mustFit(t, ex, cfg)
	cfg.Checkpoints = Checkpoints{Dir: t.TempDir(), Every: time.Nanosecond}
	for stops := 0; ; stops++ {
		ctx, cancel := context.WithCancel(context.Background())
		events := 0
		cfg.Progress = func(e Event) {
			if math.IsNaN(e.ValidationLoss) && e.Done > 0 {
				t.Errorf("epoch %d has no validation loss", e.Done)
			}
			if events++; events > 1+3*stops {
				cancel()
			}
		}
		got, err := Fit(ctx, ex, cfg)
		cancel()
		if err == nil {
			if err := got.Finish(); err != nil {
				t.Error(err)
			}
			if stops == 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("after %d stops the head is another", stops)
			}
			return
		}
		if !errors.Is(err, context.Canceled) || stops > 100 {
			t.Fatal(err)
		}
	}
}
