package dataset

import (
	"slices"
	"strings"
)

// Set returns the labels of item i, ascending: its one, or where MultiLabel all it has, which may
// be none; there is none of an item that there is not. The slice is only to be read.
func (f *Folder) Set(i int) []int {
	if i < 0 || i >= len(f.Items) {
		return nil
	}
	it := &f.Items[i]
	if f.MultiLabel {
		return it.Labels
	}
	return []int{it.Label}
}

// LabelText is what people call the labels of item i: "daisy", or where MultiLabel
// "beach + sunset", or "none of the labels".
func (f *Folder) LabelText(i int) string {
	set := f.Set(i)
	if len(set) == 0 {
		return "none of the labels"
	}
	names := make([]string, len(set))
	for n, l := range set {
		if l < 0 || l >= len(f.Labels) {
			return "none of the labels"
		}
		names[n] = f.Labels[l]
	}
	return strings.Join(names, " + ")
}

// AsMultiLabel returns a copy whose pictures have a set of labels each, that of their one label; a
// folder that is so already is returned as it is.
func (f *Folder) AsMultiLabel() *Folder {
	if f.MultiLabel {
		return f
	}
	out := *f
	out.MultiLabel, out.Items = true, slices.Clone(f.Items)
	for i := range out.Items {
		out.Items[i].Labels = []int{out.Items[i].Label}
	}
	return &out
}

// relabel gives every item the labels that place says, -1 for one that it loses, and keeps Label
// the first of Labels.
func (it *Item) relabel(place []int, several bool) {
	if !several {
		it.Label = place[it.Label]
		return
	}
	set := make([]int, 0, len(it.Labels))
	for _, l := range it.Labels {
		if place[l] >= 0 {
			set = append(set, place[l])
		}
	}
	slices.Sort(set)
	it.Labels, it.Label = set, 0
	if len(set) > 0 {
		it.Label = set[0]
	}
}
