package dataset_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
)

// TestSplitTogether: nothing that is named, equal or nearly equal crosses.
func TestSplitTogether(t *testing.T) {
	for _, cfg := range []dataset.SplitConfig{{}, {Rule: 1}, {Rule: 1, Stratified: true},
		{Validation: 0.3, Test: 0.3, Salt: "x"}} {
		f := made("r", 3, 200)
		together := dataset.Same{Sums: make([][sha256.Size]byte, len(f.Items))}
		for i := range f.Items {
			if i%2 == 0 {
				f.Items[i].Group = fmt.Sprintf("person %d", i%50) // spans the labels
			}
			together.Sums[i] = sha256.Sum256(fmt.Append(nil, i/3))
		}
		for i := 1; i+2 < 100; i += 10 {
			together.Near = append(together.Near, []int{i, i + 2})
		}
		f.Items[0].Fixed, f.Items[0].Split = true, dataset.Test
		if err := f.SplitTogether(cfg, together); err != nil {
			t.Fatal(err)
		}
		inGroup := map[string]dataset.Split{}
		for i, it := range f.Items {
			keys := []string{fmt.Sprint("sum ", i/3)}
			if it.Group != "" {
				keys = append(keys, it.Group)
			}
			for n, near := range together.Near {
				if slices.Contains(near, i) {
					keys = append(keys, fmt.Sprint("near ", n))
				}
			}
			for _, key := range keys {
				if s, met := inGroup[key]; met && s != it.Split {
					t.Fatalf("%+v: %q is in %v and in %v", cfg, key, s, it.Split)
				}
				inGroup[key] = it.Split
			}
		}
		if inGroup["person 0"] != dataset.Test {
			t.Error("a group does not follow its fixed item")
		}
		folds, err := f.FoldsTogether(3, "", together)
		if err != nil {
			t.Fatal(err)
		}
		byGroup := map[string]int{}
		for i, it := range f.Items {
			if (folds[i] < 0) != (it.Split != dataset.Train) {
				t.Fatalf("item of %v is in fold %d", it.Split, folds[i])
			}
			if fold, met := byGroup[it.Group]; it.Group != "" && met && fold != folds[i] {
				t.Fatalf("group %q is in folds %d and %d", it.Group, fold, folds[i])
			}
			byGroup[it.Group] = folds[i]
		}
	}
}

// TestSplitNamedGroups: named groups that span labels reach all three splits.
func TestSplitNamedGroups(t *testing.T) {
	f := made("r", 2, 500)
	for i := range f.Items {
		f.Items[i].Group = fmt.Sprint(i % 100)
	}
	split(t, f, dataset.SplitConfig{Validation: 0.2, Test: 0.2})
	for label, c := range f.Counts() {
		if c[0] < 200 || c[1] < 40 || c[2] < 40 {
			t.Errorf("label %d: got %v", label, c)
		}
	}
	f.Items[0].Fixed, f.Items[0].Split = true, dataset.Test
	f.Items[100].Fixed, f.Items[100].Split = true, dataset.Validation
	if err := f.Split(dataset.SplitConfig{}); err == nil || !strings.Contains(err.Error(), `group "0"`) {
		t.Errorf("a group in two fixed splits: %v", err)
	}
}

// TestSplitFixedDuplicates: equal pictures that were given different parts all go into the one that
// is held out more.
func TestSplitFixedDuplicates(t *testing.T) {
	f := made("r", 2, 10)
	sums := make([][sha256.Size]byte, len(f.Items))
	for i := range sums {
		sums[i] = sha256.Sum256([]byte{byte(i)})
		f.Items[i].Fixed, f.Items[i].Split = true, dataset.Split(i%3)
	}
	sums[6], sums[7], sums[14] = sums[2], sums[2], sums[2] // train, validation, test; and test under the other label
	if err := f.SplitUnique(dataset.SplitConfig{}, sums); err != nil {
		t.Fatal(err)
	}
	for i, it := range f.Items {
		want := dataset.Split(i % 3)
		if i == 6 || i == 7 || i == 14 {
			want = dataset.Test
		}
		if it.Split != want {
			t.Errorf("item %d is in %v, want %v", i, it.Split, want)
		}
	}
}
