package dataset

import "slices"

// quotas deals a label's groups, sorted by u, to parts: see Folder.Split.
func quotas(groups []*group, validation, test float64) []Split {
	q := quota{groups, make([]Split, len(groups))}
	total := 0
	for _, g := range groups {
		total += len(g.items)
	}
	order := make([]int, len(groups))
	for i := range order {
		order[i] = i
	}
	if len(groups) > 2 {
		q.fill(Test, order, test*float64(total))
	}
	q.floor(Test, order, test)
	slices.Reverse(order)
	if len(groups) > 2 {
		q.fill(Validation, order, validation*float64(total))
	}
	if len(groups) > 2 || test == 0 {
		q.floor(Validation, order, validation)
	}
	return q.parts
}

// quota is groups and the part of each, Train to begin with.
type quota struct {
	groups []*group
	parts  []Split
}

// fill moves groups from Train in the order given, as long as each brings the part nearer to what
// is wanted, but never the last.
func (q quota) fill(part Split, order []int, wanted float64) {
	left := q.count(Train)
	for _, i := range order {
		// nearer to wanted with it than without
		if n := float64(len(q.groups[i].items)); q.parts[i] == Train && left > 1 && n < 2*wanted {
			q.parts[i] = part
			wanted -= n
			left--
		}
	}
}

// floor sees to it that a part that is wanted has a group, the smallest of Train and of equals the
// first in order, and Train too.
func (q quota) floor(part Split, order []int, share float64) {
	if share == 0 || len(q.groups) < 2 || q.count(part) > 0 {
		return
	}
	least := -1
	for _, i := range order {
		if q.parts[i] == Train && (least < 0 || len(q.groups[i].items) < len(q.groups[least].items)) {
			least = i
		}
	}
	q.parts[least] = part
	if q.count(Train) > 0 {
		return
	}
	for _, i := range slices.Backward(order) {
		if s := q.parts[i]; q.count(s) > 1 {
			q.parts[i] = Train
			return
		}
	}
}

func (q quota) count(part Split) (n int) {
	for _, p := range q.parts {
		if p == part {
			n++
		}
	}
	return n
}
