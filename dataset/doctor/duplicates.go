package doctor

import (
	"crypto/sha256"
	"slices"

	"github.com/c236555e/rehead/internal/unionfind"
)

// findSame groups the pictures whose files have equal bytes, unreadable ones too.
func (c *Checkup) findSame() {
	bySum := make(map[[sha256.Size]byte][]int, len(c.pictures))
	for i := range c.pictures {
		if p := &c.pictures[i]; p.sum != [sha256.Size]byte{} {
			bySum[p.sum] = append(bySum[p.sum], i)
		}
	}
	for _, items := range bySum {
		if len(items) > 1 {
			c.same = append(c.same, items)
		}
	}
	slices.SortFunc(c.same, func(a, b []int) int { return a[0] - b[0] })
	c.Duplicates, c.repeats = []Duplicates{}, make([]bool, len(c.pictures))
	for _, items := range c.same {
		c.Duplicates = append(c.Duplicates, c.duplicatesOf(items))
		for _, i := range items[1:] {
			c.repeats[i] = true
		}
	}
}

// duplicates turns pairs into groups.
func (c *Checkup) duplicates(pairs []pair) []Duplicates {
	f := unionfind.New(len(c.pictures))
	for _, p := range pairs {
		f.Union(p.i, p.j)
	}
	members, listed := map[int][]int{}, make([]bool, len(c.pictures))
	for _, p := range pairs {
		for _, i := range [2]int{p.i, p.j} {
			if r := f.Find(i); !listed[i] {
				listed[i] = true
				members[r] = append(members[r], i)
			}
		}
	}
	roots := make([]int, 0, len(members))
	for r := range members {
		roots = append(roots, r)
	}
	slices.Sort(roots)
	out := make([]Duplicates, 0, len(roots))
	at := map[int]int{}
	for n, r := range roots {
		slices.Sort(members[r])
		at[r] = n
		out = append(out, c.duplicatesOf(members[r]))
	}
	for _, p := range pairs {
		t := &out[at[f.Find(p.i)]]
		t.Distance = max(t.Distance, p.distance)
		t.Mirrored = t.Mirrored || p.mirrored
	}
	return out
}

func (c *Checkup) duplicatesOf(items []int) Duplicates {
	t := Duplicates{items: items}
	for _, i := range items {
		it := c.folder.Items[i]
		t.Images = append(t.Images, it.Rel)
		t.Labels = append(t.Labels, c.folder.LabelText(i))
	}
	slices.Sort(t.Labels)
	t.Labels = slices.Compact(t.Labels)
	return t
}
