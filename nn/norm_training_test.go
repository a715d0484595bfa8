package nn_test

import (
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/nntest"
)

// normed is a graph of a BatchNormTraining over x [2,2,1,2].
func normed(t *testing.T, running *nn.Running) (x, y *nn.Node) {
	t.Helper()
	g := nn.NewGraph()
	x, err := nn.Input(g, "x", 2, 2, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	gamma, err := nn.Param(g, "gamma", []float32{2, 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	beta, err := nn.Param(g, "beta", []float32{1, -1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if y, err = nn.Apply(&nn.BatchNormTraining{Name: "norm", Running: running}, x, gamma, beta); err != nil {
		t.Fatal(err)
	}
	return x, y
}

// TestBatchNormTraining works two batches out by hand: channel 0 has 1 3 5 7, then all of it 4 more; channel
// 1 has 0 0 2 2, then the same.
func TestBatchNormTraining(t *testing.T) {
	running := &nn.Running{Momentum: 0.25}
	_, y := normed(t, running)
	m, err := nn.NewMachine(y)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	// Mean 4 and variance 5, so that x-mean is -3 -1 1 3 over sqrt(5); mean 1 and variance 1.
	const root = 2.23606797749979
	want := []float64{1 - 6/root, 1 - 2/root, -2, -2, 1 + 2/root, 1 + 6/root, 0, 0}
	for i, batch := range [][]float32{{1, 3, 0, 0, 5, 7, 2, 2}, {5, 7, 0, 0, 9, 11, 2, 2}} {
		got, err := m.Run(map[string][]float32{"x": batch})
		if err != nil {
			t.Fatal(err)
		}
		nntest.Near(t, "result", got[0], want, nntest.Tolerance{Rel: 1e-6})
		// A quarter of the way from 4 to 8.
		mean, variance := []float64{4 + float64(i), 1}, []float64{20.0 / 3, 4.0 / 3}
		nntest.Near(t, "running mean", running.Mean, mean, nntest.Tolerance{Rel: 1e-6})
		nntest.Near(t, "running variance", running.Variance, variance, nntest.Tolerance{Rel: 1e-6})
	}
	if running.Batches != 2 {
		t.Errorf("got %d batches, want 2", running.Batches)
	}
}

// TestBatchNormTrainingSideBySide: machines of one graph share its Running.
func TestBatchNormTrainingSideBySide(t *testing.T) {
	running := new(nn.Running)
	_, y := normed(t, running)
	var wg sync.WaitGroup
	for range 4 {
		m, err := nn.NewMachine(y)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		wg.Go(func() {
			for range 5 {
				if _, err := m.Run(map[string][]float32{"x": {1, 3, 0, 0, 5, 7, 2, 2}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if running.Batches != 20 {
		t.Errorf("got %d batches, want 20", running.Batches)
	}
}

func TestCompileBatchNormTrainingErrors(t *testing.T) {
	inf := []float32{1, float32(math.Inf(1))}
	for name, c := range map[string]struct {
		running *nn.Running
		want    string
	}{
		"none":       {nil, "has no Running"},
		"not run":    {new(nn.Running), "has seen no batch"},
		"no spread":  {&nn.Running{Mean: []float32{1, 1}, Variance: []float32{1, 0}, Batches: 1}, "want more than 0"},
		"not finite": {&nn.Running{Mean: inf, Variance: []float32{1, 1}, Batches: 1}, "want finite numbers"},
	} {
		x, y := normed(t, c.running)
		if _, err := nn.Compile(nn.Config{}, x, y); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
