package head

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/c236555e/rehead/train/metrics"
)

// TestHeadsAgainstPeers fits heads to the rows and the split of testdata/flowers.py: the default
// one may not be more than half a point of test accuracy below the best of scikit-learn and
// retrain.py's recipe there.
func TestHeadsAgainstPeers(t *testing.T) {
	dir := os.Getenv("REHEAD_HEADS")
	if dir == "" {
		t.Skip("REHEAD_HEADS names no folder that testdata/flowers.py wrote")
	}
	var peer struct {
		Features       int     `json:"features"`
		Classes        int     `json:"classes"`
		Test           int     `json:"test"`
		C              float64 `json:"sklearn_c"`
		SklearnRight   int     `json:"sklearn_correct"`
		SklearnSeconds float64 `json:"sklearn_seconds"`
		DefaultRight   int     `json:"sklearn_default_correct"`
		DefaultSeconds float64 `json:"sklearn_default_seconds"`
		RetrainRight   int     `json:"retrain_correct"`
		RetrainSeconds float64 `json:"retrain_seconds"`
	}
	if err := json.Unmarshal(contents(t, filepath.Join(dir, "heads.json")), &peer); err != nil {
		t.Fatal(err)
	}
	all := Examples{Classes: peer.Classes}
	var split []uint32
	labels, parts, rows := contents(t, filepath.Join(dir, "labels.i32")), contents(t, filepath.Join(dir, "split.i32")),
		contents(t, filepath.Join(dir, "rows.f32"))
	for i := 0; i < len(labels); i += 4 {
		all.Labels = append(all.Labels, int(binary.LittleEndian.Uint32(labels[i:])))
		split = append(split, binary.LittleEndian.Uint32(parts[i:]))
		row := make([]float32, peer.Features)
		for j := range row {
			row[j] = math.Float32frombits(binary.LittleEndian.Uint32(rows[4*j:]))
		}
		rows, all.Rows = rows[4*peer.Features:], append(all.Rows, row)
	}
	train := all.some(func(i int) bool { return split[i] == 0 })
	valid := all.some(func(i int) bool { return split[i] == 1 })
	test := all.some(func(i int) bool { return split[i] == 2 })
	tell := func(name string, right int, seconds float64) {
		w := metrics.Wilson(right, peer.Test)
		t.Logf("%-40s %6.2f %% of %d (95 %% interval %.2f to %.2f)  %6.2f s", name, 100*float64(right)/float64(peer.Test),
			peer.Test, 100*w[0], 100*w[1], seconds)
	}
	tell("scikit-learn, C = 1", peer.DefaultRight, peer.DefaultSeconds)
	tell("scikit-learn, best of six C on validation", peer.SklearnRight, peer.SklearnSeconds)
	tell("retrain.py's recipe, numpy", peer.RetrainRight, peer.RetrainSeconds)
	best := max(peer.SklearnRight, peer.DefaultRight, peer.RetrainRight)
	for _, c := range []struct {
		name string
		cfg  Config
	}{
		{"rehead", Config{}},
		{"rehead --solver adam", Config{Options: Options{Solver: Adam}}},
		{"rehead --solver retrain", Config{Options: Options{Solver: Retrain}}},
	} {
		c.cfg.Validation = &valid
		began := time.Now()
		fit := mustFit(t, train, c.cfg)
		seconds := time.Since(began).Seconds()
		logits, err := Logits(context.Background(), fit.Head, test.Rows, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, right := score(logits, test, 1)
		tell(c.name, right, seconds)
		if c.cfg.Solver == "" && float64(right) < float64(best)-0.005*float64(peer.Test) {
			t.Errorf("got %d of %d right, want at most half a point below the best peer's %d", right, peer.Test, best)
		}
	}
	fold := make([]int, len(train.Rows))
	for i := range fold {
		fold[i] = i % 5
	}
	began := time.Now()
	fit := mustFit(t, train, Config{Folds: fold, Options: Options{L2: -1, Scaling: ScaleAuto}})
	logits, err := Logits(context.Background(), fit.Head, test.Rows, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, right := score(logits, test, 1)
	tell("rehead --l2 auto --scaling auto", right, time.Since(began).Seconds())
	for _, c := range fit.Tried {
		t.Logf("  tried %-8s L2 %-8.3g log loss %.4f, accuracy %.2f %%", c.Scaling, c.L2, c.ValidationLogLoss,
			100*c.ValidationAccuracy)
	}
}
