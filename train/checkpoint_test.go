package train

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestFitGoesOn stops a fit at every few iterations and goes on until it is done: the head is that
// of a run that nobody stopped, to the last bit.
func TestFitGoesOn(t *testing.T) {
	ex, valid := clouds(55, 400, 30, 4), clouds(56, 100, 30, 4)
	for name, cfg := range map[string]FitConfig{
		"lbfgs":    {Tolerance: 1e-6, L2: 0.001},
		"adam":     {Solver: Adam, Descent: Descent{Epochs: 8, Dropout: 0.2}},
		"momentum": {Solver: Momentum, Descent: Descent{Epochs: 8, Schedule: Cosine, Patience: 2}},
		"sgd":      {Solver: SGD, Descent: Descent{Epochs: 8, Batch: 33}},
		"retrain":  {Solver: Retrain, Descent: Descent{Steps: 300}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Validation = &valid
			want := mustFit(t, ex, cfg)
			cfg.Checkpoints = Checkpoints{Dir: filepath.Join(t.TempDir(), "new", "cache"), Every: time.Nanosecond}
			var got *Fit
			stops := 0
			for got == nil {
				if stops > 200 {
					t.Fatal("it never ends")
				}
				ctx, cancel := context.WithCancel(context.Background())
				events := 0
				resumed := cfg
				resumed.Progress = func(e Event) {
					if events++; events > 2+stops*3 {
						cancel()
					}
				}
				var err error
				got, err = FitHead(ctx, ex, resumed)
				cancel()
				if err != nil {
					if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "goes on from") {
						t.Fatal(err)
					}
					got = nil
					stops++
				}
			}
			if stops < 1 || !reflect.DeepEqual(got, want) {
				t.Errorf("after %d stops the fit is another: loss %v, iterations %d, evaluations %d; want %v, %d, %d",
					stops, got.Loss, got.Iterations, got.Evaluations, want.Loss, want.Iterations, want.Evaluations)
			}
			if left, _ := filepath.Glob(filepath.Join(cfg.Checkpoints.Dir, "*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestCheckpointOfAnotherRun: a file that is damaged, or of other data or settings, changes
// nothing.
func TestCheckpointOfAnotherRun(t *testing.T) {
	ex := clouds(57, 100, 10, 3)
	want := mustFit(t, ex, FitConfig{})
	dir := t.TempDir()
	s, err := newSolver(context.Background(), ex, FitConfig{Checkpoints: Checkpoints{Dir: dir}}, newHeadGraph)
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.keeper(nil)
	if err != nil {
		t.Fatal(err)
	}
	// whole, but no state of this solver
	k.save(state{ints: []int64{1, 2, 3, 0}, floats: [][]float64{{}, {}, {1, 2}, {3}, {4}}})
	for _, spoil := range []func(data []byte) []byte{
		func(d []byte) []byte { return d },
		func(d []byte) []byte { d[len(d)/2]++; return d },
		func(d []byte) []byte { return d[:len(d)/2] },
		func([]byte) []byte { return nil },
	} {
		write(t, spoil(read(t, k.path)), k.path)
		got := mustFit(t, ex, FitConfig{Checkpoints: Checkpoints{Dir: dir}})
		if !reflect.DeepEqual(got, want) {
			t.Error("a bad checkpoint changed the result")
		}
		write(t, nil, k.path)
		k.save(state{ints: []int64{1}, floats: [][]float64{{1}}})
	}
	for name, change := range map[string]func(e *Examples, c *FitConfig){
		"a row":      func(e *Examples, _ *FitConfig) { e.Rows = append([][]float32{make([]float32, 10)}, e.Rows[1:]...) },
		"a label":    func(e *Examples, _ *FitConfig) { e.Labels = append([]int{(e.Labels[0] + 1) % 3}, e.Labels[1:]...) },
		"a weight":   func(e *Examples, _ *FitConfig) { e.Weights = make([]float64, 100); e.Weights[3] = 2 },
		"L2":         func(_ *Examples, c *FitConfig) { c.L2 = 3 },
		"the seed":   func(_ *Examples, c *FitConfig) { c.Seed = 1 },
		"validation": func(e *Examples, c *FitConfig) { v := e.some(func(i int) bool { return i < 9 }); c.Validation = &v },
	} {
		other, cfg := ex, FitConfig{Checkpoints: Checkpoints{Dir: dir}}
		change(&other, &cfg)
		o, err := (&solver{ex: other, cfg: cfg.resolved(3)}).keeper(nil)
		if err != nil || o.key == k.key {
			t.Errorf("another %s: the same key (%v)", name, err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	write(t, []byte("no folder"), dir)
	k.save(state{})
	if k.err == nil {
		t.Error("a folder that cannot be written: no error")
	}
}

// FuzzCheckpoint: whatever is in the file, reading it ends, and what is read writes as it was.
func FuzzCheckpoint(f *testing.F) {
	f.Add([]byte{}, int64(3), 1.5)
	f.Add([]byte("REHEADCP\x01\x00\x00\x00"), int64(-1), math.Inf(1))
	f.Fuzz(func(t *testing.T, data []byte, n int64, x float64) {
		k := &keeper{path: filepath.Join(t.TempDir(), "x.checkpoint")}
		if _, err := parseState(data, k.key); err == nil {
			t.Fatal("random bytes were taken for a checkpoint") // its digest would have to be guessed
		}
		want := state{ints: []int64{n, 7}, floats: [][]float64{{x, 1}, {}, {2}}}
		k.save(want)
		if k.err != nil {
			t.Fatal(k.err)
		}
		got := k.load()
		if got == nil || !reflect.DeepEqual(got.ints, want.ints) || len(got.floats) != 3 ||
			math.Float64bits(got.floats[0][0]) != math.Float64bits(x) || got.floats[2][0] != 2 {
			t.Fatalf("got %v, want %v", got, want)
		}
		whole := read(t, k.path)
		if _, err := parseState(whole[:len(whole)-1-len(data)%len(whole)], k.key); err == nil {
			t.Fatal("a cut file was taken for a whole one")
		}
	})
}
