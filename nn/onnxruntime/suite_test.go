package onnxruntime_test

import (
	"os"
	"testing"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/nntest"
	"github.com/c236555e/rehead/nn/onnxruntime"
)

func TestMain(m *testing.M) {
	onnxruntime.Register(onnxruntime.Config{Library: os.Getenv("ORT_DYLIB_PATH")})
	os.Exit(m.Run())
}

func TestSuite(t *testing.T) {
	nntest.TestProgram(t, nn.Config{Device: "onnxruntime:cpu"}, nntest.Float32)
}
