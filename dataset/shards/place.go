package shards

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/c236555e/rehead/dataset/source"
)

// Suffix is what the names of shards in a folder end in.
const Suffix = ".safetensors"

// File is a shard's content while it is read: by several goroutines, here and there.
type File interface {
	io.ReaderAt
	io.Closer
}

// Place is where a shard lies: on a disk, or in a bucket. Open is called each time that the shard is
// read, and the File is closed after it.
type Place struct {
	Name string // for messages
	Size int64  // bytes
	Open func() (File, error)
}

// Find lists the shards that paths name: files, and folders for the files in them whose names end in
// .safetensors, sorted by name. Addresses lead where source.Open has them lead.
func Find(paths ...string) (out []Place, err error) { return FindAt(nil, paths...) }

// FindAt is Find with what opens addresses.
func FindAt(a source.Addresses, paths ...string) (out []Place, err error) {
	for _, path := range paths {
		store, root, err := a.Open(path)
		if err != nil {
			return nil, fmt.Errorf("dataset: shards: %w", err)
		}
		info, err := store.Stat(root)
		if err != nil {
			return nil, fmt.Errorf("dataset: shards: %w", err)
		}
		if !info.IsDir() {
			out = append(out, place(store, root, info))
			continue
		}
		found, err := inFolder(store, root)
		if err != nil {
			return nil, fmt.Errorf("dataset: shards: %w", err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("dataset: shards: the folder %s has no %s file: rehead embed --shards writes them",
				path, Suffix)
		}
		out = append(out, found...)
	}
	return out, nil
}

// inFolder are the shards that lie directly in a folder.
func inFolder(store source.Store, root string) (out []Place, err error) {
	list, err := store.ReadDir(root)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, e := range list {
		if filepath.Ext(e.Name()) != Suffix {
			continue
		}
		name := (&source.Walker{Root: root}).At(e.Name())
		info, err := store.Stat(name)
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			out = append(out, place(store, name, info))
		}
	}
	return out, nil
}

// place is a file's place.
func place(store source.Store, path string, info fs.FileInfo) Place {
	return Place{Name: path, Size: info.Size(), Open: func() (File, error) {
		f, _, err := source.File{Store: store, Path: path}.OpenAt()
		return f, err
	}}
}

// open opens the shard and its content.
func (p Place) open() (s *Shard, f File, err error) {
	if p.Open == nil {
		return nil, nil, fmt.Errorf("dataset: shards: %s: got nothing that opens it", p.Name)
	}
	if f, err = p.Open(); err != nil {
		return nil, nil, fmt.Errorf("dataset: shards: %w", err)
	}
	if f == nil {
		return nil, nil, fmt.Errorf("dataset: shards: %s: what opens it gave no file", p.Name)
	}
	if s, err = Open(p.Name, f, p.Size); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return s, f, nil
}

// distinct says whether no place is there twice.
func distinct(places []Place) error {
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = p.Name
	}
	slices.Sort(names)
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			return fmt.Errorf("dataset: shards: %s is named twice: its rows would count twice", names[i])
		}
	}
	return nil
}
