//go:build gpu

package main

import (
	"os"

	"github.com/c236555e/rehead/nn/onnxruntime"
)

// The variable is the one that ONNX Runtime's bindings in other languages know.
func init() { onnxruntime.Register(onnxruntime.Config{Library: os.Getenv("ORT_DYLIB_PATH")}) }
