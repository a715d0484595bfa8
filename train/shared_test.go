package train

import (
	"slices"
	"testing"

	"github.com/c236555e/rehead/internal/datatest"
)

// flowers returns the bottlenecks that retrain.py itself computed for a set of flower photographs,
// "all" (3,670) or "photos" (700), and their files.
func flowers(t testing.TB, set string) (Examples, []string) {
	t.Helper()
	list := datatest.Flowers(t, set)
	ex := Examples{Rows: make([][]float32, len(list)), Labels: make([]int, len(list))}
	files, labels := make([]string, len(list)), make([]string, len(list))
	for i, f := range list {
		ex.Rows[i], files[i], labels[i] = f.Vector, f.File, f.Label
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	for i, f := range list {
		ex.Labels[i] = slices.Index(labels, f.Label)
	}
	ex.Classes = len(labels)
	return ex, files
}
