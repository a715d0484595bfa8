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
)

// parts is where a model's files come from.
type parts interface {
	label(name string) string // for messages
	names() ([]string, error)
	open(name string) (blob, error)
}

// blob is the content of one file.
type blob struct {
	io.ReaderAt
	size  int64
	close func() error
}

// slurp reads a whole file of at most limit bytes.
func slurp(p parts, name string, limit int64) ([]byte, error) {
	b, err := p.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.close() }() // only read
	if b.size > limit {
		return nil, &FormatError{File: p.label(name), Offset: -1,
			Reason: fmt.Sprintf("got %d bytes, want at most %d: restore the model or train again", b.size, limit)}
	}
	data := make([]byte, b.size)
	if n, err := b.ReadAt(data, 0); n < len(data) {
		return nil, &FormatError{File: p.label(name), Offset: int64(n), Reason: "cannot be read", Err: err}
	}
	return data, nil
}

// folder is a model on disk.
type folder string

func (d folder) label(name string) string { return filepath.Join(string(d), name) }

func (d folder) names() ([]string, error) {
	list, err := os.ReadDir(string(d))
	names := make([]string, 0, len(list))
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names, err
}

func (d folder) open(name string) (blob, error) {
	file, err := os.Open(d.label(name))
	if err != nil {
		return blob{}, err
	}
	stat, err := file.Stat()
	if err == nil && !stat.Mode().IsRegular() {
		err = &FormatError{File: d.label(name), Offset: -1, Reason: "is not a regular file: restore the model"}
	}
	if err != nil {
		return blob{}, errors.Join(err, file.Close())
	}
	return blob{file, stat.Size(), file.Close}, nil
}

// archive is a model unpacked in memory.
type archive struct {
	path  string
	files map[string][]byte
}

func (a archive) label(name string) string { return a.path + ": " + name }

func (a archive) names() ([]string, error) { return slices.Sorted(maps.Keys(a.files)), nil }

func (a archive) open(name string) (blob, error) {
	data, ok := a.files[name]
	if !ok {
		return blob{}, &FormatError{File: a.label(name), Offset: -1, Reason: "is missing: pack the model again",
			Err: os.ErrNotExist}
	}
	return blob{bytes.NewReader(data), int64(len(data)), func() error { return nil }}, nil
}

// unpack reads those files of a .tar.gz that a model can have; they must stand at its top.
func unpack(name string, r io.Reader) (archive, error) {
	bad := func(format string, args ...any) (archive, error) {
		return archive{}, &FormatError{File: name, Offset: -1, Reason: fmt.Sprintf(format, args...)}
	}
	zipped, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<18))
	if err != nil {
		return bad("is no gzip file (%v): pack the model again with tar -C MODEL -czf", err)
	}
	limited := &io.LimitedReader{R: zipped, N: maxArchive}
	tape := tar.NewReader(limited)
	a := archive{path: name, files: map[string][]byte{}}
	deeper := ""
	for {
		h, err := tape.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return bad("is damaged or cut short (%v): fetch or pack it again", err)
		}
		file := strings.TrimPrefix(h.Name, "./")
		if path.IsAbs(file) || slices.Contains(strings.Split(file, "/"), "..") {
			return bad("it holds the path %q, which leads out of it: pack the model with tar -C MODEL -czf", h.Name)
		}
		if file != manifestFile && !slices.Contains(modelFiles(), file) {
			if path.Base(file) == manifestFile {
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
		var data bytes.Buffer
		if _, err := io.Copy(&data, tape); err != nil {
			return bad("%s in it is damaged or cut short (%v): fetch or pack it again", file, err)
		}
		a.files[file] = data.Bytes()
	}
	if _, err := io.Copy(io.Discard, limited); err != nil { // up to the checksum of the whole
		return bad("is damaged or cut short (%v): fetch or pack it again", err)
	}
	if limited.N <= 0 {
		return bad("it unpacks to more than %d bytes: this is no model", int64(maxArchive))
	}
	if _, ok := a.files[manifestFile]; !ok && deeper != "" {
		return bad("%s stands at %s, not at the top: pack the model with tar -C MODEL -czf", manifestFile, deeper)
	}
	return a, nil
}
