//go:build amd64 || arm64

package cuda_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/cutest"
	"github.com/c236555e/rehead/train/head"
)

// blobs draws n examples of k classes that lie in each other's way.
func blobs(n, f, k int) head.Examples {
	r := rand.New(rand.NewPCG(3, 4))
	centre := make([][]float64, k)
	for l := range centre {
		for range f {
			centre[l] = append(centre[l], r.NormFloat64())
		}
	}
	ex := head.Examples{Classes: k}
	for i := range n {
		row := make([]float32, f)
		for j := range row {
			row[j] = float32(centre[i%k][j]*0.5 + r.NormFloat64())
		}
		ex.Rows, ex.Labels = append(ex.Rows, row), append(ex.Labels, i%k)
	}
	return ex
}

// TestHead fits a head on the GPU: its loss is the CPU's within 1e-5, proven to be that near the least
// there is.
func TestHead(t *testing.T) {
	ex := blobs(150, 10, 3)
	for name, o := range map[string]head.Config{
		"plain":    {},
		"smoothed": {Options: head.Options{Smoothing: 0.1}, ClassWeights: []float64{1, 2, 0.5}},
		"searched": {Options: head.Options{L2: -1}, Folds: make([]int, len(ex.Rows))},
	} {
		if name == "searched" && testing.Short() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for i := range o.Folds {
				o.Folds[i] = i % 2
			}
			want, err := head.Fit(context.Background(), ex, o)
			if err != nil {
				t.Fatal(err)
			}
			d := &cutest.Driver{GPUs: 2}
			use(t, d)
			o.Device, o.DeviceAlways = "cuda:1", true
			got, err := head.Fit(context.Background(), ex, o)
			if err != nil {
				t.Fatal(err)
			}
			if !(math.Abs(got.Loss-want.Loss) <= 1e-5*want.Loss) || !got.Converged || got.L2 != want.L2 {
				t.Errorf("got loss %v, L2 %v, converged %t; want %v and %v", got.Loss, got.L2, got.Converged, want.Loss, want.L2)
			}
			if got.Device != "cuda:1" || want.Device != "cpu" || d.Launched(1) < 4*got.Evaluations {
				t.Errorf("got device %s beside %s and %d kernels in %d evaluations", got.Device, want.Device, d.Launched(1),
					got.Evaluations)
			}
			t.Logf("loss %.9g, on the CPU %.9g; %d evaluations, %d there", got.Loss, want.Loss, got.Evaluations,
				want.Evaluations)
		})
	}
}

// TestHeadElsewhere leaves a head to the CPU that is too small to gain, or that GPUs do not fit.
func TestHeadElsewhere(t *testing.T) {
	ex := blobs(30, 4, 3)
	d := &cutest.Driver{GPUs: 1}
	use(t, d)
	got, err := head.Fit(context.Background(), ex, head.Config{Device: "cuda"})
	if err != nil || got.Device != "cpu" || got.DeviceErr != nil {
		t.Errorf("a small head: got %+v, %v, want it fitted by the CPU", got, err)
	}
	several := head.Examples{Rows: ex.Rows, Labels: ex.Labels, Classes: 3}
	for i := range ex.Rows {
		several.MultiLabel = append(several.MultiLabel, []int{i % 3})
	}
	for want, try := range map[string]head.Config{
		"several labels an example are fitted by the processor": {Device: "cuda", DeviceAlways: true},
		"this machine has 1, want 0 to 0":                       {Device: "cuda:1", DeviceAlways: true},
	} {
		of := ex
		if strings.HasPrefix(want, "several") {
			of = several
		}
		if _, err := head.Fit(context.Background(), of, try); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestHeadFallsBack: from so many products on, the GPU solves unasked; where it lacks the room, the CPU
// does, and the solution says why.
func TestHeadFallsBack(t *testing.T) {
	ex := blobs(30, 4, 3)
	for name, try := range map[string]struct {
		memory  int
		from    float64
		on, why string
	}{
		"gains":     {0, 30 * 4 * 3, "cuda:0", ""},
		"too small": {0, 30*4*3 + 1, "cpu", ""},
		"no room":   {100, 30 * 4 * 3, "cpu", "out of memory"},
	} {
		t.Run(name, func(t *testing.T) {
			use(t, &cutest.Driver{GPUs: 1, Memory: try.memory})
			got, err := head.Fit(context.Background(), ex, head.Config{Device: "cuda", DeviceProducts: try.from})
			if err != nil {
				t.Fatal(err)
			}
			why := got.DeviceErr
			if got.Device != try.on || (why != nil) != (try.why != "") || why != nil && !strings.Contains(why.Error(), try.why) {
				t.Errorf("got device %s, %v; want %s, %q", got.Device, why, try.on, try.why)
			}
		})
	}
}

// TestHeadLost loses the GPU while it solves.
func TestHeadLost(t *testing.T) {
	ex := blobs(30, 4, 3)
	d := &cutest.Driver{GPUs: 1}
	use(t, d)
	d.Lose("cuLaunchKernel", 20, cutest.Unavailable)
	_, err := head.Fit(context.Background(), ex, head.Config{Device: "cuda", DeviceAlways: true})
	var failure *cu.Error
	if !errors.As(err, &failure) || !strings.Contains(err.Error(), "train: fit: nn: regression: cuda: cuLaunchKernel") {
		t.Errorf("got %v, want that the GPU is lost", err)
	}
}
