package train

import (
	"fmt"
	"strings"

	"github.com/c236555e/rehead/dataset"
)

// few is the number of training pictures below which a label is worth a note.
const few = 20

// checkLabels says whether there is anything to train on.
func checkLabels(f *dataset.Folder) error {
	switch {
	case len(f.Items) == 0 && len(f.Problems) > 0:
		return fmt.Errorf("train: folder %s: got no readable picture (%d files were left out, the first is %s: %s), want label folders with pictures in them",
			f.Root, len(f.Problems), f.Problems[0].Path, f.Problems[0].Reason)
	case len(f.Items) == 0:
		return fmt.Errorf("train: folder %s: got no picture, want one folder for each label with its pictures in it", f.Root)
	case len(f.Labels) < 2:
		return fmt.Errorf("train: folder %s: got one label only (%s), want at least two: add a folder with pictures of something else", f.Root, quoted(f.Labels))
	}
	for _, it := range f.Items {
		if it.Label < 0 || it.Label >= len(f.Labels) {
			return fmt.Errorf("train: folder %s: picture %s: got label %d, want 0..%d", f.Root, it.Rel, it.Label, len(f.Labels)-1)
		}
	}
	return nil
}

// checkSplit refuses a split that cannot be trained on, and notes what will be less than one may expect.
func checkSplit(labels []string, items []dataset.Item, cfg dataset.SplitConfig) (notes []string, err error) {
	counts := make([][3]int, len(labels))
	var total [3]int
	for _, it := range items {
		counts[it.Label][it.Split]++
		total[it.Split]++
	}
	var none, small []string
	missing := map[dataset.Split][]string{}
	for l, c := range counts {
		switch {
		case c[dataset.Train] == 0:
			none = append(none, labels[l])
		case c[dataset.Train] < few:
			small = append(small, labels[l])
		}
		for _, s := range []dataset.Split{dataset.Validation, dataset.Test} {
			if c[s] == 0 {
				missing[s] = append(missing[s], labels[l])
			}
		}
	}
	if len(none) > 0 {
		return nil, fmt.Errorf("train: no picture to train on for %s: add pictures, or remove the folder", quoted(none))
	}
	if len(small) > 0 {
		notes = append(notes, fmt.Sprintf("fewer than %d training pictures for %s: expect little of them", few, quoted(small)))
	}
	for _, s := range []dataset.Split{dataset.Validation, dataset.Test} {
		switch {
		case total[s] == 0 && fraction(cfg, s) > 0:
			notes = append(notes, fmt.Sprintf("no picture falls into the %s part: there are too few of them", s))
		case total[s] > 0 && len(missing[s]) > 0:
			notes = append(notes, fmt.Sprintf("no %s picture for %s: the %s accuracy says nothing about them", s, quoted(missing[s]), s))
		}
	}
	return notes, nil
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
