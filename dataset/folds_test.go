package dataset_test

import (
	"slices"
	"testing"

	"github.com/c236555e/rehead/dataset"
)

func TestFolds(t *testing.T) {
	f := made("r", 3, 101)
	folds, err := f.Folds(5, "")
	if err != nil {
		t.Fatal(err)
	}
	counts := map[[2]int]int{}
	for i, it := range f.Items {
		counts[[2]int{it.Label, folds[i]}]++
	}
	for label := range 3 {
		for fold := range 5 {
			if n := counts[[2]int{label, fold}]; n != 20 && n != 21 {
				t.Errorf("label %d, fold %d: %d", label, fold, n)
			}
		}
	}
	again, err := made("elsewhere", 3, 101).Folds(5, "")
	if err != nil || !slices.Equal(folds, again) {
		t.Errorf("moving the root changes the folds: %v", err)
	}
	if other, err := f.Folds(5, "salt"); err != nil || slices.Equal(folds, other) {
		t.Errorf("another salt gives the same folds: %v", err)
	}
	if _, err := f.Folds(1, ""); err == nil {
		t.Error("one fold accepted")
	}
	if _, err := f.FoldsTogether(2, "", dataset.Same{Near: [][]int{{0, 999}}}); err == nil {
		t.Error("an item out of range accepted")
	}
}
