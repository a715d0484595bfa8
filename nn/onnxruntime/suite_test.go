package onnxruntime_test

import (
	"sync"
	"testing"

	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/nntest"
	"github.com/c236555e/rehead/nn/onnxruntime"
)

var once sync.Once

func register(t *testing.T) {
	t.Helper()
	library := datatest.ONNXRuntime(t)
	once.Do(func() { onnxruntime.Register(onnxruntime.Config{Library: library}) })
}

// TestSuiteOnGPU is TestSuite for the providers for GPUs, where one works.
func TestSuiteOnGPU(t *testing.T) {
	register(t)
	for _, c := range []struct {
		device, kernel string
		rel            float64
	}{
		{"onnxruntime:cuda", "float32", nntest.Float32.Rel}, {"onnxruntime:cuda", "tf32", 5e-3},
		{"onnxruntime:cuda", "float16", 5e-3}, {"onnxruntime:tensorrt", "tf32", 5e-3}, {"onnxruntime:tensorrt", "float16", 5e-3},
	} {
		t.Run(c.device+"/"+c.kernel, func(t *testing.T) {
			for _, d := range device.Registered() {
				if d.Name() != c.device {
					continue
				}
				if err := d.Probe(0); err != nil {
					t.Skip(err)
				}
			}
			nntest.TestProgram(t, nn.Config{Device: c.device, Kernel: c.kernel}, nntest.Tolerance{Rel: c.rel, Loose: true})
		})
	}
}

// TestSuite: the suite of every device on the library's CPU provider, in float32 and in float16, whose
// graph is the one that GPUs are given.
func TestSuite(t *testing.T) {
	register(t)
	for kernel, rel := range map[string]float64{"float32": nntest.Float32.Rel, "float16": 5e-3} {
		t.Run(kernel, func(t *testing.T) {
			nntest.TestProgram(t, nn.Config{Device: "onnxruntime:cpu", Kernel: kernel},
				nntest.Tolerance{Rel: rel, Loose: true})
		})
	}
}
