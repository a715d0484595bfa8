package cuda

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/device"
)

// TestNoDriver asks for a library that no machine has.
func TestNoDriver(t *testing.T) {
	d := New(func() (*cu.Driver, error) { return cu.Open(filepath.Join(t.TempDir(), "libcuda.so.1")) })
	if err := d.Probe(0); err == nil || !strings.Contains(err.Error(), "use --device cpu") {
		t.Errorf("probe: got %v, want what to do", err)
	}
	if e, err := d.Compile(nil, 0, device.Config{}); err == nil || e != nil {
		t.Errorf("compile: got %v, %v, want an error", e, err)
	}
	if got := d.Units(); len(got) > 0 {
		t.Errorf("units: got %v, want none", got)
	}
}
