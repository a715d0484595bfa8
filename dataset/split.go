package dataset

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/c236555e/rehead/internal/wrongfield"
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
	// by rule 1: every label's shares exact to a group, at the cost that new pictures may move
	// others
	Stratified bool `json:"stratified,omitempty"`
	// NearVersion where Same.Near was kept together in training; what SplitTogether does is up to
	// its Same
	Near int `json:"near,omitempty"`
	// how parts are dealt, 1..SplitRule or SumRule; 0 means SplitRule. A stored model without it was split by
	// rule 1
	Rule int `json:"rule,omitempty"`
}

// SplitRule is the newest SplitConfig.Rule: each label's groups fill quotas. By rule 1 the hash
// alone decided, whatever the shares became.
const SplitRule = 2

// SumRule is the SplitConfig.Rule by which the digest of a picture's bytes alone decides, whatever the
// shares become: see SplitConfig.OfSum. It needs to know of no other picture.
const SumRule = 3

// NearVersion numbers the rule by which nearly equal pictures are found: doctor's Refine. 1 was
// that of its FirstNear.
const NearVersion = 2

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
		return wrongfield.Errorf("dataset: split", "Validation", "got %v, want a fraction below 1", c.Validation)
	}
	if !(t < 1) {
		return wrongfield.Errorf("dataset: split", "Test", "got %v, want a fraction below 1", c.Test)
	}
	if v+t >= 1 {
		return wrongfield.Errorf("dataset: split", "Validation and Test", "got %v + %v, want less than 1 together, or "+
			"nothing is left to train on", v, t)
	}
	if c.Rule < 0 || c.Rule > SumRule {
		return fmt.Errorf("dataset: split: rule: got %d, want 0..%d: a newer version may know it", c.Rule, SumRule)
	}
	return nil
}

// Split sets every item's Split.
//
// Each label's groups fill quotas, Test and Validation of its pictures that were given no part, in
// the order of a hash: u = sha256(salt, 0, label, 0, path below the label's folder). Test takes the
// lowest u, Validation the highest, each as near to its quota as whole groups can come; a group too
// large for what is left of a quota is passed over. So moving or renaming the root changes nothing,
// a renamed label is dealt anew, and adding pictures moves only pictures of that label at a quota's
// edge. What follows "_nohash_" in the path is left out of the hash, so that pictures that belong
// together can be kept together: "a_nohash_1.jpg" and "a_nohash_2.jpg" are one group.
//
// Floors: a label of at least three groups has at least one in every split that is wanted, a small
// one before a large. A label of two groups has one in train and one in test (in validation where
// no test is wanted); a single group goes into train.
//
// Items of one Group stay together too, under any labels: such a group goes by the hash of its
// name, and counts as its first item's label's for the floors. Fixed items stay where they are, and
// take the rest of their group with them; a named group whose fixed items lie in different splits
// is an error.
//
// Rule 1, of earlier models, hashes the path without the label, and takes u as a fraction: below
// Validation into validation, below Validation+Test into test, else into train, with the same
// floors; so no picture moves when others come, and shares come out as chance has it. With
// cfg.Stratified that order fills validation, then test, up to the nearest whole number of
// pictures.
//
// Where pictures have several labels, parts are dealt by iterative stratification instead, in the
// order of u: each label's shares come as near to what is wanted as the pictures allow, a label of
// three groups or more is in every part where that can be, moving the root changes nothing, and new
// pictures may move others.
//
// With cfg.Legacy the answer is exactly that of retrain.py for the same image_dir, without floors,
// and another one once the folder has moved: int(sha1(path), 16) % 2^27 * 100/(2^27-1), of the
// whole path as it was given, held against the percentages.
func (f *Folder) Split(cfg SplitConfig) error { return f.SplitTogether(cfg, Same{}) }

// OfSum is the part of a picture by SumRule: u = sha256(salt, 0, the SHA-256 of its bytes) as a fraction,
// below Test test, above 1 - Validation validation, else train.
func (c SplitConfig) OfSum(sum [sha256.Size]byte) Split {
	validation, test := c.fractions()
	h := sha256.Sum256(append([]byte(c.Salt+"\x00"), sum[:]...))
	switch u := float64(binary.BigEndian.Uint64(h[:])>>11) / (1 << 53); {
	case u < test:
		return Test
	case u >= 1-validation:
		return Validation
	}
	return Train
}

// check asks that there is a folder, and that its items have labels of it.
func (f *Folder) check() error {
	if f == nil {
		return errors.New("dataset: split: got no folder")
	}
	for i := range f.Items {
		for _, l := range f.Set(i) {
			if l < 0 || l >= len(f.Labels) {
				return fmt.Errorf("dataset: split: item %q has label %d, want 0..%d", f.Items[i].Rel, l, len(f.Labels)-1)
			}
		}
		if s := f.Items[i].Split; s > Test {
			return fmt.Errorf("dataset: split: item %q is in part %d, which there is not", f.Items[i].Rel, s)
		}
	}
	return nil
}

// SplitUnique is SplitTogether for when only the SHA-256 of every item's bytes is known, in the
// order of Items.
func (f *Folder) SplitUnique(cfg SplitConfig, sums [][sha256.Size]byte) error {
	if f != nil && len(sums) != len(f.Items) {
		return fmt.Errorf("dataset: split: got %d digests, want one for each of %d items", len(sums), len(f.Items))
	}
	return f.SplitTogether(cfg, Same{Sums: sums})
}

// SplitTogether is Split, but what is the same stays together: the same pictures of one label are
// one group, and the same pictures of several labels, which no head can tell apart, go into train
// with their groups. Of the same pictures in different fixed splits all go into the one that is
// held out more (test, validation, train). With cfg.Legacy nothing is kept together.
func (f *Folder) SplitTogether(cfg SplitConfig, same Same) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	if err := same.check(len(f.Items)); err != nil {
		return err
	}
	validation, test := f.Wanted(cfg).fractions()
	if cfg.Legacy {
		for i := range f.Items {
			if it := &f.Items[i]; !it.Fixed {
				it.Split = legacySplit(it.Path, validation, test)
			}
		}
		return nil
	}
	if cfg.Rule == SumRule {
		if same.Sums == nil {
			return errors.New("dataset: split: rule 3 deals by the pictures' digests, got none of them")
		}
		for i := range f.Items {
			if it := &f.Items[i]; !it.Fixed {
				it.Split = cfg.OfSum(same.Sums[i])
			}
		}
		return nil
	}
	groups, err := f.groups(cfg.Salt, same, cfg.Rule != 1 && !f.MultiLabel)
	if err != nil {
		return err
	}
	byLabel, several := make([][]*group, len(f.Labels)), []*group(nil)
	for _, g := range groups {
		switch label := f.Items[g.items[0]].Label; {
		case g.fixed:
			g.assign(f, g.split)
		case f.MultiLabel:
			several = append(several, g)
		case g.mixed && !g.named:
			g.assign(f, Train)
		default:
			byLabel[label] = append(byLabel[label], g)
		}
	}
	f.splitMultiLabel(several, validation, test)
	for _, groups := range byLabel {
		sortGroups(groups)
		parts := quotas(groups, validation, test)
		if cfg.Rule == 1 {
			parts = firstRule(groups, validation, test, cfg.Stratified)
		}
		for i, g := range groups {
			g.assign(f, parts[i])
		}
	}
	return nil
}

func sortGroups(groups []*group) {
	slices.SortFunc(groups, func(a, b *group) int {
		if c := cmp.Compare(a.u, b.u); c != 0 {
			return c
		}
		return strings.Compare(a.key, b.key)
	})
}

// legacySplit is which_set of TensorFlow's examples/image_retraining/retrain.py.
func legacySplit(path string, validation, test float64) Split {
	const most = 1<<27 - 1 // MAX_NUM_IMAGES_PER_CLASS
	key := []byte(path)
	if i := bytes.Index(key, []byte(noHash)); i >= 0 {
		// re.sub('_nohash_.*$', '', path): '.' stops at a line's end, '$' stands at the end or
		// before a last newline.
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

// Counts returns how many items of each label are in each split: counts[label][split]. An item
// counts for each of its labels.
func (f *Folder) Counts() [][3]int {
	counts := make([][3]int, len(f.Labels))
	for i, it := range f.Items {
		if it.Label < 0 || it.Label >= len(counts) || it.Split > Test {
			continue
		}
		for _, l := range f.Set(i) {
			counts[l][it.Split]++
		}
	}
	return counts
}
