// Package pictures finds those that people name: pictures, folders, archives and manifests.
package pictures

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/source"
)

// Row is a picture to read.
type Row struct {
	source.File
	Labels []string      // none where nothing says one
	Part   dataset.Split // where Given
	Given  bool          // the picture's part is given, not to be dealt
}

// Cell is what a table says of the labels: all of them, parted by "|".
func (r Row) Cell() string { return strings.Join(r.Labels, "|") }

// Found is what an argument stands for.
type Found struct {
	Rows       []Row
	Left       []source.Problem // files that are no pictures
	MultiLabel bool             // a picture may have several labels
}

// manifests are the endings of files that list pictures.
var manifests = [...]string{".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".lst", ".txt", ".manifest"}

// In expands what lies in a store: a folder or an archive to the pictures below it, in the order in which
// they are read fastest, with their labels if it is one of label folders; a manifest to those that it
// names; anything else is a picture. open reads label folders and manifests in the same store: a bucket is
// listed once then.
func In(store source.Store, root string,
	open func(store source.Store, root string) (*dataset.Folder, error)) (*Found, error) {
	info, err := store.Stat(root)
	if err != nil {
		return nil, err
	}
	list := slices.Contains(manifests[:], strings.ToLower(filepath.Ext(root)))
	if !info.IsDir() && !list {
		return &Found{Rows: []Row{{File: source.File{Path: root, Store: store}}}}, nil
	}
	folder, err := open(store, root)
	if err != nil && list {
		return nil, err
	}
	if list {
		out := &Found{Left: folder.Problems, MultiLabel: folder.MultiLabel}
		for i := range folder.Items {
			out.Rows = append(out.Rows, row(folder, i))
		}
		return out, nil
	}
	out, labelled := &Found{}, map[string]Row{}
	if err == nil { // else the folder has none
		out.MultiLabel = folder.MultiLabel
		for i, it := range folder.Items {
			labelled[it.Path] = row(folder, i)
		}
	}
	files, left, err := source.ListStore(store, root)
	if err != nil {
		return nil, err
	}
	out.Left = left
	for _, i := range source.Order(files, func(f source.File) source.File { return f }) {
		r := labelled[files[i].Path]
		r.File = files[i]
		out.Rows = append(out.Rows, r)
	}
	return out, nil
}

// row is item i of a folder.
func row(f *dataset.Folder, i int) Row {
	it := f.Items[i]
	r := Row{File: it.File(), Part: it.Split, Given: it.Fixed}
	for _, l := range f.Set(i) {
		r.Labels = append(r.Labels, f.Labels[l])
	}
	return r
}
