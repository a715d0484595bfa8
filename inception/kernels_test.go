package inception

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/nn"
)

// kernelTolerance bounds how far a bottleneck of photographs moves with the kernels, as the norm of
// the difference over the norm: the sums' order and Winograd's transforms differ. Measured: 6e-6 at
// most.
const kernelTolerance = 1e-4

// TestKernelsAgreeOnPhotographs embeds every photograph of the flowers with each assembly kernel,
// and some with plain Go: all bottlenecks agree, and a classifier on them never answers otherwise.
func TestKernelsAgreeOnPhotographs(t *testing.T) {
	if testing.Short() {
		t.Skip("embeds 700 photographs with every kernel")
	}
	w, err := ReadWeights(datatest.Shared(t, "weights", realWeights))
	if err != nil {
		t.Fatal(err)
	}
	folder, err := dataset.Scan(datatest.Shared(t, "data", "flowers"), dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	kernels := nn.Kernels()
	step := func(kernel string) int { // plain Go takes a second a picture
		if kernel == "ref" {
			return 35
		}
		return 1
	}
	want := embedEvery(t, w, folder, kernels[0], step(kernels[0]))
	head := nearestMean(want, folder, step(kernels[0]))
	logits := func(v []float32) int {
		z := make([]float64, head.Classes)
		_ = head.Logits(v, z)
		return slices.Index(z, slices.Max(z))
	}
	for _, kernel := range kernels[1:] {
		worst, each := 0.0, step(kernel)
		for i, got := range embedEvery(t, w, folder, kernel, each) {
			at := i * each / step(kernels[0])
			d := numeric.Distance(got, want[at])
			if !(d <= kernelTolerance) {
				t.Errorf("%s: %s: the bottleneck is %.2g of its norm from that of %s, want at most %g", folder.Items[i*each].Path,
					kernel, d, kernels[0], kernelTolerance)
			}
			if a, b := logits(got), logits(want[at]); a != b {
				t.Errorf("%s: %s answers class %d, %s class %d", folder.Items[i*each].Path, kernel, a, kernels[0], b)
			}
			worst = max(worst, d)
		}
		t.Logf("%s beside %s: at most %.2g of the norm apart", kernel, kernels[0], worst)
	}
}

// embedEvery embeds every step-th picture of the folder.
func embedEvery(t *testing.T, w *Weights, folder *dataset.Folder, kernel string, step int) [][]float32 {
	t.Helper()
	trunk, err := NewTrunk(w, nn.Config{Device: "cpu", Kernel: kernel})
	if err != nil {
		t.Fatal(err)
	}
	defer trunk.Close()
	read := func(i int) ([]byte, error) { return os.ReadFile(folder.Items[i*step].Path) }
	var rows [][]float32
	emit := func(_ int, vec []float32, err error) error {
		rows = append(rows, slices.Clone(vec))
		return err
	}
	n := (len(folder.Items) + step - 1) / step
	if err := trunk.EmbedAll(context.Background(), n, read, emit, EmbedConfig{}); err != nil {
		t.Fatal(err)
	}
	return rows
}

// nearestMean is a linear classifier that picks the class whose mean bottleneck is nearest.
func nearestMean(rows [][]float32, folder *dataset.Folder, step int) *Head {
	f, k := len(rows[0]), len(folder.Labels)
	h := &Head{Classes: k, Features: f, W: make([]float32, k*f), B: make([]float32, k)}
	counts := make([]float32, k)
	for i := range rows {
		counts[folder.Items[i*step].Label]++
	}
	for i, row := range rows {
		label := folder.Items[i*step].Label
		for j, v := range row {
			h.W[label*f+j] += v / counts[label]
		}
	}
	for i, v := range h.W {
		h.B[i/f] -= v * v / 2
	}
	return h
}
