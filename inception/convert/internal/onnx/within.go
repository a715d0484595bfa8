package onnx

import (
	"errors"
	"fmt"
	"io"
)

// within says in which field of the model an error is; a model's own fields lie less deep than it tells of.
type within struct {
	path  string
	names int
	err   error
}

// Of a path that is told.
const (
	pathNames = 8
	pathName  = 40 // bytes
)

func (w *within) Error() string { return w.path + ": " + w.err.Error() }
func (w *within) Unwrap() error { return w.err }

// inField adds the name of a field that holds what is wrong.
func inField(name string, err error) error {
	if len(name) > pathName {
		name = name[:pathName] + "..."
	}
	var w *within
	if !errors.As(err, &w) {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errCut
		}
		return &within{name, 1, err}
	}
	switch w.names++; {
	case w.names <= pathNames:
		w.path = name + "." + w.path
	case w.names == pathNames+1:
		w.path = "..." + w.path
	}
	return w
}

var errCut = fmt.Errorf("the file ends in the middle of it, as one that was cut short: copy or save it again (%w)",
	io.ErrUnexpectedEOF)
