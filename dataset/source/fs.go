package source

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"time"
)

// FS is the store of a file system of package io/fs, such as an embed.FS, a *zip.Reader or os.DirFS. Its
// root is ".".
func FS(fsys fs.FS) Store { return fileSystem{fsys} }

type fileSystem struct{ fs fs.FS }

// named is the path as package io/fs wants it.
func named(p string) string { return path.Clean(filepath.ToSlash(p)) }

var errNoFS = errors.New("there is no file system")

// ReadDir implements Store.
func (s fileSystem) ReadDir(path string) ([]fs.DirEntry, error) {
	if s.fs == nil {
		return nil, errNoFS
	}
	return fs.ReadDir(s.fs, named(path))
}

// Stat implements Store.
func (s fileSystem) Stat(path string) (fs.FileInfo, error) {
	if s.fs == nil {
		return nil, errNoFS
	}
	return fs.Stat(s.fs, named(path))
}

// Open implements Store.
func (s fileSystem) Open(path string) (io.ReadCloser, error) {
	if s.fs == nil {
		return nil, errNoFS
	}
	return s.fs.Open(named(path))
}

// Opener is the store of one picture that a program opens in its own way, from a database or an object
// store, say: whatever its File's Path is, open opens it. It may be called more than once and from
// several goroutines at a time.
func Opener(open func() (io.ReadCloser, error)) Store { return &opener{open} }

type opener struct{ open func() (io.ReadCloser, error) }

// ReadDir implements Store.
func (*opener) ReadDir(path string) ([]fs.DirEntry, error) {
	return nil, &fs.PathError{Op: "readdir", Path: path, Err: errors.New("is a picture, not a folder")}
}

// Stat implements Store: how large the picture is shows when it is read.
func (o *opener) Stat(path string) (fs.FileInfo, error) {
	if o.open == nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: errors.New("has nothing that opens it")}
	}
	return single(path), nil
}

// Open implements Store.
func (o *opener) Open(path string) (io.ReadCloser, error) {
	if o.open == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("has nothing that opens it")}
	}
	r, err := o.open()
	if err == nil && r == nil {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("was opened as nothing")}
	}
	return r, err
}

// single is what is known of a file whose length is not.
type single string

func (s single) Name() string     { return path.Base(string(s)) }
func (single) Size() int64        { return 0 }
func (single) Mode() fs.FileMode  { return 0o444 }
func (single) ModTime() time.Time { return time.Time{} }
func (single) IsDir() bool        { return false }
func (single) Sys() any           { return nil }
