package kernel

import (
	"testing"

	"github.com/c236555e/rehead/internal/asmtest"
)

func TestGenerated(t *testing.T) {
	for dir, file := range map[string]string{"_generate": "kernel_amd64.s", "_generate_wino": "wino_amd64.s",
		"_generate_int8": "int8_amd64.s"} {
		t.Run(file, func(t *testing.T) { asmtest.Generated(t, file, dir) })
	}
}
