package dataset

import (
	"cmp"
	"fmt"
	"slices"
)

// Folds deals the items of Split Train into k folds for cross-validation and returns the fold
// 0..k-1 of every item, -1 for the others. Groups are those of Split and never cross. The folds of
// one label differ by no more than its largest group; the same items and salt give the same folds.
// Where pictures have several labels, folds are dealt by iterative stratification.
func (f *Folder) Folds(k int, salt string) ([]int, error) { return f.FoldsTogether(k, salt, Same{}) }

// FoldsTogether is Folds, but what is the same stays together as in SplitTogether.
func (f *Folder) FoldsTogether(k int, salt string, same Same) ([]int, error) {
	if k < 2 {
		return nil, fmt.Errorf("dataset: folds: got k = %d, want at least 2", k)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	if k > max(2, len(f.Items)) {
		return nil, fmt.Errorf("dataset: folds: got k = %d, want at most one for each of %d pictures", k, len(f.Items))
	}
	if err := same.check(len(f.Items)); err != nil {
		return nil, err
	}
	groups, err := f.groups("folds\x00"+salt, same, false)
	if err != nil {
		return nil, err
	}
	out := make([]int, len(f.Items))
	byLabel, several := make([][]*group, len(f.Labels)), []*group(nil)
	for _, g := range groups {
		g.items = slices.DeleteFunc(g.items, func(i int) bool {
			out[i] = -1
			return f.Items[i].Split != Train
		})
		if len(g.items) > 0 && f.MultiLabel {
			several = append(several, g)
		} else if len(g.items) > 0 {
			label := f.Items[g.items[0]].Label
			byLabel[label] = append(byLabel[label], g)
		}
	}
	f.foldMultiLabel(several, k, out)
	total, ofLabel := make([]int, k), make([][]int, len(f.Labels))
	for label := range ofLabel {
		ofLabel[label] = make([]int, k)
	}
	for label, groups := range byLabel {
		sortGroups(groups)
		slices.SortStableFunc(groups, func(a, b *group) int { return cmp.Compare(len(b.items), len(a.items)) })
		for _, g := range groups {
			best := 0
			for fold := 1; fold < k; fold++ {
				if c := cmp.Compare(ofLabel[label][fold], ofLabel[label][best]); c < 0 || c == 0 && total[fold] < total[best] {
					best = fold
				}
			}
			for _, i := range g.items {
				out[i] = best
				ofLabel[f.Items[i].Label][best]++
			}
			total[best] += len(g.items)
		}
	}
	return out, nil
}
