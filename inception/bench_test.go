package inception

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/nn"
)

const realWeights = "inception-2015-12-05.safetensors"

// BenchmarkReadWeights reads, checks and digests the full network, 87 MB.
func BenchmarkReadWeights(b *testing.B) {
	path := datatest.Shared(b, "weights", realWeights)
	b.SetBytes(87093928)
	for b.Loop() {
		if _, err := ReadWeights(path); err != nil {
			b.Fatal(err)
		}
	}
}

// benchModel is a model folder around the full network.
func benchModel(b *testing.B, dtype string) string {
	w, err := ReadWeights(datatest.Shared(b, "weights", realWeights))
	if err != nil {
		b.Fatal(err)
	}
	m := &Model{
		Labels: []string{"a", "b"}, Head: Head{Classes: 2, Features: 2048, W: make([]float32, 4096), B: make([]float32, 2)},
		Recipe: w.Recipe, Flavor: w.Flavor, Width: w.Width, TrunkDigest: w.Digest, Trunk: w,
	}
	dir := filepath.Join(b.TempDir(), "m")
	if err := m.Save(dir, SaveOptions{DType: dtype}); err != nil {
		b.Fatal(err)
	}
	return dir
}

func BenchmarkOpenModel(b *testing.B) {
	for _, dtype := range []string{"f32", "f16"} {
		b.Run(dtype, func(b *testing.B) {
			dir := benchModel(b, dtype)
			for b.Loop() {
				if _, err := OpenModel(dir); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReady is what a server does before it is ready: open, check and compile.
func BenchmarkReady(b *testing.B) {
	dir := benchModel(b, "f32")
	for b.Loop() {
		m, err := OpenModel(dir)
		if err != nil {
			b.Fatal(err)
		}
		c, err := NewClassifier(m, nn.Config{})
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRandom(b *testing.B) {
	for b.Loop() {
		if _, err := Random(RandomConfig{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEmbed(b *testing.B) {
	w, err := Random(RandomConfig{})
	if err != nil {
		b.Fatal(err)
	}
	t, err := NewTrunk(w, nn.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	in, out := drawn(299, 1), make([]float32, t.Features())
	for b.Loop() {
		if err := t.Embed(context.Background(), 1, in, out); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("device %s, kernel %s, %d threads", t.Program().Device(), t.Program().Kernel(), t.Program().Threads())
}

// BenchmarkEmbedAll goes from the JPEG's bytes to the bottleneck at full width; the time is a
// picture's. What it takes beyond BenchmarkEmbed is decoding, resizing and waiting.
func BenchmarkEmbedAll(b *testing.B) {
	w, err := ReadWeights(datatest.Shared(b, "weights", realWeights))
	if err != nil {
		b.Fatal(err)
	}
	t, err := NewTrunk(w, nn.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	list := storedVectors(b, 7)
	b.ResetTimer()
	err = t.EmbedAll(context.Background(), b.N, func(i int) ([]byte, error) { return os.ReadFile(list[i%len(list)].Path) },
		func(_ int, _ []float32, err error) error { return err }, EmbedConfig{})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkClassify is one picture's way in predict and serve at width 0.25 and 128 pixels, where
// the network itself is cheap.
func BenchmarkClassify(b *testing.B) {
	w, err := Random(RandomConfig{Width: 0.25, Size: 128, Classes: 5})
	if err != nil {
		b.Fatal(err)
	}
	m, err := ModelFromWeights(w)
	if err != nil {
		b.Fatal(err)
	}
	c, err := NewClassifier(m, nn.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	data := sketch(b, 0, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Classify(context.Background(), &Input{Data: data}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFeatures is what every statistic of every block costs beside the bottleneck alone, a picture or
// eight at a time, in turn in one process and with one set of weights, so that where they lie in memory counts
// for neither: b.N pairs of passes, the median of the pairs' ratios, in percent. The first pass of a pair
// changes place with the second.
func BenchmarkFeatures(b *testing.B) {
	for _, precision := range []nn.Precision{nn.Float32, nn.BFloat16, nn.Int8} {
		w, err := Random(RandomConfig{})
		if err != nil {
			b.Fatal(err)
		}
		pixels := drawn(299, 1)
		switch precision {
		case nn.BFloat16:
			w, err = w.Narrowed()
		case nn.Int8:
			w, err = Calibrate(b.Context(), w, nn.Config{}, 1, func(_ int, to []float32) error { copy(to, pixels); return nil })
		}
		if err != nil {
			b.Fatal(err)
		}
		for _, batch := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/batch=%d", precision, batch), func(b *testing.B) {
				t, err := NewTrunkOf(w, AllFeatures(), nn.Config{})
				if err != nil {
					b.Fatal(err)
				}
				defer t.Close()
				benchmarkFeatures(b, t, slices.Repeat(pixels, batch), batch)
			})
		}
	}
}

func benchmarkFeatures(b *testing.B, t *Trunk, pixels []float32, batch int) {
	features := make([]float32, batch*t.Features())
	bare := make([][]float32, 1+2*len(t.blocks)) // nothing but the bottleneck is wanted
	bare[0] = make([]float32, batch*t.weights.Features())
	pass := func(with bool) float64 {
		began := time.Now()
		var err error
		if with {
			err = t.Embed(b.Context(), batch, pixels, features)
		} else {
			err = t.program.Run(b.Context(), batch, pixels, bare...)
		}
		if err != nil {
			b.Fatal(err)
		}
		return time.Since(began).Seconds()
	}
	pass(false)
	pass(true)
	var ratios []float64
	b.ResetTimer()
	for n := range b.N {
		first := pass(n%2 == 1)
		second := pass(n%2 == 0)
		if n%2 == 1 {
			first, second = second, first
		}
		ratios = append(ratios, 100*(second/first-1))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "%more")
}
