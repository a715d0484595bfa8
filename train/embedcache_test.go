package train

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
)

// Two shares embedded apart and merged are what Run would have embedded itself, and its model has
// the same bytes.
func TestEmbedSharesAndMerge(t *testing.T) {
	dir, w, scratch := drawn(t, 6), narrow(t), t.TempDir()
	// outside the labels: a problem of the folder's, not of ours
	write(t, []byte("\xff\xd8\xff\xe0 no picture"), dir, "a-broken.jpg")
	caches := [2]string{filepath.Join(scratch, "one"), filepath.Join(scratch, "two")}
	total := 0
	for k, cache := range caches {
		folder := scan(t, dir)
		var share []dataset.Item
		for i, it := range folder.Items {
			if i%2 == k {
				share = append(share, it)
			}
		}
		folder.Items = share
		got, err := Embed(t.Context(), folder, w, Config{Features: FeaturesLast, EmbedConfig: EmbedConfig{CacheDir: cache, MaxBad: -1}})
		if err != nil || got.Pictures != len(share) || got.Cached != 0 || filepath.Dir(got.Cache) != cache {
			t.Fatalf("share %d: got %+v, %v; want %d pictures in %s", k, got, err, len(share), cache)
		}
		if again, err := Embed(t.Context(), folder, w, Config{Features: FeaturesLast, EmbedConfig: EmbedConfig{CacheDir: cache}}); err != nil ||
			again.Pictures != 0 ||
			again.Cached != len(share) {
			t.Errorf("share %d again: got %+v, %v; want all from the cache", k, again, err)
		}
		total += got.Pictures
	}
	added, err := MergeCache(w, nn.Config{}, caches[0], caches[1], false)
	if err != nil || added != total-total/2 && added != total/2 {
		t.Fatalf("merge: got %d of %d, %v", added, total, err)
	}
	if again, err := MergeCache(w, nn.Config{}, caches[0], caches[1], false); err != nil || again != 0 {
		t.Errorf("merged again: got %d new, %v; want none", again, err)
	}

	merged := mustRun(t, dir, w, Config{ToolVersion: "test", EmbedConfig: EmbedConfig{CacheDir: caches[0]}})
	alone := mustRun(t, dir, w, Config{ToolVersion: "test"})
	if merged.Embedded != 0 || merged.Cached != total {
		t.Errorf("the run on merged shares embedded %d and found %d, want 0 and %d", merged.Embedded, merged.Cached, total)
	}
	var saved [2]map[string]string
	for i, r := range []*Result{merged, alone} {
		out := filepath.Join(t.TempDir(), "model")
		if err := r.Model.Save(out, inception.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		saved[i] = tree(t, out)
	}
	if !maps.Equal(saved[0], saved[1]) {
		t.Error("the models differ between merged shares and one run")
	}
}

func TestEmbedLeavesBadPicturesToRun(t *testing.T) {
	dir, w := drawn(t, 3), narrow(t)
	folder := scan(t, dir)
	for _, it := range folder.Items[1:] {
		write(t, []byte("\xff\xd8\xff\xe0 no picture"), it.Path)
	}
	got, err := Embed(t.Context(), folder, w, Config{EmbedConfig: EmbedConfig{CacheDir: t.TempDir(), MaxBad: -1}})
	if err != nil || got.Pictures != 1 || len(got.Problems) != len(folder.Items)-1 {
		t.Errorf("got %+v, %v; want one picture embedded and the others as problems", got, err)
	}
	if _, err := Embed(t.Context(), folder, w, Config{}); err == nil {
		t.Error("no cache folder: got no error")
	}
}

// The bottlenecks of a checked folder are those of a run, which finds them in the cache; where they
// are all there, a few are timed anew.
func TestEmbedChecked(t *testing.T) {
	dir, w, cache := drawn(t, 6), narrow(t), t.TempDir()
	write(t, read(t, dir, draw.Label(0), "0000.jpg"), dir, draw.Label(1), "copy.jpg")
	folder := scan(t, dir)
	n := len(folder.Items)
	c, err := doctor.Check(t.Context(), folder, doctor.Config{})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	cfg := EmbedConfig{CacheDir: cache, Progress: func(e Event) { told = e.Total }}
	for _, want := range []int{n - 1, 0} { // a copy is embedded once
		told = 0
		b, err := EmbedChecked(t.Context(), folder, c, w, cfg)
		if err != nil || len(b.Rows) != n || b.Distinct != n-1 || b.Each <= 0 || told != want || len(b.Problems) != 0 {
			t.Fatalf("got %d rows, %d distinct, %v each, problems %v, %v, %d embedded; want %d rows, %d embedded", len(b.Rows),
				b.Distinct, b.Each, b.Problems, err, told, n, want)
		}
	}
	for _, features := range []string{FeaturesLast, FeaturesAuto} {
		if r := mustRun(t, dir, w, Config{Features: features, EmbedConfig: EmbedConfig{CacheDir: cache}}); r.Embedded != 0 {
			t.Errorf("the run with features %s embedded %d, want all from the cache", features, r.Embedded)
		}
	}
	write(t, read(t, dir, draw.Label(0), "0001.jpg"), dir, draw.Label(0), "0002.jpg") // changed since
	b, err := EmbedChecked(t.Context(), folder, c, w, EmbedConfig{})
	if err != nil || len(b.Problems) != 1 || !strings.Contains(b.Problems[0].Reason, "changed") {
		t.Errorf("a file that changed: got the problems %+v, %v; want it as one", b.Problems, err)
	}
}
