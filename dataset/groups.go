package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/c236555e/rehead/internal/unionfind"
)

// Same says which items show the same thing, beside what Item.Group says. The zero value says
// nothing.
type Same struct {
	Sums [][sha256.Size]byte // of every item's bytes, in the order of Items; nil when not known
	Near [][]int             // groups of items, by their index, that are nearly the same picture
}

func (s Same) check(items int) error {
	if s.Sums != nil && len(s.Sums) != items {
		return fmt.Errorf("dataset: split: got %d digests, want one for each of %d items", len(s.Sums), items)
	}
	for _, group := range s.Near {
		for _, i := range group {
			if i < 0 || i >= items {
				return fmt.Errorf("dataset: split: a group has item %d, want 0..%d", i, items-1)
			}
		}
	}
	return nil
}

// group is a set of items that stay together.
type group struct {
	key   string  // of its first item
	u     float64 // 0..1, from that key
	items []int
	mixed bool // it spans labels
	named bool // by Item.Group
	fixed bool // it goes to split, since some item of it lies there
	split Split
}

func (g *group) assign(f *Folder, s Split) {
	for _, i := range g.items {
		f.Items[i].Split = s
	}
}

// groups deals the items to groups that no split parts. With labelled, a group's place depends on
// its label too, so that files of one numbering do not fall alike in every label.
func (f *Folder) groups(salt string, same Same, labelled bool) ([]*group, error) {
	together, keys, err := f.together(same)
	if err != nil {
		return nil, err
	}
	var out []*group
	byRoot := make(map[int]*group)
	for i, it := range f.Items {
		r := together.Find(i)
		g := byRoot[r]
		if g == nil {
			g = &group{key: keys[i]}
			if labelled {
				g.key = f.Labels[it.Label] + "\x00" + keys[i]
			}
			g.u = place(salt, g.key)
			byRoot[r] = g
			out = append(out, g)
		}
		if it.Group != "" && !g.named {
			g.named, g.key = true, it.Group
			g.u = place(salt, "group\x00"+it.Group)
		}
		if it.Fixed {
			g.fixed, g.split = true, max(g.split, it.Split)
		}
		g.mixed = g.mixed || it.Label != f.Items[r].Label
		g.items = append(g.items, i)
	}
	return out, nil
}

// together joins items of one label and key, of one Group, and those that are the same, and returns
// the items' keys.
func (f *Folder) together(same Same) (joined unionfind.Groups, keys []string, err error) {
	joined, keys = unionfind.New(len(f.Items)), make([]string, len(f.Items))
	type labelKey struct {
		label int
		key   string
		fixed bool
		split Split
	}
	byKey, byName := make(map[labelKey]int, len(f.Items)), make(map[string]int)
	for i, it := range f.Items {
		if it.Label < 0 || it.Label >= len(f.Labels) {
			return nil, nil, fmt.Errorf("dataset: split: item %q has label %d, want 0..%d", it.Rel, it.Label, len(f.Labels)-1)
		}
		keys[i] = it.hashKey()
		k := labelKey{label: it.Label, key: keys[i], fixed: it.Fixed}
		if it.Fixed {
			k.split = it.Split
		}
		if first, met := byKey[k]; met {
			joined.Union(first, i)
		} else {
			byKey[k] = i
		}
		if it.Group == "" {
			continue
		}
		if first, met := byName[it.Group]; !met {
			byName[it.Group] = i
		} else if other := f.Items[first]; it.Fixed && other.Fixed && it.Split != other.Split {
			return nil, nil, fmt.Errorf("dataset: split: group %q is in %v (%s) and in %v (%s): give all of it one split",
				it.Group,
				other.Split, other.Rel, it.Split, it.Rel)
		} else {
			joined.Union(first, i)
			if it.Fixed { // so that a later one is held against a fixed one
				byName[it.Group] = i
			}
		}
	}
	bySum := make(map[[sha256.Size]byte]int, len(same.Sums))
	for i, sum := range same.Sums {
		if first, met := bySum[sum]; met {
			joined.Union(first, i)
		} else {
			bySum[sum] = i
		}
	}
	for _, near := range same.Near {
		for _, i := range near[min(1, len(near)):] {
			joined.Union(near[0], i)
		}
	}
	return joined, keys, nil
}

const noHash = "_nohash_"

// hashKey is the path below the label's folder, up to "_nohash_".
func (it *Item) hashKey() string {
	key := it.Key
	if key == "" {
		var below bool
		if _, key, below = strings.Cut(it.Rel, "/"); !below {
			key = it.Rel
		}
	}
	key, _, _ = strings.Cut(key, noHash)
	return key
}

// place hashes a key to 0..1.
func place(salt, key string) float64 {
	sum := sha256.Sum256([]byte(salt + "\x00" + key))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}
