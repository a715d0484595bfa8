// Package npy writes and reads arrays in NumPy's format.
package npy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/c236555e/rehead/internal/atomicfile"
)

// Write writes a float32 array [rows,cols] in NumPy's format, little-endian and row by row.
// row(i) is asked for in order and copied. The file appears whole or not at all, and replaces one
// that was there.
func Write(path string, rows, cols int, row func(i int) []float32) (err error) {
	w, err := Create(path, cols)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for i := range rows {
		if err := w.Append(row(i)); err != nil {
			return err
		}
	}
	return w.Commit()
}

// Writer writes a float32 array [n,cols] whose n is known only at the end. Not safe for
// concurrent use.
type Writer struct {
	path string
	file *atomicfile.File // nil after Commit or Close
	buf  *bufio.Writer
	line []byte
	cols int
	rows int
}

// headerLen is the length of a header in bytes: constant, so that the number of rows can be written
// last.
const headerLen = 128

// Create starts an array of rows of cols values. Nothing appears at path before Commit.
func Create(path string, cols int) (*Writer, error) {
	if cols < 1 {
		return nil, fmt.Errorf("dataset: write %q: got %d columns, want at least 1", path, cols)
	}
	file, err := atomicfile.Create(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: write %q: %w", path, err)
	}
	w := &Writer{path: path, file: file, buf: bufio.NewWriterSize(file, 1<<16), line: make([]byte, 4*cols), cols: cols}
	if _, err := w.buf.Write(make([]byte, headerLen)); err != nil {
		return nil, errors.Join(fmt.Errorf("dataset: write npy: %w", err), w.Close())
	}
	return w, nil
}

// Append adds a row of cols values, which are copied.
func (w *Writer) Append(row []float32) error {
	if w.file == nil {
		return fmt.Errorf("dataset: write %q: row appended after Commit or Close", w.path)
	}
	if len(row) != w.cols {
		return fmt.Errorf("dataset: write %q: row %d has %d values, want %d", w.path, w.rows, len(row), w.cols)
	}
	for i, v := range row {
		binary.LittleEndian.PutUint32(w.line[4*i:], math.Float32bits(v))
	}
	if _, err := w.buf.Write(w.line); err != nil {
		return fmt.Errorf("dataset: write npy: %w", err)
	}
	w.rows++
	return nil
}

// Mark is what every .npy begins with.
const Mark = "\x93NUMPY"

// Header is what stands before the values of an array [rows,cols], row by row: format version 1.0 (magic,
// version, length, a Python dictionary, spaces, a newline), of a constant length. descr is the values'
// type, such as "<f4". Source: numpy/lib/format.py.
func Header(descr string, rows, cols int) []byte {
	h := append([]byte(Mark+"\x01\x00"), headerLen-10, 0)
	h = fmt.Appendf(h, "{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }", descr, rows, cols)
	return append(append(h, strings.Repeat(" ", headerLen-1-len(h))...), '\n')
}

// Commit completes the file, syncs it and puts it at its path.
func (w *Writer) Commit() (err error) {
	if w.file == nil {
		return fmt.Errorf("dataset: write %q: Commit after Commit or Close", w.path)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("dataset: write npy: %w", err), w.Close())
		}
	}()
	if err := w.buf.Flush(); err != nil {
		return err
	}
	if _, err := w.file.WriteAt(Header("<f4", w.rows, w.cols), 0); err != nil {
		return err
	}
	file := w.file
	w.file = nil
	return file.Commit()
}

// Close discards the file unless Commit was called. It may be called at any time, and more than
// once.
func (w *Writer) Close() error {
	if w.file == nil {
		return nil
	}
	err := w.file.Discard()
	w.file = nil
	return err
}
