package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/c236555e/rehead/internal/atomicfile"
)

// What lies in the output folder. Names that begin with "_" are passed over by who reads a folder of
// Parquet.
const (
	partPrefix  = "part-"
	workFolder  = "_work"             // lists and records
	deadFile    = "_dead-letters.csv" // pictures without a row, and why
	summaryFile = "_summary.json"
)

// place is a folder that all workers write to.
type place struct{ dir string }

func (p place) path(name string) string { return filepath.Join(p.dir, name) }

// make makes the folder, and removes what killed processes left there long ago.
func (p place) make() error {
	if err := os.MkdirAll(p.dir, 0o777); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	atomicfile.Sweep(p.dir)
	return nil
}

// write writes a file, which appears whole or not at all.
func (p place) write(name string, write func(io.Writer) error) error {
	return atomicfile.Write(p.path(name), write)
}

func (p place) read(name string) ([]byte, error) { return os.ReadFile(p.path(name)) }

// readRange reads n bytes from off on.
func (p place) readRange(name string, off int64, n int) (data []byte, err error) {
	f, err := os.Open(p.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	data = make([]byte, n)
	_, err = io.ReadFull(io.NewSectionReader(f, off, int64(n)), data)
	return data, err
}

// size is the length of a file.
func (p place) size(name string) (int64, error) {
	info, err := os.Stat(p.path(name))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// names lists the files of the folder.
func (p place) names() (names []string, err error) {
	list, err := os.ReadDir(p.dir)
	for _, e := range list {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (p place) remove(name string) error { return os.Remove(p.path(name)) }
