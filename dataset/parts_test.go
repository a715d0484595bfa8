package dataset_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
)

// each is n pictures in each of the folders.
func each(n int, folders ...string) (names []string) {
	for _, f := range folders {
		for i := range n {
			names = append(names, fmt.Sprintf("%s/%d.png", f, i))
		}
	}
	return names
}

func TestScanParts(t *testing.T) {
	for _, test := range []struct {
		name    string
		folders []string
		labels  string
		counts  [3]int // of each label after Split, where it is the same for each
		note    string
	}{
		{"three parts", []string{"train/a", "train/b", "valid/a", "valid/b", "test/a", "test/b"}, "a b", [3]int{12, 12, 12},
			`"train", "valid", "test" as parts`},
		{"any case, other names", []string{"Training/a", "Training/b", "DEV/a", "DEV/b", "Evaluation/a", "Evaluation/b"},
			"a b",
			[3]int{12, 12, 12}, `"Training"`},
		{"two parts, validation is dealt", []string{"train/a", "train/b", "test/a", "test/b"}, "a b", [3]int{10, 2, 12},
			"no folder of validation pictures"},
		{"two parts, test is dealt", []string{"train/a", "train/b", "val/a", "val/b"}, "a b", [3]int{10, 12, 2},
			"no folder of test pictures"},
		{"one level down", []string{"data/train/a", "data/train/b", "data/val/a", "data/val/b", "data/test/a", "data/test/b"},
			"a b", [3]int{12, 12, 12}, "as parts"},
		{"parts in labels", []string{"a/train", "a/validation", "a/test", "b/train", "b/validation", "b/test"}, "a b",
			[3]int{12, 12, 12}, "in each label's"},
		{"parts in labels, one missing", []string{"a/Train", "a/Test", "b/Train", "b/Test"}, "a b", [3]int{10, 2, 12},
			"no folder of validation pictures"},
		{"a lone part", []string{"train/a", "train/b"}, "a b", [3]int{8, 2, 2}, "only folder"},
		{"a vehicle", []string{"bicycle", "bus", "train"}, "bicycle bus train", [3]int{8, 2, 2}, `"train" beside "bicycle"`},
		{"one part beside another folder", []string{"train/a", "train/b", "extra"}, "extra train", [3]int{},
			`to read its folders as labels`},
		{"labels named like parts", []string{"test", "train"}, "test train", [3]int{8, 2, 2}, "as labels, not as parts"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := dataset.Scan(picturetest.Tree(t, each(12, test.folders...)...), dataset.ScanConfig{})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(f.Labels, " "); got != test.labels {
				t.Errorf("labels: got %q, want %q", got, test.labels)
			}
			if got := strings.Join(f.Notes, "; "); !strings.Contains(got, test.note) {
				t.Errorf("notes: got %q, want one that says %q", got, test.note)
			}
			if err := f.Split(dataset.SplitConfig{Validation: 0.2, Test: 0.2, Stratified: true}); err != nil {
				t.Fatal(err)
			}
			for label, got := range f.Counts() {
				if test.counts != [3]int{} && got != test.counts {
					t.Errorf("label %q: got %v, want %v", f.Labels[label], got, test.counts)
				}
			}
			for _, it := range f.Items {
				if part := filepath.ToSlash(it.Path); it.Fixed && it.Split == dataset.Test &&
					!strings.Contains(strings.ToLower(part), "/test/") && !strings.Contains(part, "/Evaluation/") {
					t.Errorf("%s is in test", part)
				}
			}
		})
	}
	plain, err := dataset.Scan(picturetest.Tree(t, each(3, "a", "b")...), dataset.ScanConfig{})
	if err != nil || len(plain.Notes) != 0 {
		t.Errorf("plain labels: got notes %q, %v", plain.Notes, err)
	}
	beside, err := dataset.Scan(picturetest.Tree(t, each(3, "train/a", "train/b", "test/a", "docs")...),
		dataset.ScanConfig{})
	if err != nil || len(beside.Problems) != 1 || !strings.Contains(beside.Problems[0].Reason, "lies beside") {
		t.Errorf("a folder beside parts: got %+v, %v", beside, err)
	}
}

func TestScanPartsRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		folders []string
		want    []string
	}{
		{"another label in a part", []string{"train/a", "train/b", "test/a", "test/c"}, []string{`"train", "test"`, `label "c"`}},
		{"no label in common", []string{"train/a", "train/b", "test/c"}, []string{"no label folder in common"}},
		{"a part without labels", []string{"train/a", "train/b", "test"}, []string{`"test" has no label folders`, "train"}},
		{"no part to train on", []string{"val/a", "val/b", "test/a", "test/b"}, []string{"none is for training"}},
		{"one part twice", []string{"train/a", "val/a", "valid/a"}, []string{`"val" and "valid"`, "validation"}},
	} {
		_, err := dataset.Scan(picturetest.Tree(t, each(2, test.folders...)...), dataset.ScanConfig{})
		if err == nil {
			t.Errorf("%s: accepted", test.name)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want one that says %q", test.name, err, want)
			}
		}
	}
	parts, err := dataset.Scan(picturetest.Tree(t, each(2, "train/a", "train/b", "test/a")...), dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := dataset.Scan(picturetest.Tree(t, each(2, "a", "b")...), dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dataset.Join(parts, nil, plain); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second test part: %v", err)
	}
}
