package dataset

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/spelling"
)

// Join puts a folder and separate folders for validation and test into one, whose Items of the
// latter are Fixed; either may be nil. Items are copied. Item.Rel of the validation and test
// pictures begins with "validation/" and "test/". A label that the folder to train on lacks is an
// error that names it.
//
// Items of folder that are not Fixed may still be given a split by Folder.Split, but none that was
// given here.
func Join(folder, validation, test *Folder) (*Folder, error) {
	if folder == nil {
		return nil, errors.New("dataset: join: there is no folder to train on")
	}
	out := &Folder{
		Root: folder.Root, Labels: slices.Clone(folder.Labels), Items: slices.Clone(folder.Items),
		Problems: slices.Clone(folder.Problems), Ignored: folder.Ignored, MultiLabel: folder.MultiLabel,
		Notes: slices.Clone(folder.Notes), Given: folder.Given,
	}
	at := make(map[string]int, len(out.Labels))
	for i, l := range out.Labels {
		at[l] = i
	}
	for _, part := range []struct {
		split Split
		from  *Folder
	}{{Validation, validation}, {Test, test}} {
		if part.from == nil {
			continue
		}
		if part.from.MultiLabel != out.MultiLabel {
			return nil, fmt.Errorf("dataset: join: one of the %v folder %q and %q has several labels a picture, the other one: "+
				"read both the same way", part.split, part.from.Root, folder.Root)
		}
		if part.from.Given != [3]bool{} || out.Given[part.split] {
			return nil, fmt.Errorf("dataset: join: %q is to be the %v part, but the data have such parts already: "+
				"name a folder of each part, and one to train on", part.from.Root, part.split)
		}
		out.Given[part.split] = true
		to := make([]int, len(part.from.Labels))
		for i, l := range part.from.Labels {
			label, known := at[l]
			if !known {
				return nil, fmt.Errorf("dataset: join: label %q of the %v folder %q is not in %q: a head cannot learn it there%s",
					l, part.split, part.from.Root, folder.Root, spelling.Suggest(l, lowered(out.Labels)))
			}
			to[i] = label
		}
		for _, it := range part.from.Items {
			if it.Label < 0 || it.Label >= len(to) {
				return nil, fmt.Errorf("dataset: join: item %q has label %d, want 0..%d", it.Rel, it.Label, len(to)-1)
			}
			it.relabel(to, out.MultiLabel)
			it.Split, it.Fixed = part.split, true
			it.Key = it.hashKey()
			it.Rel = part.split.String() + "/" + it.Rel
			out.Items = append(out.Items, it)
		}
		out.Problems = append(out.Problems, part.from.Problems...)
		out.Ignored += part.from.Ignored
		out.Notes = append(out.Notes, part.from.Notes...)
	}
	slices.SortFunc(out.Items, func(a, b Item) int {
		if c := strings.Compare(a.Rel, b.Rel); c != 0 {
			return c
		}
		return strings.Compare(a.Path, b.Path)
	})
	slices.SortStableFunc(out.Problems, func(a, b source.Problem) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

func lowered(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.ToLower(n)
	}
	return out
}
