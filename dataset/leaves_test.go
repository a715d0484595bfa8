package dataset_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
)

// TestLabelsAtLeaf: folders in folders, as the Grocery Store data set has them.
func TestLabelsAtLeaf(t *testing.T) {
	grocery := []string{"Fruit/Apple/Golden/1.png", "Fruit/Apple/Royal/1.png", "Fruit/Banana/1.png", "Fruit/Banana/more/2.png",
		"Vegetables/Leek/1.png"}
	under := func(part string) (out []string) {
		for _, name := range grocery {
			out = append(out, part+"/"+name)
		}
		return out
	}
	for _, test := range []struct {
		name   string
		files  []string
		at     string
		labels string
		note   string
	}{
		{"leaves", grocery, "", "Banana|Golden|Leek|Royal", "--labels-at top"},
		{"leaves asked for", grocery, "leaf", "Banana|Golden|Leek|Royal", ""},
		{"the top asked for", grocery, "top", "Fruit|Vegetables", ""},
		{"one folder around labels", []string{"flowers/daisy/1.png", "flowers/rose/2.png"}, "", "daisy|rose", "daisy"},
		{"pictures at the top", []string{"daisy/1.png", "rose/garden/1.png"}, "", "daisy|rose", ""},
		{"pictures at the top, leaves asked for", []string{"daisy/1.png", "rose/garden/1.png"}, "leaf", "daisy|garden", ""},
		{"a folder in each label's", []string{"daisy/images/1.png", "rose/images/2.png"}, "", "daisy|rose", ""},
		{"the same names below", []string{"cat/s1/1.png", "cat/s2/1.png", "dog/s1/1.png"}, "", "cat|dog", "--labels-at leaf"},
		{"the same names below, leaves asked for", []string{"cat/s1/1.png", "cat/s2/1.png", "dog/s1/1.png"}, "leaf",
			"cat/s1|dog/s1|s2", ""},
		{"parts", append(under("train"), under("val")...), "", "Banana|Golden|Leek|Royal", "--labels-at top"},
		{"parts, pictures at the top of one", append(under("train"), "test/Fruit/Apple/Royal/1.png", "test/Vegetables/Leek/2.png"),
			"", "Banana|Golden|Leek|Royal", "--labels-at top"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := picturetest.Tree(t, test.files...)
			picturetest.Write(t, filepath.Join(root, filepath.Dir(filepath.Dir(test.files[0])), "about.txt"), []byte("words"))
			f, err := dataset.Open(root, dataset.ManifestConfig{LabelsAt: test.at})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(f.Labels, "|"); got != test.labels || len(f.Items) != len(test.files) {
				t.Errorf("got %s and %d pictures, want %s and %d", got, len(f.Items), test.labels, len(test.files))
			}
			if notes := strings.Join(f.Notes, "\n"); !strings.Contains(notes, test.note) || test.note == "" && strings.Contains(notes, "--labels-at") {
				t.Errorf("got notes %q, want one that says %q", notes, test.note)
			}
			for _, it := range f.Items {
				if !strings.Contains("/"+it.Rel, "/"+f.Labels[it.Label]+"/") {
					t.Errorf("%s has label %q", it.Rel, f.Labels[it.Label])
				}
			}
		})
	}
	if _, err := dataset.Scan(picturetest.Tree(t, "a/1.png", "b/1.png"), dataset.ScanConfig{LabelsAt: "bottom"}); err == nil ||
		!strings.Contains(err.Error(), `"bottom"`) {
		t.Errorf("another place: got %v", err)
	}
}
