package train

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
)

// few is the number of training pictures below which a label is worth a note.
const few = 20

// checkLabels says whether there is anything to train on.
func checkLabels(f *dataset.Folder) error {
	switch {
	case len(f.Items) == 0 && len(f.Problems) > 0:
		return fmt.Errorf("train: folder %s: got no readable picture (%d files were left out, the first is %s: %s), want "+
			"label folders with pictures in them",
			f.Root, len(f.Problems), f.Problems[0].Path, f.Problems[0].Reason)
	case len(f.Items) == 0:
		return fmt.Errorf("train: folder %s: got no picture, want one folder for each label with its pictures in it", f.Root)
	case len(f.Labels) < 2:
		return fmt.Errorf("train: folder %s: got one label only (%s), want at least two: add a folder with "+
			"pictures of something else", f.Root, quoted(f.Labels))
	}
	for i, it := range f.Items {
		for _, l := range f.Set(i) {
			if l < 0 || l >= len(f.Labels) {
				return fmt.Errorf("train: folder %s: picture %s: got label %d, want 0..%d", f.Root, it.Rel, l, len(f.Labels)-1)
			}
		}
		if it.Label < 0 || it.Label >= len(f.Labels) {
			return fmt.Errorf("train: folder %s: picture %s: got label %d, want 0..%d", f.Root, it.Rel, it.Label,
				len(f.Labels)-1)
		}
	}
	return nil
}

// checkSplit refuses a split that cannot be trained on, and notes what will be less than one may
// expect.
func checkSplit(f *dataset.Folder, cfg dataset.SplitConfig, given []int) (notes []string, err error) {
	labels, counts := f.Labels, f.Counts()
	var total [3]int
	for _, it := range f.Items {
		total[it.Split]++
	}
	var none, all, small []string
	missing := map[dataset.Split][]string{}
	for l, c := range counts {
		switch {
		case c[dataset.Train] == 0:
			none = append(none, labels[l])
		case f.MultiLabel && c[dataset.Train] == total[dataset.Train]:
			all = append(all, labels[l])
		case c[dataset.Train] < few:
			small = append(small, labels[l])
		}
		for _, s := range []dataset.Split{dataset.Validation, dataset.Test} {
			if c[s] == 0 {
				missing[s] = append(missing[s], labels[l])
			}
		}
	}
	if copies := slices.DeleteFunc(slices.Clone(none), func(name string) bool {
		return cfg.Legacy || given[slices.Index(labels, name)] == 0
	}); len(copies) > 0 {
		return nil, fmt.Errorf("train: no picture to train on for %s: all that were given for training are copies of "+
			"validation pictures or test pictures, which stay held out: take the copies out of one of the two", quoted(copies))
	}
	if len(none) > 0 {
		return nil, fmt.Errorf("train: no picture to train on for %s: add pictures, or remove the folder", quoted(none))
	}
	if len(all) > 0 {
		return nil, fmt.Errorf("train: every picture to train on has the label %s: add pictures without it, or leave it "+
			"out, for it tells nothing apart", quoted(all))
	}
	if len(small) > 0 {
		notes = append(notes, fmt.Sprintf("fewer than %d training pictures for %s: expect little of them", few,
			quoted(small)))
	}
	for _, s := range []dataset.Split{dataset.Validation, dataset.Test} {
		switch {
		case total[s] == 0 && fraction(cfg, s) > 0:
			notes = append(notes, fmt.Sprintf("no picture falls into the %s part: there are too few of them", s))
		case total[s] > 0 && len(missing[s]) > 0:
			notes = append(notes, fmt.Sprintf("no %s picture for %s: the %s accuracy says nothing about them", s,
				quoted(missing[s]), s))
		}
	}
	return notes, nil
}

// noteCrowded says why nearly equal pictures may lie in different parts.
const noteCrowded = "so many pictures are nearly equal that keeping them together would leave too few to measure " +
	"with: only equal ones are kept together"

// divide splits the folder. Equal pictures stay together, and nearly equal ones as long as at least
// half of what is held out without that rule still is; cfg.Near then says so. With a legacy split
// each goes its way.
func divide(f *dataset.Folder, cfg *dataset.SplitConfig, c *doctor.Checkup,
	sums [][sha256.Size]byte) (crowded bool, err error) {
	cfg.Near = 0
	if err := f.SplitUnique(*cfg, sums); err != nil {
		return false, err
	}
	near := nearGroups(f.Items, c.Same().Near)
	if cfg.Legacy || len(near) == 0 {
		return false, nil
	}
	plain := parts(f)
	if err := f.SplitTogether(*cfg, dataset.Same{Sums: sums, Near: near}); err != nil {
		return false, err
	}
	if got := parts(f); 2*got[dataset.Validation] < plain[dataset.Validation] ||
		2*got[dataset.Test] < plain[dataset.Test] {
		return true, f.SplitUnique(*cfg, sums)
	}
	cfg.Near = dataset.NearVersion
	return false, nil
}

// parts counts the items of each part.
func parts(f *dataset.Folder) (n [3]int) {
	for _, label := range f.Counts() {
		for s, count := range label {
			n[s] += count
		}
	}
	return n
}

// nearGroups are the nearly equal pictures that are to stay together. A picture whose part was
// given is left where it is: of those only the ones that are held out most count, so that no other
// picture of the group is trained on.
func nearGroups(items []dataset.Item, near [][]int) [][]int {
	var out [][]int
	for _, group := range near {
		most := dataset.Train
		for _, i := range group {
			if items[i].Fixed {
				most = max(most, items[i].Split)
			}
		}
		var keep []int
		for _, i := range group {
			if !items[i].Fixed || items[i].Split == most {
				keep = append(keep, i)
			}
		}
		if len(keep) > 1 {
			out = append(out, keep)
		}
	}
	return out
}

// fraction returns what cfg asks for.
func fraction(cfg dataset.SplitConfig, s dataset.Split) float64 {
	if s == dataset.Validation {
		return cfg.Validation
	}
	return cfg.Test
}

// quoted lists names, the first few of many.
func quoted(names []string) string {
	const most = 8
	shown := names[:min(len(names), most)]
	var b strings.Builder
	for i, n := range shown {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", n)
	}
	if more := len(names) - len(shown); more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// givenToTrain counts the pictures of each label that are there to be trained on, where others of
// the label are held out by the caller; 0 elsewhere.
func givenToTrain(f *dataset.Folder) []int {
	counts, held := make([]int, len(f.Labels)), make([]bool, len(f.Labels))
	for i, it := range f.Items {
		for _, l := range f.Set(i) {
			if it.Fixed && it.Split != dataset.Train {
				held[l] = true
			} else {
				counts[l]++
			}
		}
	}
	for l := range counts {
		if !held[l] {
			counts[l] = 0
		}
	}
	return counts
}
