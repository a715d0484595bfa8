package inception

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/c236555e/rehead/inception/internal/files"
	"github.com/c236555e/rehead/internal/tarfile"
)

// source is where a model's files come from.
type source interface {
	path(name string) string // for messages
	names() ([]string, error)
	open(name string) (blob, error)
}

// blob is the content of one file.
type blob struct {
	io.ReaderAt
	size  int64
	close func() error
}

// readFile reads a whole file.
func readFile(src source, name string) ([]byte, error) {
	b, err := src.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.close() }() // only read
	if err := checkSize(src.path(name), name, b.size); err != nil {
		return nil, err
	}
	data := make([]byte, b.size)
	if n, err := b.ReadAt(data, 0); n < len(data) {
		return nil, &FormatError{File: src.path(name), Offset: int64(n), Reason: "cannot be read", Err: err}
	}
	return data, nil
}

func checkSize(path, name string, size int64) error {
	if limit := mostBytes(name); size > limit {
		return &FormatError{File: path, Offset: -1,
			Reason: fmt.Sprintf("got %d bytes, want at most %d: restore the model or train again", size, limit)}
	}
	return nil
}

// folder is a model on disk.
type folder string

func (d folder) path(name string) string { return filepath.Join(string(d), name) }

func (d folder) names() ([]string, error) {
	list, err := os.ReadDir(string(d))
	names := make([]string, 0, len(list))
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names, err
}

func (d folder) open(name string) (blob, error) {
	file, size, err := files.Open(d.path(name))
	if err != nil {
		return blob{}, err
	}
	return blob{file, size, file.Close}, nil
}

// archive is a model unpacked in memory.
type archive struct {
	name  string
	files map[string][]byte
}

func (a archive) path(name string) string { return a.name + ": " + name }

func (a archive) names() ([]string, error) { return slices.Sorted(maps.Keys(a.files)), nil }

func (a archive) open(name string) (blob, error) {
	data, ok := a.files[name]
	if !ok {
		return blob{}, &FormatError{File: a.path(name), Offset: -1, Reason: "is missing: pack the model again",
			Err: os.ErrNotExist}
	}
	return blob{bytes.NewReader(data), int64(len(data)), func() error { return nil }}, nil
}

// readPart reads a file of size bytes in an archive.
func readPart(path, name string, size int64, tape io.Reader) ([]byte, error) {
	if err := checkSize(path, name, size); err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if n, err := io.ReadFull(tape, data); err != nil {
		return nil, &FormatError{File: path, Offset: int64(n), Reason: "is damaged or cut short: fetch or pack it again",
			Err: err}
	}
	return data, nil
}

// unpack reads those files of a .tar.gz that a model can have; they must stand at its top. What
// they say that they unpack to is bounded before they are unpacked, all of it by limit.
func unpack(name string, r io.Reader, limit int64) (archive, error) {
	bad := func(format string, args ...any) (archive, error) {
		return archive{}, &FormatError{File: name, Offset: -1, Reason: fmt.Sprintf(format, args...)}
	}
	zipped, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<18))
	if err != nil {
		return bad("is not a gzip file (%v): pack the model again with tar -C MODEL -czf", err)
	}
	const tooMuch = "it unpacks to more than %d bytes: this is not a model"
	limited := &io.LimitedReader{R: zipped, N: limit}
	tape := tar.NewReader(limited)
	a := archive{name: name, files: map[string][]byte{}}
	deeper := ""
	for {
		h, err := tape.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return bad("is damaged or cut short (%v): fetch or pack it again", err)
		}
		if tarfile.NoFile(h) {
			continue
		}
		file := strings.TrimPrefix(h.Name, "./")
		if path.IsAbs(file) || slices.Contains(strings.Split(file, "/"), "..") {
			return bad("it holds the path %q, which leads out of it: pack the model with tar -C MODEL -czf", h.Name)
		}
		if file != modelJSONFile && !slices.Contains(modelFiles(), file) {
			if path.Base(file) == modelJSONFile {
				deeper = file
			}
			continue
		}
		if h.Typeflag != tar.TypeReg {
			return bad("%s in it is not a regular file: pack the model again", file)
		}
		if _, twice := a.files[file]; twice {
			return bad("it holds %s twice: pack the model again", file)
		}
		if h.Size > limited.N {
			return bad(tooMuch, limit)
		}
		if a.files[file], err = readPart(a.path(file), file, h.Size, tape); err != nil {
			return archive{}, err
		}
	}
	if _, err := io.Copy(io.Discard, limited); err != nil { // up to the checksum of the whole
		return bad("is damaged or cut short (%v): fetch or pack it again", err)
	}
	if limited.N <= 0 {
		return bad(tooMuch, limit)
	}
	if _, ok := a.files[modelJSONFile]; !ok && deeper != "" {
		return bad("%s stands at %s, not at the top: pack the model with tar -C MODEL -czf", modelJSONFile, deeper)
	}
	return a, nil
}
