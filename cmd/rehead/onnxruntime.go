//go:build gpu

package main

import (
	"fmt"
	"os"

	"github.com/c236555e/rehead/nn/onnxruntime"
)

// ORT_DYLIB_PATH is the variable that ONNX Runtime's bindings in other languages know.
func init() {
	cuda, err := onnxruntime.ParseOptions(os.Getenv("REHEAD_CUDA_OPTIONS"))
	if err != nil {
		fmt.Fprintf(os.Stderr, "rehead: REHEAD_CUDA_OPTIONS: %v\n", err)
		os.Exit(exitUsage)
	}
	onnxruntime.Register(onnxruntime.Config{Library: os.Getenv("ORT_DYLIB_PATH"), CUDA: cuda})
}
