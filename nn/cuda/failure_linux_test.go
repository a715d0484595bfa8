//go:build amd64 || arm64

package cuda_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/cutest"
)

// network is a small network of a convolution, a pool, a mean and a dense layer, and inputs for it.
type network struct {
	input, output *nn.Node
	pixels        []float32 // of images images
	values        int       // of an output
}

// images fill three batches: two of the largest, and one of one.
const images = 257

func newNetwork(t *testing.T) network {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 6))
	draw := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64()) / 4
		}
		return v
	}
	g := nn.NewGraph()
	must := func(n *nn.Node, err error) *nn.Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	in := must(nn.Input(g, "input", 1, 3, 5, 4))
	w := must(nn.Param(g, "w", draw(10*3*9), 10, 3, 3, 3))
	x := must(nn.Apply(&nn.Conv2D{Name: "conv", Stride: [2]int{1, 1}}, in, w))
	x = must(nn.Apply(&nn.ReLU{Name: "relu"}, x))
	x = must(nn.Apply(&nn.MaxPool{Name: "pool", Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}}, x))
	x = must(nn.Apply(&nn.GlobalAvgPool{Name: "mean"}, x))
	x = must(nn.Apply(&nn.Dense{Name: "dense"}, x, must(nn.Param(g, "d", draw(5*10), 5, 10)), must(nn.Param(g, "b", draw(5), 5))))
	return network{in, x, draw(images * 3 * 5 * 4), 5}
}

// run compiles the network for the device and runs all images.
func (n network) run(t *testing.T, dev string) ([]float32, error) {
	t.Helper()
	p, err := nn.Compile(nn.Config{Device: dev}, n.input, n.output)
	if err != nil {
		return nil, err
	}
	out := make([]float32, images*n.values)
	err = p.Run(context.Background(), images, n.pixels, out)
	if failed := p.Close(); err == nil {
		err = failed
	}
	return out, err
}

// near compares with the CPU's numbers.
func (n network) near(t *testing.T, got []float32) {
	t.Helper()
	want, err := n.run(t, "cpu")
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i]-w)) <= 1e-5) {
			t.Fatalf("value %d: got %v, want %v", i, got[i], w)
		}
	}
}

// TestEveryCallMayFail has each call that computes fail in its turn, as if memory or the GPU were
// gone: an error that names it, and nothing left behind.
func TestEveryCallMayFail(t *testing.T) {
	n := newNetwork(t)
	if testing.Short() {
		t.Skip("computes some 50 times")
	}
	for name, often := range map[string]int{
		"cuDevicePrimaryCtxRetain": 1, "cuCtxSetCurrent": 2, "cuModuleLoadData": 1, "cuModuleGetFunction": 4, "cuMemAlloc_v2": 4,
		"cuMemAllocHost_v2": 7, "cuMemcpyHtoDAsync_v2": 4, "cuMemcpyDtoHAsync_v2": 3, "cuStreamCreate": 4,
		"cuStreamSynchronize": 5, "cuStreamBeginCapture_v2": 3, "cuStreamEndCapture": 3, "cuLaunchKernel": 7,
		"cuGraphInstantiateWithFlags": 3, "cuGraphLaunch": 3,
	} {
		for after := range often {
			t.Run(name, func(t *testing.T) {
				d := &cutest.Driver{GPUs: 1}
				use(t, d)
				d.Fail(name, after, cutest.Unavailable)
				_, err := n.run(t, "cuda")
				var failure *cu.Error
				if !errors.As(err, &failure) || failure.Call != name || !strings.Contains(err.Error(), "the GPU is lost") {
					t.Errorf("after %d calls: got %v, want its failure and what to do", after, err)
				}
			})
		}
	}
}

// TestGivingBackMayFail has each call fail that gives something back.
func TestGivingBackMayFail(t *testing.T) {
	n := newNetwork(t)
	for _, name := range []string{"cuModuleUnload", "cuMemFree_v2", "cuMemFreeHost", "cuStreamDestroy_v2", "cuGraphExecDestroy",
		"cuGraphDestroy", "cuDevicePrimaryCtxRelease_v2"} {
		t.Run(name, func(t *testing.T) {
			d := &cutest.Driver{GPUs: 1}
			use(t, d)
			d.Fail(name, 0, cutest.Unavailable)
			_, err := n.run(t, "cuda")
			var failure *cu.Error
			if !errors.As(err, &failure) || failure.Call != name {
				t.Errorf("got %v, want its failure", err)
			}
		})
	}
}

// TestLostGPU loses the GPU in the middle of a run: this run and all later ones say so, and nothing
// hangs.
func TestLostGPU(t *testing.T) {
	n := newNetwork(t)
	d := &cutest.Driver{GPUs: 1}
	use(t, d)
	p, err := nn.Compile(nn.Config{Device: "cuda:0"}, n.input, n.output)
	if err != nil {
		t.Fatal(err)
	}
	d.Lose("cuStreamSynchronize", d.Calls("cuStreamSynchronize")-1, cutest.Unavailable)
	out := make([]float32, images*n.values)
	for range 2 {
		err := p.Run(context.Background(), images, n.pixels, out)
		if err == nil || !strings.Contains(err.Error(), "the GPU is lost: see what nvidia-smi says") {
			t.Errorf("got %v, want that the GPU is lost", err)
		}
	}
	if err := p.Close(); err != nil {
		t.Errorf("close: got %v, want none: there is nothing to give back", err)
	}
}

// TestFaultyKernel takes a barrier out of the kernels.
func TestFaultyKernel(t *testing.T) {
	n := newNetwork(t)
	d := &cutest.Driver{GPUs: 1, Edit: func(ptx string) string { return strings.ReplaceAll(ptx, "bar.sync", "// bar.sync") }}
	use(t, d)
	if _, err := n.run(t, "cuda"); err == nil || !strings.Contains(err.Error(), "a kernel went wrong") {
		t.Errorf("got %v, want that a kernel went wrong", err)
	}
	if f := d.Faults(); len(f) != 1 || !strings.Contains(f[0].Error(), "wrote since the last barrier") {
		t.Errorf("got %v, want the race", f)
	}
}

// TestOutOfMemory gives the GPU no room for weights, none for the large batches, and none for the
// second of them.
func TestOutOfMemory(t *testing.T) {
	n := newNetwork(t)
	all := &cutest.Driver{GPUs: 1}
	t.Run("enough", func(t *testing.T) {
		use(t, all)
		got, err := n.run(t, "cuda")
		if err != nil {
			t.Fatal(err)
		}
		n.near(t, got)
	})
	if t.Failed() || all.Calls("cuMemAlloc_v2") != 4 {
		t.Fatalf("got %d allocations, want weights, one image and two large batches", all.Calls("cuMemAlloc_v2"))
	}
	t.Run("none for weights", func(t *testing.T) {
		use(t, &cutest.Driver{GPUs: 1, Memory: 1000})
		_, err := n.run(t, "cuda")
		if err == nil || !strings.Contains(err.Error(), "the weights take") || !strings.Contains(err.Error(), "use --device cpu") {
			t.Errorf("got %v, want what it takes and what to do", err)
		}
	})
	for after, name := range []string{2: "none for large batches", 3: "none for the second batch"} {
		if name == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			d := &cutest.Driver{GPUs: 1}
			use(t, d)
			d.Fail("cuMemAlloc_v2", after, cutest.OutOfMemory)
			got, err := n.run(t, "cuda")
			if err != nil {
				t.Fatal(err)
			}
			n.near(t, got)
		})
	}
}

// TestDrivers refuses drivers and GPUs that will not do.
func TestDrivers(t *testing.T) {
	n := newNetwork(t)
	for want, d := range map[string]*cutest.Driver{
		"got CUDA 11.3, want 11.4 or later; update the NVIDIA driver": {GPUs: 1, Version: 11030},
		"see that nvidia-smi lists a GPU":                             {},
		"want compute capability 8.0 or later (Ampere)":               {GPUs: 1, Major: 7},
		"this machine has 1, want 0 to 0":                             {GPUs: 1},
	} {
		t.Run(want, func(t *testing.T) {
			use(t, d)
			dev := "cuda"
			if d.Major == 0 && d.Version == 0 && d.GPUs == 1 {
				dev = "cuda:1"
			}
			if _, err := n.run(t, dev); err == nil || !strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(), "cuda") {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// TestGPUs computes on the second of two, and beside it on the first.
func TestGPUs(t *testing.T) {
	n := newNetwork(t)
	use(t, &cutest.Driver{GPUs: 2})
	var results [][]float32
	for _, dev := range []string{"cuda:1", "cuda:0"} {
		got, err := n.run(t, dev)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, got)
	}
	n.near(t, results[0])
	if !slices.Equal(results[0], results[1]) {
		t.Error("GPUs do not agree")
	}
	p, err := nn.Compile(nn.Config{Device: "cuda"}, n.input, n.output)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Batch(); got != 32 {
		t.Errorf("batch: got %d, want 32", got)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if units := nn.Units(); len(units) != 2 || !strings.HasPrefix(units[1], "cuda:1 Stand-in 1 (compute capability 8.0") {
		t.Errorf("units: got %q, want two", units)
	}
	auto, err := nn.Compile(nn.Config{Device: "auto"}, n.input, n.output)
	if err != nil {
		t.Fatal(err)
	}
	if passed := nn.PassedOver(); auto.Device() != "cpu" || !slices.Equal(passed, nn.Units()) {
		t.Errorf("auto: got %s and passed over %q, want cpu and all GPUs", auto.Device(), passed)
	}
	if err := auto.Close(); err != nil {
		t.Error(err)
	}
	if _, err := nn.Compile(nn.Config{Device: "cuda", Precision: nn.Int8, Ranges: nn.Ranges{}}, n.input, n.output); err == nil {
		t.Error("int8: got no error")
	}
}
