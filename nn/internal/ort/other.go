//go:build !(linux || darwin) || !(amd64 || arm64)

package ort

import (
	"context"
	"errors"
)

// A Library is ONNX Runtime, opened: never here.
type Library struct{}

// A Session is a network that is ready to run: never here.
type Session struct{}

var errSystem = errors.New("onnxruntime: its library is loaded on Linux and macOS on amd64 and arm64 only; use " +
	"--device cpu")

// Open says that there is no library for this system.
func Open(string) (*Library, error) { return nil, errSystem }

// Version is the library's release.
func (*Library) Version() string { return "" }

// Path is the file that was opened.
func (*Library) Path() string { return "" }

// Has reports whether the library was built with the provider.
func (*Library) Has(Provider) (bool, error) { return false, errSystem }

// NewSession prepares a network.
func (*Library) NewSession([]byte, Options) (*Session, error) { return nil, errSystem }

// Run computes n images.
func (*Session) Run(context.Context, int, []float32, [][]float32) error { return errSystem }

// Close releases everything.
func (*Session) Close() error { return nil }
