package source

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A Far store is one whose files take a while to come, such as a bucket's. What it knows of them
// without fetching them saves that.
type Far interface {
	Store
	// ReadFile reads a file of at most limit bytes whole; a larger one is a *picture.TooLargeError.
	ReadFile(path string, limit int64) ([]byte, error)
	// OpenRange opens n bytes of a file from off on.
	OpenRange(path string, off, n int64) (io.ReadCloser, error)
	// Digest is the SHA-256 of a file, where it was read whole before and is unchanged.
	Digest(path string) (sum [sha256.Size]byte, known bool)
	// AtOnce is how many files are best fetched at a time.
	AtOnce() int
}

// Digest is the SHA-256 of the file's bytes, where its store knows it without reading them.
func (f File) Digest() (sum [sha256.Size]byte, known bool) {
	if far, ok := f.Store.(Far); ok {
		return far.Digest(f.Path)
	}
	return sum, false
}

// OpenRange opens n bytes of the file from off on. Files on disk and in buckets have parts, those
// in archives have none.
func (f File) OpenRange(off, n int64) (io.ReadCloser, error) {
	if off < 0 || n < 0 || off+n < 0 {
		return nil, fmt.Errorf("dataset: read %q: got %d bytes from %d on, want none to be negative", f.Path, n, off)
	}
	switch s := f.store().(type) {
	case Far:
		return s.OpenRange(f.Path, off, n)
	case Disk:
		if err := refuseAddress(f.Path); err != nil {
			return nil, err
		}
		file, err := os.Open(f.Path)
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{io.NewSectionReader(file, off, n), file}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: f.Path, Err: errNoRange}
}

// A Part reads parts of a file, several goroutines at a time.
type Part interface {
	io.ReaderAt
	io.Closer
}

// OpenAt opens the file for reading parts of it, and says how long it is. See OpenRange for which
// files have parts.
func (f File) OpenAt() (p Part, size int64, err error) {
	info, err := f.store().Stat(f.Path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("dataset: read %q: got a %s, want a regular file", f.Path, Kind(info.Mode()))
	}
	switch f.store().(type) {
	case Far:
		return parts{f, info.Size()}, info.Size(), nil
	case Disk:
		file, err := os.Open(f.Path)
		if err != nil {
			return nil, 0, err
		}
		return file, info.Size(), nil
	}
	return nil, 0, &fs.PathError{Op: "open", Path: f.Path, Err: errNoRange}
}

// parts reads parts of a file in a Far store, a request each.
type parts struct {
	File
	size int64
}

// ReadAt implements io.ReaderAt.
func (p parts) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("dataset: read %q: got place %d, want 0 or more", p.Path, off)
	}
	want := min(int64(len(b)), max(p.size-off, 0))
	r, err := p.OpenRange(min(off, p.size), want)
	if err != nil {
		return 0, err
	}
	n, err = io.ReadFull(r, b[:want])
	if cerr := r.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

// Close implements io.Closer; nothing is held open.
func (parts) Close() error { return nil }
