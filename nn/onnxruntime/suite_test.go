package onnxruntime_test

import (
	"testing"

	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/nntest"
	"github.com/c236555e/rehead/nn/onnxruntime"
)

// TestSuite: the suite of every device on the library's CPU provider, in float32 and in float16, whose
// graph is the one that GPUs are given.
func TestSuite(t *testing.T) {
	onnxruntime.Register(onnxruntime.Config{Library: datatest.ONNXRuntime(t)})
	for kernel, rel := range map[string]float64{"float32": nntest.Float32.Rel, "float16": 5e-3} {
		t.Run(kernel, func(t *testing.T) {
			nntest.TestProgram(t, nn.Config{Device: "onnxruntime:cpu", Kernel: kernel},
				nntest.Tolerance{Rel: rel, Loose: true})
		})
	}
}
