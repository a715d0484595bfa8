package hosts

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// pack puts files into one archive in dir, which is what a host sends.
func pack(dir string, files []string) (_ string, err error) {
	out, err := os.CreateTemp(dir, "share-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := tar.NewWriter(out)
	for _, file := range files {
		if err := add(w, file); err != nil {
			return "", err
		}
	}
	return out.Name(), w.Close()
}

func add(w *tar.Writer, file string) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: filepath.Base(file), Mode: 0o600, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// unpack writes what another host sent into dir and removes the archive. It has the same files as
// this host's own, by name and in order, since all hosts of a job have one trunk.
func unpack(dir, archive string, own []string) (err error) {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(archive)) }()
	r, names := tar.NewReader(f), []string{}
	for _, file := range own {
		names = append(names, filepath.Base(file))
	}
	for i := 0; ; i++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) && i == len(names) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("what it sent ends after %d of %d files: %w", i, len(names), err)
		}
		if i == len(names) || h.Name != names[i] || h.Typeflag != tar.TypeReg {
			return fmt.Errorf("it sent %q, want %q: its trunk or build is another", h.Name,
				slices.Concat(names, []string{"nothing"})[i])
		}
		if err := extract(filepath.Join(dir, names[i]), r); err != nil {
			return err
		}
	}
}

func extract(path string, from io.Reader) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, from)
	return err
}
