//go:build amd64 || arm64

package cuda_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/cutest"
)

// regression is examples, and a head to try on them.
type regression struct {
	nn.RegressionExamples
	rows [][]float32
	w, b []float32
}

func newRegression(n, f, k int) regression {
	r := rand.New(rand.NewPCG(8, 9))
	draw := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	e := regression{w: draw(k * f), b: draw(k)}
	e.N, e.Features, e.Classes, e.On, e.Off = n, f, k, 0.95+0.05/float64(k), 0.05/float64(k)
	e.Row = func(i int, row []float32) { copy(row, e.rows[i]) }
	for range n {
		e.rows = append(e.rows, draw(f))
		e.Labels = append(e.Labels, int32(r.IntN(k)))
		e.Weights = append(e.Weights, float32(0.5+r.Float64()))
	}
	return e
}

// evaluated is what a Regression says of a head.
type evaluated struct {
	loss              float64
	sums, grad, cross []float64
}

// on evaluates the head on the device.
func (e regression) on(device string) (got evaluated, err error) {
	r, err := nn.NewRegression(device, e.RegressionExamples)
	if err != nil {
		return got, err
	}
	defer func() {
		if failed := r.Close(); err == nil {
			err = failed
		}
	}()
	ctx := context.Background()
	got = evaluated{sums: make([]float64, e.Classes), grad: make([]float64, len(e.w)),
		cross: make([]float64, e.Classes*e.Classes)}
	if err := r.Logits(ctx, e.w); err != nil {
		return got, err
	}
	if err := r.Products(ctx, e.b, got.cross); err != nil {
		return got, err
	}
	first, err := r.Sums(ctx, e.b, got.sums)
	if err != nil {
		return got, err
	}
	sums := slices.Clone(got.sums)
	if got.loss, err = r.Gradient(ctx, e.b, got.sums, got.grad); err != nil {
		return got, err
	}
	if first != got.loss || !slices.Equal(sums, got.sums) {
		err = errors.New("sums and gradient differ")
	}
	return got, err
}

// want is the same in float64.
func (e regression) want() (want evaluated) {
	k, f := e.Classes, e.Features
	want = evaluated{sums: make([]float64, k), grad: make([]float64, k*f), cross: make([]float64, k*k)}
	for i, x := range e.rows {
		z, total := make([]float64, k), 0.0
		for j := range z {
			z[j] = float64(e.b[j])
			for l, v := range x {
				z[j] += float64(e.w[j*f+l]) * float64(v)
			}
			total += math.Exp(z[j])
		}
		w := float64(e.Weights[i])
		for j := range z {
			target := e.Off
			if j == int(e.Labels[i]) {
				target = e.On
			}
			p := math.Exp(z[j]) / total
			want.loss -= w * target * (z[j] - math.Log(total))
			d := w * (p - target)
			want.sums[j] += d
			for l, v := range x {
				want.grad[j*f+l] += d * float64(v)
			}
			for o := range z {
				want.cross[j*k+o] += w * p * math.Exp(z[o]) / total
			}
		}
	}
	return want
}

// near fails unless got is want within a share of the largest.
func near(t *testing.T, what string, got, want []float64, share float64) {
	t.Helper()
	largest := 0.0
	for _, w := range want {
		largest = max(largest, math.Abs(w))
	}
	for i, w := range want {
		if !(math.Abs(got[i]-w) <= share*largest) {
			t.Fatalf("%s: value %d: got %v, want %v", what, i, got[i], w)
		}
	}
}

// TestRegression holds examples that make several chunks to float64. How many chunks' gradients there is
// room for changes no bit: of one where the driver knows of no memory.
func TestRegression(t *testing.T) {
	for _, shape := range [][3]int{{1, 1, 2}, {50, 13, 5}, {1100, 9, 3}} {
		e := newRegression(shape[0], shape[1], shape[2])
		want := e.want()
		var first evaluated
		for _, memory := range []int{1 << 30, 0} {
			t.Run(fmt.Sprint(shape, memory), func(t *testing.T) {
				use(t, &cutest.Driver{GPUs: 2, Memory: memory})
				got, err := e.on("cuda:1")
				if err != nil {
					t.Fatal(err)
				}
				near(t, "loss", []float64{got.loss}, []float64{want.loss}, 1e-6)
				near(t, "sums", got.sums, want.sums, 2e-5)
				near(t, "gradient", got.grad, want.grad, 2e-5)
				near(t, "products", got.cross, want.cross, 2e-6)
				if first.grad == nil {
					first = got
				}
				if got.loss != first.loss || !slices.Equal(got.grad, first.grad) {
					t.Error("less memory changes the result")
				}
			})
		}
	}
}

// TestRegressionRefuses has examples that are none, devices that cannot, and GPUs without room.
func TestRegressionRefuses(t *testing.T) {
	use(t, &cutest.Driver{GPUs: 1, Memory: 10_000})
	e := newRegression(300, 12, 4)
	wrong := e
	wrong.Labels = slices.Clone(e.Labels)
	wrong.Labels[7] = 4
	for want, try := range map[string]func() error{
		"example 7: got label 4, want 0 to 3": func() error { _, err := wrong.on("cuda"); return err },
		"does not fit heads":                  func() error { _, err := e.on("cpu"); return err },
		"this machine has 1, want 0 to 0":     func() error { _, err := e.on("cuda:1"); return err },
		"300 examples with 12 features and 4": func() error { _, err := e.on("cuda"); return err },
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestRegressionMayFail has each call fail in its turn, as if the GPU were lost: an error that names it,
// also of what comes later, and nothing left behind.
func TestRegressionMayFail(t *testing.T) {
	e := newRegression(20, 6, 3)
	for name, often := range map[string][]int{
		"cuDevicePrimaryCtxRetain": {0}, "cuCtxSetCurrent": {0}, "cuModuleLoadData": {0}, "cuModuleGetFunction": {0, 4},
		"cuMemAlloc_v2": {0, 10}, "cuMemAllocHost_v2": {0}, "cuMemcpyHtoDAsync_v2": {0, 4, 6}, "cuMemcpyDtoHAsync_v2": {0, 3},
		"cuStreamCreate": {0}, "cuStreamSynchronize": {0, 6, 10}, "cuLaunchKernel": {0, 1, 3, 8},
	} {
		for _, after := range often {
			t.Run(name, func(t *testing.T) {
				d := &cutest.Driver{GPUs: 1}
				use(t, d)
				d.Lose(name, after, cutest.Unavailable)
				_, err := e.on("cuda")
				var failure *cu.Error
				if !errors.As(err, &failure) || failure.Call != name || !strings.Contains(err.Error(), "the GPU is lost") {
					t.Errorf("after %d calls: got %v, want its failure and what to do", after, err)
				}
			})
		}
	}
}

// TestRegressionStops ends a context.
func TestRegressionStops(t *testing.T) {
	useOne(t)
	e := newRegression(20, 6, 3)
	r, err := nn.NewRegression("cuda", e.RegressionExamples)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := r.Logits(ctx, e.w); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was stopped", err)
	}
	if err := r.Logits(context.Background(), e.w[1:]); err == nil || !strings.Contains(err.Error(), "want 18") {
		t.Errorf("got %v, want how many weights there are", err)
	}
	if r.Device() != "cuda:0" {
		t.Errorf("got %s, want cuda:0", r.Device())
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
