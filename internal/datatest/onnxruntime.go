package datatest

import (
	"os"
	"testing"
)

// ONNXRuntime returns the path of ONNX Runtime's shared library, or of its folder, that
// ORT_DYLIB_PATH names. Where it names none the test is skipped.
func ONNXRuntime(t testing.TB) string {
	t.Helper()
	path := os.Getenv("ORT_DYLIB_PATH")
	if path == "" {
		t.Skip("needs ONNX Runtime's library: set ORT_DYLIB_PATH to libonnxruntime.so or to its folder")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("ORT_DYLIB_PATH: %v", err)
	}
	return path
}
