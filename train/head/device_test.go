package head

import (
	"context"
	"math"
	"strings"
	"testing"
)

// TestDevice: what gains on a device, and that a build without one says so where it has to be used. How
// heads are fitted on one is tried in nn/cuda.
func TestDevice(t *testing.T) {
	for shape, want := range map[[3]int]bool{
		{2936, 2048, 5}: false, {50_000, 2048, 100}: true, {1_281_167, 2048, 1000}: true, {1 << 30, 1 << 30, 1 << 30}: true,
	} {
		if got := (Config{}).deviceGains(shape[0], shape[1], shape[2]); got != want {
			t.Errorf("%v: got %t, want %t", shape, got, want)
		}
	}
	ex := clouds(1, 30, 4, 3)
	if fit := mustFit(t, ex, Config{Device: "cuda"}); fit.Device != "cpu" || fit.DeviceErr != nil {
		t.Errorf("got device %q, %v, want the processor", fit.Device, fit.DeviceErr)
	}
	for want, cfg := range map[string]Config{
		`device "cuda" is not part of this build`:       {Device: "cuda", DeviceAlways: true},
		"DeviceProducts: got -1, want 0 (2^33) or more": {DeviceProducts: -1},
		"DeviceProducts: got NaN, want 0":               {DeviceProducts: math.NaN()},
		"it is of solver lbfgs only, got adam":          {Device: "cuda", DeviceAlways: true, Options: Options{Solver: Adam}},
	} {
		if _, err := Fit(context.Background(), ex, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
