package train

import (
	"bytes"
	"image/jpeg"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

func TestSpread(t *testing.T) {
	// Labels 0, 1 and 2 have 2, 20 and 8 pictures, mixed.
	var items, labels []int
	for i := range 30 {
		items = append(items, i)
		switch {
		case i%15 == 3:
			labels = append(labels, 0)
		case i%3 == 1 && i < 24:
			labels = append(labels, 2)
		default:
			labels = append(labels, 1)
		}
	}
	label := func(i int) int { return labels[i] }
	for limit, want := range map[int][3]int{0: {}, 3: {1, 1, 1}, 12: {2, 5, 5}, 20: {2, 10, 8}, 29: {2, 19, 8},
		30: {2, 20, 8}, 99: {2, 20, 8}} {
		got := spread(items, label, 3, limit)
		var counts [3]int
		for _, i := range got {
			counts[label(i)]++
		}
		if counts != want {
			t.Errorf("at most %d: got %v of each label, want %v", limit, counts, want)
		}
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("at most %d: got %v, want each once and in order", limit, got)
		}
	}
	two := spread([]int{0, 1, 2, 3, 4, 5, 6, 7}, func(int) int { return 0 }, 1, 2)
	if !slices.Equal(two, []int{2, 6}) {
		t.Errorf("two of eight: got %v, want [2 6]", two)
	}
}

// TestRunKeepsTrainingPictures: of the training part alone, each with a thumbnail, and equal runs
// keep equal bytes; a training picture explains itself.
func TestRunKeepsTrainingPictures(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir, w := drawn(t, perClass), narrow(t)
	res := mustRun(t, dir, w, Config{Neighbours: 12, EmbedConfig: EmbedConfig{Decoders: 3}})
	n := res.Model.Neighbours
	if n == nil || len(n.Pictures) != 12 {
		t.Fatalf("got %+v, want 12 pictures", n)
	}
	training := map[string]bool{}
	for _, it := range scanned(t, dir, res).Items {
		training[it.Rel] = it.Split == dataset.Train
	}
	perLabel := map[string]int{}
	for _, p := range n.Pictures {
		img, err := jpeg.Decode(bytes.NewReader(p.Thumbnail))
		if err != nil || max(img.Bounds().Dx(), img.Bounds().Dy()) > thumbnailSide {
			t.Errorf("%s: its thumbnail: %v", p.Path, err)
		}
		if !training[p.Path] || path.Dir(p.Path) != p.Label {
			t.Errorf("%s of label %s is not a training picture", p.Path, p.Label)
		}
		perLabel[p.Label]++
	}
	if len(perLabel) != classes || perLabel[n.Pictures[0].Label] != 4 {
		t.Errorf("got %v, want 4 of each of %d labels", perLabel, classes)
	}
	if again := mustRun(t, dir, w,
		Config{Neighbours: 12, EmbedConfig: EmbedConfig{Decoders: 1}}).Model.Neighbours; !reflect.DeepEqual(again, n) {
		t.Error("the same run keeps other pictures")
	}
	if none := mustRun(t, dir, w, Config{}).Model.Neighbours; none != nil {
		t.Error("pictures are kept unasked")
	}
	c, err := inception.NewClassifier(res.Model, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	x, err := c.Explain(t.Context(), &inception.Input{Data: read(t, dir, filepath.FromSlash(n.Pictures[7].Path))}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Nearest) != 3 || !(x.Nearest[0].Similarity > 0.999) ||
		!bytes.Equal(x.Nearest[0].Thumbnail, n.Pictures[7].Thumbnail) && x.Nearest[1].Similarity < x.Nearest[0].Similarity {
		t.Errorf("the nearest to %s are %+v", n.Pictures[7].Path, x.Nearest)
	}
	if err := (Config{Neighbours: -1}).Validate(); err == nil || !strings.Contains(err.Error(), "Neighbours") {
		t.Errorf("-1 pictures: got %v", err)
	}
}

// scanned is the folder, split as the run split it.
func scanned(t testing.TB, dir string, res *Result) *dataset.Folder {
	t.Helper()
	f := scan(t, dir)
	if err := f.Split(dataset.SplitConfig(res.Model.Split)); err != nil {
		t.Fatal(err)
	}
	return f
}
