package nn_test

import (
	"testing"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/nntest"
)

func TestMachineConforms(t *testing.T) { nntest.Test(t, nntest.OnMachine, nntest.Float32) }

func TestProgramConforms(t *testing.T) {
	for _, kernel := range nn.Kernels() {
		t.Run(kernel, func(t *testing.T) {
			nntest.TestProgram(t, nn.Config{Device: "cpu", Kernel: kernel}, nntest.Float32)
		})
	}
	t.Run("lean", func(t *testing.T) { nntest.TestProgram(t, nn.Config{Device: "cpu", Lean: true}, nntest.Float32) })
}
