package head

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestFitGoesOn stops a fit at every few iterations and goes on until it is done: the head is that
// of a run that nobody stopped, to the last bit.
func TestFitGoesOn(t *testing.T) {
	ex, valid := clouds(55, 400, 30, 4), clouds(56, 100, 30, 4)
	wide, few := clouds(58, 60, 150, 4), clouds(59, 100, 150, 4)
	for name, cfg := range map[string]Config{
		"wide":     {Options: Options{Tolerance: 1e-9, L2: 0.0001}},
		"labels":   {Options: Options{Tolerance: 1e-9}},
		"rough":    {Options: Options{Tolerance: 1e-9}, bfloat16: 1},
		"lbfgs":    {Options: Options{Tolerance: 1e-9, L2: 0.001}},
		"adam":     {Options: Options{Solver: Adam, MiniBatch: MiniBatch{Epochs: 8, Dropout: 0.2}}},
		"momentum": {Options: Options{Solver: Momentum, MiniBatch: MiniBatch{Epochs: 8, Schedule: Cosine, Patience: 2}}},
		"sgd":      {Options: Options{Solver: SGD, MiniBatch: MiniBatch{Epochs: 8, Batch: 33}}},
		"retrain":  {Options: Options{Solver: Retrain, MiniBatch: MiniBatch{Steps: 300}}},
	} {
		t.Run(name, func(t *testing.T) {
			ex, valid := ex, valid
			switch name {
			case "wide":
				ex, valid = wide, few
			case "labels", "rough":
				ex, valid = clouds(60, 400, 260, principalLabels), clouds(62, 60, 260, principalLabels)
			}
			cfg.Validation = &valid
			want := mustFit(t, ex, cfg)
			cfg.Checkpoints = Checkpoints{Dir: filepath.Join(t.TempDir(), "new", "cache"), Every: time.Nanosecond}
			var got *Solution
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
				got, err = Fit(ctx, ex, resumed)
				cancel()
				if err != nil {
					if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "goes on from") {
						t.Fatal(err)
					}
					got = nil
					stops++
				}
			}
			if err := got.Finish(); err != nil {
				t.Error(err)
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
	want := mustFit(t, ex, Config{})
	dir := t.TempDir()
	s, err := newSolver(context.Background(), ex, Config{Options: Options{Checkpoints: Checkpoints{Dir: dir}}})
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.checkpointer()
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
		rewrite(t, k.path, spoil(contents(t, k.path)))
		got := mustFit(t, ex, Config{Options: Options{Checkpoints: Checkpoints{Dir: dir}}})
		if err := got.Finish(); err != nil {
			t.Error(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Error("a bad checkpoint changed the result")
		}
		rewrite(t, k.path, nil)
		k.save(state{ints: []int64{1}, floats: [][]float64{{1}}})
	}
	for name, change := range map[string]func(e *Examples, c *Config){
		"a row":      func(e *Examples, _ *Config) { e.Rows = append([][]float32{make([]float32, 10)}, e.Rows[1:]...) },
		"a label":    func(e *Examples, _ *Config) { e.Labels = append([]int{(e.Labels[0] + 1) % 3}, e.Labels[1:]...) },
		"a weight":   func(e *Examples, _ *Config) { e.Weights = make([]float64, 100); e.Weights[3] = 2 },
		"L2":         func(_ *Examples, c *Config) { c.L2 = 3 },
		"the seed":   func(_ *Examples, c *Config) { c.Seed = 1 },
		"validation": func(e *Examples, c *Config) { v := e.some(func(i int) bool { return i < 9 }); c.Validation = &v },
	} {
		other, cfg := ex, Config{Options: Options{Checkpoints: Checkpoints{Dir: dir}}}
		change(&other, &cfg)
		o, err := (&solver{ex: other, cfg: cfg.resolved(3)}).checkpointer()
		if err != nil || o.key == k.key {
			t.Errorf("another %s: the same key (%v)", name, err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	rewrite(t, dir, []byte("not a folder"))
	k.save(state{})
	if k.err == nil {
		t.Error("a folder that cannot be written: no error")
	}
}

func rewrite(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func contents(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// FuzzCheckpoint: of any bytes, reading them ends, and what is read writes as it was.
func FuzzCheckpoint(f *testing.F) {
	f.Add([]byte{}, int64(3), 1.5)
	f.Add([]byte("REHEADCP\x01\x00\x00\x00"), int64(-1), math.Inf(1))
	f.Fuzz(func(t *testing.T, data []byte, n int64, x float64) {
		k := &checkpointer{path: filepath.Join(t.TempDir(), "x.checkpoint")}
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
		whole := contents(t, k.path)
		if _, err := parseState(whole[:len(whole)-1-len(data)%len(whole)], k.key); err == nil {
			t.Fatal("a cut file was taken for a whole one")
		}
	})
}

// TestEqualRunsShareAFile: several of one run at once, on one cache, never leave a half of a state,
// and end with the same head.
func TestEqualRunsShareAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.checkpoint")
	var writers sync.WaitGroup
	for i := range 8 {
		k := &checkpointer{path: path}
		writers.Go(func() {
			for range 10 {
				k.save(state{ints: []int64{int64(i)}, floats: [][]float64{make([]float64, 5000+i)}})
				if k.err != nil {
					t.Errorf("run %d: %v", i, k.err)
					return
				}
				if got := k.load(); got == nil || len(got.ints) != 1 || len(got.floats) != 1 ||
					len(got.floats[0]) != 5000+int(got.ints[0]) {
					t.Errorf("run %d reads no whole state", i)
				}
			}
		})
	}
	writers.Wait()
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	ex := clouds(58, 200, 20, 3)
	want := mustFit(t, ex, Config{})
	var fits sync.WaitGroup
	for range 4 {
		fits.Go(func() {
			got, err := Fit(t.Context(), ex, Config{Options: Options{Checkpoints: Checkpoints{Dir: dir, Every: time.Nanosecond}}})
			if err == nil {
				err = got.Finish()
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("beside equal ones the fit is another (%v)", err)
			}
		})
	}
	fits.Wait()
}
