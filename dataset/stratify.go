package dataset

import "slices"

// stratify deals groups to parts so that each label is spread as evenly as pictures of several
// labels allow: iterative stratification (Sechidis, Tsoumakas, Vlahavas: "On the Stratification of
// Multi-Label Data", 2011). Of the labels that are left the one with the fewest groups is dealt out
// first, each of its groups to the part that wants this label most, of equals to the one that wants
// most pictures, of equals to the first. wants[part][label] and total[part] are in pictures, and go
// down as parts are served.
func (f *Folder) stratify(groups []*group, wants [][]float64, total []float64) []int {
	labels := make([][]int, len(groups)) // of each group, with repeats: a count a picture
	left := make([]int, len(f.Labels))   // groups not dealt yet
	has := make([][]int, len(f.Labels))
	for g, group := range groups {
		for _, i := range group.items {
			labels[g] = append(labels[g], f.Set(i)...)
		}
		for _, l := range distinct(labels[g]) {
			left[l]++
			has[l] = append(has[l], g)
		}
	}
	part := make([]int, len(groups))
	for g := range part {
		part[g] = -1
	}
	give := func(g, to int) {
		part[g] = to
		for _, l := range labels[g] {
			wants[to][l]--
		}
		for _, l := range distinct(labels[g]) {
			left[l]--
		}
		total[to] -= float64(len(groups[g].items))
	}
	for {
		rarest := -1
		for l, n := range left {
			if n > 0 && (rarest < 0 || n < left[rarest]) {
				rarest = l
			}
		}
		if rarest < 0 {
			break
		}
		for _, g := range has[rarest] {
			if part[g] < 0 {
				give(g, most(total, func(p int) float64 { return wants[p][rarest] }))
			}
		}
	}
	for g := range groups { // pictures of none of the labels
		if part[g] < 0 {
			give(g, most(total, func(p int) float64 { return total[p] }))
		}
	}
	return part
}

// most returns the part of the largest want, of equals that of the largest total, of equals the
// first.
func most(total []float64, want func(part int) float64) int {
	best := 0
	for p := range total {
		if w, b := want(p), want(best); w > b || w == b && total[p] > total[best] {
			best = p
		}
	}
	return best
}

// distinct returns the values, ascending, each once.
func distinct(values []int) []int {
	out := slices.Clone(values)
	slices.Sort(out)
	return slices.Compact(out)
}

// splitMultiLabel splits groups of pictures of several labels. A label of at least three groups is
// wanted in every part at least once.
func (f *Folder) splitMultiLabel(groups []*group, validation, test float64) {
	sortGroups(groups)
	share := [3]float64{Train: 1 - validation - test, Validation: validation, Test: test}
	pictures, count, parts := make([]float64, len(f.Labels)), make([]int, len(f.Labels)), make([]float64, 3)
	for _, g := range groups {
		for _, i := range g.items {
			for _, l := range f.Set(i) {
				pictures[l]++
			}
			for p := range parts {
				parts[p] += share[p]
			}
		}
		for _, l := range f.labelsOf(g) {
			count[l]++
		}
	}
	wants := make([][]float64, 3)
	for p := range wants {
		wants[p] = make([]float64, len(f.Labels))
		for l := range wants[p] {
			if wants[p][l] = share[p] * pictures[l]; share[p] > 0 && count[l] >= 3 {
				wants[p][l] = max(wants[p][l], 1)
			}
		}
	}
	dealt := f.stratify(groups, wants, parts)
	have := f.dealt(groups, dealt)
	for p := range wants {
		for l := range f.Labels {
			if share[p] > 0 && count[l] >= 3 && have[p][l] == 0 {
				f.lend(groups, dealt, have, p, l)
				have = f.dealt(groups, dealt)
			}
		}
	}
	for g, p := range dealt {
		groups[g].assign(f, Split(p))
	}
}

// lend moves a group of the label into a part that has none, from another part that keeps some of
// each of the group's labels: rare labels that come together are dealt out for one of them alone.
func (f *Folder) lend(groups []*group, dealt []int, have [3][]int, part, label int) {
	for g := range groups {
		labels := f.labelsOf(groups[g])
		if slices.Contains(labels, label) && !slices.ContainsFunc(labels, func(l int) bool { return have[dealt[g]][l] < 2 }) {
			dealt[g] = part
			return
		}
	}
}

// dealt counts the groups of each label in each part.
func (f *Folder) dealt(groups []*group, parts []int) (have [3][]int) {
	for p := range have {
		have[p] = make([]int, len(f.Labels))
	}
	for g, p := range parts {
		for _, l := range f.labelsOf(groups[g]) {
			have[p][l]++
		}
	}
	return have
}

// labelsOf returns the labels of a group's pictures, each once.
func (f *Folder) labelsOf(g *group) []int {
	var labels []int
	for _, i := range g.items {
		labels = append(labels, f.Set(i)...)
	}
	return distinct(labels)
}

// foldMultiLabel deals groups of pictures of several labels into k folds, as many pictures of each
// label to each.
func (f *Folder) foldMultiLabel(groups []*group, k int, out []int) {
	sortGroups(groups)
	wants, total := make([][]float64, k), make([]float64, k)
	for fold := range wants {
		wants[fold] = make([]float64, len(f.Labels))
		for _, g := range groups {
			for _, i := range g.items {
				for _, l := range f.Set(i) {
					wants[fold][l] += 1 / float64(k)
				}
			}
			total[fold] += float64(len(g.items)) / float64(k)
		}
	}
	for g, fold := range f.stratify(groups, wants, total) {
		for _, i := range groups[g].items {
			out[i] = fold
		}
	}
}
