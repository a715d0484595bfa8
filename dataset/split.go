package dataset

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Split says which part of the data a picture belongs to.
type Split uint8

// The three parts: to fit the head on, to choose settings on, and to measure on once.
const (
	Train Split = iota
	Validation
	Test
)

// String answers "train", "validation" or "test".
func (s Split) String() string {
	switch s {
	case Train:
		return "train"
	case Validation:
		return "validation"
	case Test:
		return "test"
	}
	return fmt.Sprintf("split(%d)", uint8(s))
}

// SplitConfig says how a Folder is split. It is stored in the model. The zero value works.
type SplitConfig struct {
	Validation float64 `json:"validation"`       // fraction of the pictures; 0 means 0.1, negative means none
	Test       float64 `json:"test"`             // fraction of the pictures; 0 means 0.1, negative means none
	Salt       string  `json:"salt,omitempty"`   // another salt gives another split
	Legacy     bool    `json:"legacy,omitempty"` // split exactly as TensorFlow's retrain.py does; Salt is not used
}

// fractions resolves the zero and negative values.
func (c SplitConfig) fractions() (validation, test float64) {
	resolve := func(f float64) float64 {
		switch {
		case f == 0:
			return 0.1
		case f < 0:
			return 0
		}
		return f
	}
	return resolve(c.Validation), resolve(c.Test)
}

// Validate names the first field that is wrong.
func (c SplitConfig) Validate() error {
	v, t := c.fractions()
	if !(v < 1) {
		return fmt.Errorf("dataset: split: validation: got %v, want a fraction below 1", c.Validation)
	}
	if !(t < 1) {
		return fmt.Errorf("dataset: split: test: got %v, want a fraction below 1", c.Test)
	}
	if v+t >= 1 {
		return fmt.Errorf("dataset: split: validation and test: got %v + %v, want less than 1 together, or nothing is left to train on", v, t)
	}
	return nil
}

// Split sets every item's Split.
//
// A picture's place is a hash of its path below the label's folder and the salt: u = sha256(salt, 0, path) as a fraction in 0..1, below
// Validation into validation, below Validation+Test into test, else into train. So moving or renaming the root or a label changes
// nothing, and adding pictures moves no other, but for the floors below. What follows "_nohash_" in the path is left out of the hash, so that
// pictures that belong together can be kept together: "a_nohash_1.jpg" and "a_nohash_2.jpg" are one group.
//
// Floors: a label of at least three groups has at least one in every split that is wanted; the groups with u nearest to the boundary
// move. A label of two groups has one in train and one in test (in validation where no test is wanted); a single group goes into train.
//
// With cfg.Legacy the answer is exactly that of retrain.py for the same image_dir, without floors, and another one once the folder has
// moved: int(sha1(path), 16) % 2^27 * 100/(2^27-1), of the whole path as it was given, held against the percentages.
func (f *Folder) Split(cfg SplitConfig) error { return f.split(cfg, nil) }

// SplitUnique is Split for when the SHA-256 of every item's bytes is known, in the order of Items: equal pictures of one label are one
// group, and equal pictures of several labels, which no head can tell apart, go into train with their groups. With cfg.Legacy the sums are not used.
func (f *Folder) SplitUnique(cfg SplitConfig, sums [][sha256.Size]byte) error {
	if len(sums) != len(f.Items) {
		return fmt.Errorf("dataset: split: got %d digests, want one for each of %d items", len(sums), len(f.Items))
	}
	return f.split(cfg, sums)
}

func (f *Folder) split(cfg SplitConfig, sums [][sha256.Size]byte) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	validation, test := cfg.fractions()
	if cfg.Legacy {
		for i := range f.Items {
			f.Items[i].Split = legacySplit(f.Items[i].Path, validation, test)
		}
		return nil
	}
	byLabel := make([][]*group, len(f.Labels))
	for _, g := range f.groups(cfg.Salt, sums) {
		if g.mixed {
			g.assign(f, Train)
			continue
		}
		label := f.Items[g.items[0]].Label
		if label < 0 || label >= len(f.Labels) {
			return fmt.Errorf("dataset: split: item %q has label %d, want 0..%d", f.Items[g.items[0]].Rel, label, len(f.Labels)-1)
		}
		byLabel[label] = append(byLabel[label], g)
	}
	for _, groups := range byLabel {
		slices.SortFunc(groups, func(a, b *group) int {
			if c := cmp.Compare(a.u, b.u); c != 0 {
				return c
			}
			return strings.Compare(a.key, b.key)
		})
		nv, nt := shares(groups, validation, test)
		for i, g := range groups {
			switch {
			case i < nv:
				g.assign(f, Validation)
			case i < nv+nt:
				g.assign(f, Test)
			default:
				g.assign(f, Train)
			}
		}
	}
	return nil
}

// shares says how many of a label's groups, sorted by u, go into validation and into test.
func shares(groups []*group, validation, test float64) (nv, nt int) {
	for _, g := range groups {
		if g.u < validation {
			nv++
		} else if g.u < validation+test {
			nt++
		}
	}
	switch n := len(groups); {
	case n == 0:
		return 0, 0
	case n == 1:
		return 0, 0
	case n == 2 && test > 0:
		return 0, 1
	case n == 2 && validation > 0:
		return 1, 0
	default:
		if validation > 0 {
			nv = max(nv, 1)
		}
		if test > 0 {
			nt = max(nt, 1)
		}
		for nv+nt >= n {
			if nv >= nt {
				nv--
			} else {
				nt--
			}
		}
		return nv, nt
	}
}

// group is a set of items that stay together.
type group struct {
	key   string  // of its first item
	u     float64 // 0..1, from that key
	items []int
	mixed bool // it spans labels
}

func (g *group) assign(f *Folder, s Split) {
	for _, i := range g.items {
		f.Items[i].Split = s
	}
}

// groups puts together items of one label and key, and items of equal bytes.
func (f *Folder) groups(salt string, sums [][sha256.Size]byte) []*group {
	parent := make([]int, len(f.Items))
	for i := range parent {
		parent[i] = i
	}
	find := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	union := func(i, j int) { // the smaller index leads
		i, j = find(i), find(j)
		parent[max(i, j)] = min(i, j)
	}
	type labelKey struct {
		label int
		key   string
	}
	byKey := make(map[labelKey]int, len(f.Items))
	keys := make([]string, len(f.Items))
	for i, it := range f.Items {
		keys[i] = hashKey(it.Rel)
		k := labelKey{it.Label, keys[i]}
		if first, met := byKey[k]; met {
			union(first, i)
		} else {
			byKey[k] = i
		}
	}
	bySum := make(map[[sha256.Size]byte]int, len(sums))
	for i, sum := range sums {
		if first, met := bySum[sum]; met {
			union(first, i)
		} else {
			bySum[sum] = i
		}
	}
	var out []*group
	byRoot := make(map[int]*group)
	for i, it := range f.Items {
		r := find(i)
		g := byRoot[r]
		if g == nil {
			g = &group{key: keys[i], u: place(salt, keys[i])}
			byRoot[r] = g
			out = append(out, g)
		}
		g.mixed = g.mixed || it.Label != f.Items[r].Label
		g.items = append(g.items, i)
	}
	return out
}

const noHash = "_nohash_"

// hashKey is the path below the label's folder, up to "_nohash_".
func hashKey(rel string) string {
	_, below, _ := strings.Cut(rel, "/")
	key, _, _ := strings.Cut(below, noHash)
	return key
}

// place hashes a key to 0..1.
func place(salt, key string) float64 {
	sum := sha256.Sum256([]byte(salt + "\x00" + key))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// legacySplit is which_set of TensorFlow's examples/image_retraining/retrain.py.
func legacySplit(path string, validation, test float64) Split {
	const most = 1<<27 - 1 // MAX_NUM_IMAGES_PER_CLASS
	key := []byte(path)
	if i := bytes.Index(key, []byte(noHash)); i >= 0 {
		// re.sub('_nohash_.*$', '', path): '.' stops at a line's end, '$' stands at the end or before a last newline.
		rest := key[i:]
		if bytes.IndexByte(rest, '\n') < 0 {
			key = key[:i]
		} else if bytes.IndexByte(rest, '\n') == len(rest)-1 {
			key = append(key[:i:i], '\n')
		}
	}
	sum := sha1.Sum(key)
	low := binary.BigEndian.Uint32(sum[sha1.Size-4:]) & most
	hundred := float64(most)
	percentage := float64(low) * (100 / hundred)
	percent := func(fraction float64) float64 { return math.Round(fraction*1e11) / 1e9 } // retrain.py's are whole numbers
	switch v, t := percent(validation), percent(test); {
	case percentage < v:
		return Validation
	case percentage < t+v:
		return Test
	}
	return Train
}

// Counts returns how many items of each label are in each split: counts[label][split].
func (f *Folder) Counts() [][3]int {
	counts := make([][3]int, len(f.Labels))
	for _, it := range f.Items {
		if it.Label >= 0 && it.Label < len(counts) && it.Split <= Test {
			counts[it.Label][it.Split]++
		}
	}
	return counts
}
