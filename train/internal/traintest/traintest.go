// Package traintest has what the tests of train and its rooms share: made-up examples, and the
// bottlenecks of real photographs.
package traintest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/numeric"
)

// Near reports whether got is want within atol + rtol*|want|; never for NaN.
func Near(got, want, atol, rtol float64) bool { return math.Abs(got-want) <= atol+rtol*math.Abs(want) }

// NearAll fails t unless each value is the wanted one within rel of the largest. A NaN is never near.
func NearAll(t testing.TB, what string, got []float32, want []float64, rel float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d values, want %d", what, len(got), len(want))
	}
	largest := 0.0
	for _, w := range want {
		largest = max(largest, math.Abs(w))
	}
	for i, w := range want {
		if !Near(float64(got[i]), w, rel*largest, 0) {
			t.Fatalf("%s: value %d: got %v, want %v within %.0e of %v", what, i, got[i], w, rel, largest)
		}
	}
}

// Logit is the inverse of the sigmoid.
func Logit(p float64) float64 { return math.Log(p / (1 - p)) }

// Answers draws labels from softmax(logits / t).
func Answers(seed uint64, n, k int, t float64) (logits []float64, labels []int) {
	rng := rand.New(rand.NewPCG(seed, 3))
	p := make([]float64, k)
	for range n {
		row := make([]float64, k)
		for j := range row {
			row[j] = 3 * rng.NormFloat64()
		}
		numeric.Softmax(p, row, t)
		u, label := rng.Float64(), 0
		for label < k-1 && u >= p[label] {
			u -= p[label]
			label++
		}
		logits, labels = append(logits, row...), append(labels, label)
	}
	return logits, labels
}

// Flowers returns the bottlenecks that retrain.py itself computed for a set of flower photographs,
// "all" (3,670) or "photos" (700), their labels, of five, and their files.
func Flowers(t testing.TB, set string) (rows [][]float32, labels []int, files []string) {
	t.Helper()
	list := datatest.Flowers(t, set)
	var names []string
	for _, f := range list {
		rows, files, names = append(rows, f.Vector), append(files, f.File), append(names, f.Label)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, f := range list {
		labels = append(labels, slices.Index(names, f.Label))
	}
	return rows, labels, files
}
