package train

import (
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// TestPrecision: a run calibrates once, on training pictures; ranges that are known already are
// used, by shares too; and what would mix precisions is refused.
func TestPrecision(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir, w := drawn(t, 6), narrow(t)
	calibrated := 0
	progress := func(e Event) {
		if e.Phase == PhaseCalibrate && e.Done == e.Total {
			calibrated = e.Total
		}
	}
	first := mustRun(t, dir, w, Config{Precision: nn.Int8, EmbedConfig: EmbedConfig{Progress: progress}})
	if first.Model.Precision() != nn.Int8 || first.Model.TrunkDigest == w.Digest {
		t.Errorf("the model is %s of the trunk %.12s, want int8 of another than %.12s", first.Model.Precision(),
			first.Model.TrunkDigest, w.Digest)
	}
	if half := len(scan(t, dir).Items) / 2; calibrated < min(half, inception.CalibrationPictures) {
		t.Errorf("calibrated on %d pictures, want at least half of all or %d", calibrated, inception.CalibrationPictures)
	}
	known, cache := first.Model.Trunk, t.TempDir()
	calibrated = 0
	if _, err := Embed(t.Context(), scan(t, dir), known, Config{EmbedConfig: EmbedConfig{CacheDir: cache}}); err != nil {
		t.Fatal(err)
	}
	second := mustRun(t, dir, known,
		Config{Precision: nn.Int8, EmbedConfig: EmbedConfig{CacheDir: cache, Progress: progress}})
	if calibrated != 0 || second.Embedded != 0 || second.Model.TrunkDigest != first.Model.TrunkDigest {
		t.Errorf("with known ranges: calibrated on %d, embedded %d, trunk %.12s; want 0, 0 and %.12s", calibrated,
			second.Embedded, second.Model.TrunkDigest, first.Model.TrunkDigest)
	}
	refused := map[string]func() error{
		"calibrate the weights once": func() error {
			_, err := Embed(t.Context(), scan(t, dir), w, Config{Precision: nn.Int8, EmbedConfig: EmbedConfig{CacheDir: cache}})
			return err
		},
		"want those of float32": func() error {
			_, err := Run(t.Context(), scan(t, dir), known, Config{Precision: nn.Float32})
			return err
		},
		"the precision that it was trained with": func() error {
			_, err := Run(t.Context(), scan(t, dir), w, Config{WarmStart: first.Model})
			return err
		},
		`"int4"`: func() error {
			_, err := Run(t.Context(), scan(t, dir), w, Config{Precision: "int4"})
			return err
		},
	}
	for want, do := range refused {
		if err := do(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
