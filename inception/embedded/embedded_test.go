package embedded

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image/png"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
)

func weights(t testing.TB) *inception.Weights {
	t.Helper()
	w, err := Weights()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func compiled(t testing.TB, w *inception.Weights) *inception.Trunk {
	t.Helper()
	trunk, err := inception.NewTrunk(w, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := trunk.Close(); err != nil {
			t.Error(err)
		}
	})
	return trunk
}

// embed returns the bottlenecks of picture files.
func embed(t testing.TB, w *inception.Weights, pictures [][]byte) [][]float32 {
	t.Helper()
	out := make([][]float32, len(pictures))
	err := compiled(t, w).EmbedAll(t.Context(), len(pictures), func(i int) ([]byte, error) { return pictures[i], nil },
		func(i int, vec []float32, err error) error {
			out[i] = append([]float32(nil), vec...)
			return err
		}, inception.EmbedConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// nearestMean is the share of rows that, each left out of its own label's mean in turn, are nearest
// to that mean, after every feature is brought half-way to unit variance: a probe without
// parameters.
func nearestMean(rows [][]float32, labels []int, classes int) float64 {
	features := len(rows[0])
	scale := make([]float64, features)
	for f := range scale {
		var sum, square float64
		for _, r := range rows {
			sum, square = sum+float64(r[f]), square+float64(r[f])*float64(r[f])
		}
		n := float64(len(rows))
		scale[f] = 1 / math.Sqrt(math.Sqrt(max(square/n-sum*sum/n/n, 0))+1e-6)
	}
	sums, counts := make([][]float64, classes), make([]float64, classes)
	for k := range sums {
		sums[k] = make([]float64, features)
	}
	for i, r := range rows {
		counts[labels[i]]++
		for f, v := range r {
			sums[labels[i]][f] += float64(v)
		}
	}
	right := 0
	for i, r := range rows {
		best, at := math.Inf(1), -1
		for k := range sums {
			distance := 0.0
			for f, v := range r {
				sum, count := sums[k][f], counts[k]
				if k == labels[i] {
					sum, count = sum-float64(v), count-1
				}
				d := (float64(v) - sum/count) * scale[f]
				distance += d * d
			}
			if distance < best {
				best, at = distance, k
			}
		}
		if at == labels[i] {
			right++
		}
	}
	return float64(right) / float64(len(rows))
}

// sameShape is a random trunk like the embedded one.
func sameShape(t testing.TB, w *inception.Weights) *inception.Weights {
	t.Helper()
	r, err := inception.Random(inception.RandomConfig{Width: w.Width, Flavor: w.Flavor, Size: w.Recipe.Size})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestWeights: the file in the binary is the one whose figures are published, and small.
func TestWeights(t *testing.T) {
	w := weights(t)
	if Bytes() > 6_000_000 || w.Flavor != inception.TF2015 || w.Classes != 0 || w.Source == "" {
		t.Errorf("got %d bytes, flavour %s, %d classes, source %q; want at most 6 MB, tf-2015, none, a text", Bytes(),
			w.Flavor, w.Classes, w.Source)
	}
	again := weights(t)
	again.Tensors["Conv2d_1a_3x3.bias"].Data[0]++
	if w.Tensors["Conv2d_1a_3x3.bias"].Data[0] == again.Tensors["Conv2d_1a_3x3.bias"].Data[0] {
		t.Error("two calls share their tensors")
	}
}

// TestFacts: the facts are those of the file in the binary.
func TestFacts(t *testing.T) {
	f, w := Describe(), weights(t)
	sum := sha256.Sum256([]byte(file))
	if f.SHA256 != hex.EncodeToString(sum[:]) || f.Digest != w.Digest || f.Bytes != Bytes() || f.Name != Name {
		t.Errorf("facts.go describes the file %s with digest %s, but the binary has %x with %s: measure that one and "+
			"write its figures there", f.SHA256, f.Digest, sum, w.Digest)
	}
	if !strings.Contains(w.Source, f.License) {
		t.Errorf("facts.go says licence %q, the file %q", f.License, w.Source)
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("| **%.1f %%** |", 100*f.Probe.Accuracy); !strings.Contains(string(text), want) {
		t.Errorf("README.md's table has no %q", want)
	}
}

// TestNumbers: the numbers are those that PyTorch computes from the same file, at 32 bits, for a
// made-up picture.
func TestNumbers(t *testing.T) {
	const size = 299
	pixels := make([]float32, 0, 3*size*size)
	for c := range 3 {
		for y := range size {
			for x := range size {
				pixels = append(pixels, float32(((x*x+3*y*y+40*c*x)/97)%256-128)/128)
			}
		}
	}
	trunk := compiled(t, weights(t))
	got := make([]float32, trunk.Features())
	if err := trunk.Embed(t.Context(), 1, pixels, got); err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]float64{561: 2.065261, 257: 0.209796, 583: 0.107045, 270: 0.073036, 31: 0.029813} {
		if !(math.Abs(float64(got[i])-want) <= 1e-4) {
			t.Errorf("feature %d is %v, want %v", i, got[i], want)
		}
	}
	sum := 0.0
	for _, v := range got {
		sum += float64(v)
	}
	if !(math.Abs(sum-93.873130) <= 1e-3) {
		t.Errorf("the features sum to %v, want 93.873130", sum)
	}
}

// TestKnowsFlowers: on photographs it never saw, and that nothing was fitted to, the embedded trunk
// tells five flowers apart far better than a random one of its shape.
func TestKnowsFlowers(t *testing.T) {
	root := datatest.Shared(t, "data", "flowers")
	if testing.Short() {
		t.Skip("embeds 200 photographs twice")
	}
	folder, err := dataset.Scan(root, dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var (
		pictures [][]byte
		labels   []int
		seen     = make([]int, len(folder.Labels))
	)
	for _, item := range folder.Items {
		if seen[item.Label]++; seen[item.Label] > 40 {
			continue
		}
		data, err := os.ReadFile(item.Path)
		if err != nil {
			t.Fatal(err)
		}
		pictures, labels = append(pictures, data), append(labels, item.Label)
	}
	w := weights(t)
	got := nearestMean(embed(t, w, pictures), labels, len(seen))
	random := nearestMean(embed(t, sameShape(t, w), pictures), labels, len(seen))
	t.Logf("nearest mean: embedded %.1f %%, random %.1f %%", 100*got, 100*random)
	if got < random+0.1 {
		t.Errorf("got %.3f right, want a tenth more than a random trunk's %.3f", got, random)
	}
}

// TestTellsDrawings: the demonstration's five labels are told apart.
func TestTellsDrawings(t *testing.T) {
	const classes, each = 5, 6
	var (
		pictures [][]byte
		labels   []int
	)
	for class := range classes {
		for i := range each {
			var b bytes.Buffer
			if err := png.Encode(&b, draw.Picture(class, i, 1)); err != nil {
				t.Fatal(err)
			}
			pictures, labels = append(pictures, b.Bytes()), append(labels, class)
		}
	}
	if got := nearestMean(embed(t, weights(t), pictures), labels, classes); got < 0.6 {
		t.Errorf("got %.2f right of five labels, want at least 0.6", got)
	}
}

// BenchmarkReady is what a program waits for before its first picture: reading, checking and
// compiling the trunk.
func BenchmarkReady(b *testing.B) {
	for b.Loop() {
		start := time.Now()
		trunk, err := inception.NewTrunk(weights(b), nn.Config{})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms/ready")
		if err := trunk.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
