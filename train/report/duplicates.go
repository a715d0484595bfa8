package report

import (
	"crypto/sha256"
	"slices"

	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/train/metrics"
)

// Bounds on the groups of pictures that are shown.
const (
	mostDuplicates = 12
	mostCopies     = 6 // listed of one group
	mostAlike      = 4 // shown of one group
)

// groupsView is groups of pictures that are the same, or nearly so, those of several labels first.
type groupsView struct {
	Groups    int
	Pictures  int // in all of them
	Conflicts int // groups of more than one label
	Crossing  int // groups in more than one part
	List      []group
}

// group is pictures that belong together.
type group struct {
	Shown    []pictureView
	Copies   []pictureView // all that are listed, without thumbnails
	More     int           // that are not
	Conflict bool
	Mirrored bool
}

// add takes up a group by the places of its pictures; of nearly equal pictures several are shown.
func (v *groupsView) add(in *Input, places []int, shown int, mirrored bool) {
	g := group{Mirrored: mirrored}
	first, crossing := places[0], false
	for n, i := range places {
		g.Conflict = g.Conflict || in.Pictures[i].Label != in.Pictures[first].Label
		crossing = crossing || in.Items[i].Split != in.Items[first].Split
		if n < shown {
			g.Shown = append(g.Shown, in.view(i))
		}
		if n < mostCopies {
			g.Copies = append(g.Copies, in.view(i))
		}
	}
	g.More = len(places) - len(g.Copies)
	v.Groups++
	v.Pictures += len(places)
	if g.Conflict {
		v.Conflicts++
	}
	if crossing {
		v.Crossing++
	}
	v.List = append(v.List, g)
}

// cut puts groups of several labels first and leaves the first few.
func (v *groupsView) cut() {
	slices.SortStableFunc(v.List, func(a, b group) int {
		switch {
		case a.Conflict == b.Conflict:
			return 0
		case a.Conflict:
			return -1
		}
		return 1
	})
	v.List = v.List[:min(len(v.List), mostDuplicates)]
}

// duplicates groups pictures that are equal byte for byte.
func (in *Input) duplicates() groupsView {
	groups := make(map[[sha256.Size]byte][]int, len(in.Sums))
	for i, s := range in.Sums {
		groups[s] = append(groups[s], i)
	}
	var v groupsView
	for i, s := range in.Sums { // in order
		if g := groups[s]; len(g) > 1 && g[0] == i {
			v.add(in, g, 1, false)
		}
	}
	v.cut()
	return v
}

// nearDuplicates shows the pictures that look nearly the same.
func (in *Input) nearDuplicates() groupsView {
	place := in.places()
	var v groupsView
	for _, d := range in.Near {
		if g := present(d, place); len(g) > 1 {
			v.add(in, g, mostAlike, d.Mirrored)
		}
	}
	v.cut()
	return v
}

// present are the places of a group's pictures that have a bottleneck.
func present(d doctor.Duplicates, place map[string]int) (list []int) {
	for _, rel := range d.Images {
		if i, ok := place[rel]; ok {
			list = append(list, i)
		}
	}
	return list
}

// places finds pictures by their path.
func (in *Input) places() map[string]int {
	place := make(map[string]int, len(in.Pictures))
	for i, p := range in.Pictures {
		place[p.Rel] = i
	}
	return place
}

// view is picture i without its thumbnail, and without the place that it lies at.
func (in *Input) view(i int) pictureView {
	p := in.Pictures[i]
	return pictureView{Picture: metrics.Picture{Rel: p.Rel, Part: p.Part, Label: p.Label, Predicted: p.Predicted,
		Probability: p.Probability, OfLabel: p.OfLabel, Labels: p.Labels, Answered: p.Answered}, index: i}
}
