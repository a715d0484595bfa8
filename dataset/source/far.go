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
