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
	Label string // or all of them, parted by "|"; "" where nothing says one
}

// manifests are the endings of files that list pictures.
var manifests = [...]string{".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".lst", ".txt", ".manifest"}

// Find expands an argument: a folder or an archive to the pictures below it, in the order in which they
// are read fastest, with their labels if it is one of label folders; a manifest to those that it names;
// anything else is a picture. Files that are no pictures are returned as problems. open reads label
// folders and manifests.
func Find(arg string, open func(path string) (*dataset.Folder, error)) (rows []Row, left []source.Problem,
	err error) {
	store, root, err := source.Open(arg)
	if err != nil {
		return nil, nil, err
	}
	info, err := store.Stat(root)
	if err != nil {
		return nil, nil, err
	}
	list := slices.Contains(manifests[:], strings.ToLower(filepath.Ext(root)))
	if !info.IsDir() && !list {
		return []Row{{File: source.File{Path: root, Store: store}}}, nil, nil
	}
	folder, err := open(arg)
	if err != nil && list {
		return nil, nil, err
	}
	if list {
		for i, it := range folder.Items {
			rows = append(rows, Row{it.File(), label(folder, i)})
		}
		return rows, folder.Problems, nil
	}
	labels := map[string]string{}
	if err == nil { // else the folder has none
		for i, it := range folder.Items {
			labels[it.Path] = label(folder, i)
		}
	}
	files, left, err := source.List(arg)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range source.Order(files, func(f source.File) source.File { return f }) {
		rows = append(rows, Row{files[i], labels[files[i].Path]})
	}
	return rows, left, nil
}

// label is what a picture's cell says.
func label(f *dataset.Folder, i int) string {
	var names []string
	for _, l := range f.Set(i) {
		names = append(names, f.Labels[l])
	}
	return strings.Join(names, "|")
}
