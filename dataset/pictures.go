package dataset

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset/source"
)

// Picture is one of a list that a program has, wherever its bytes are.
type Picture struct {
	Name   string   // what people call it, another for each, such as a path or a key
	Label  string   // "" where Labels are given
	Labels []string // any number of labels, none being an answer too: of all pictures of a list or of none
	// opens the picture; called more than once, and from several goroutines at a time
	Open   func() (io.ReadCloser, error)
	Part   *Split  // optional: the part that it belongs to; nil leaves that to Folder.Split
	Group  string  // optional: see Item.Group
	Weight float64 // optional: see Item.Weight
}

// FromPictures makes a Folder of a list of pictures, which is not kept. None is opened: those that cannot
// be read are found when they are. Labels are sorted by bytes; two pictures of one name, and fewer than
// two labels, are errors.
func FromPictures(pictures []Picture) (*Folder, error) {
	f := &Folder{Root: "pictures", Items: make([]Item, 0, len(pictures))}
	for i, p := range pictures {
		if p.Labels != nil {
			f.MultiLabel = true
		}
		if (p.Label == "") == (p.Labels == nil) || f.MultiLabel != (p.Labels != nil) {
			return nil, fmt.Errorf("dataset: picture %d, %q: got the label %q and the labels %q, want a Label of each picture, "+
				"or Labels of each", i, p.Name, p.Label, p.Labels)
		}
		if p.Name == "" || p.Open == nil {
			return nil, fmt.Errorf("dataset: picture %d, %q: want a Name, and an Open that opens it", i, p.Name)
		}
		if p.Part != nil && *p.Part > Test {
			return nil, fmt.Errorf("dataset: picture %q: got part %d, which there is not", p.Name, *p.Part)
		}
		f.Labels = append(append(f.Labels, p.Labels...), p.Label)
	}
	slices.Sort(f.Labels)
	f.Labels = slices.DeleteFunc(slices.Compact(f.Labels), func(l string) bool { return l == "" })
	if n := len(f.Labels); n < 2 {
		return nil, fmt.Errorf("dataset: pictures: %w: got %d of %d pictures, want at least 2", ErrFewLabels, n,
			len(pictures))
	}
	for _, p := range pictures {
		it := Item{Path: p.Name, Rel: p.Name, Key: p.Name, Store: source.Opener(p.Open), Group: p.Group, Weight: p.Weight}
		if p.Part != nil {
			it.Split, it.Fixed = *p.Part, true
		}
		set := []int{}
		for _, l := range append(slices.Clone(p.Labels), p.Label) {
			if at, ok := slices.BinarySearch(f.Labels, l); ok {
				set = append(set, at)
			}
		}
		slices.Sort(set)
		if set = slices.Compact(set); len(set) > 0 {
			it.Label = set[0]
		}
		if f.MultiLabel {
			it.Labels = set
		}
		f.Items = append(f.Items, it)
	}
	slices.SortFunc(f.Items, func(a, b Item) int { return strings.Compare(a.Rel, b.Rel) })
	for i := range f.Items[1:] {
		if name := f.Items[i].Rel; name == f.Items[i+1].Rel {
			return nil, fmt.Errorf("dataset: two pictures are called %q, want a name for each", name)
		}
	}
	return f, nil
}

// ScanStore is Scan of a folder in a store, such as source.FS of an embed.FS, whose root is ".".
func ScanStore(store source.Store, root string, cfg ScanConfig) (*Folder, error) {
	if store == nil {
		return nil, errors.New("dataset: scan: got no store")
	}
	return scan(store, root, cfg)
}

// OpenStore is Open of a folder or manifest in a store. cfg.Root, where there is one, is a path on disk.
func OpenStore(store source.Store, path string, cfg ManifestConfig) (*Folder, error) {
	if store == nil {
		return nil, errors.New("dataset: open: got no store")
	}
	return openStore(store, path, cfg)
}
