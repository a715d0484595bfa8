package head

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestFitAgainstPeer solves what testdata/peer.py made and scikit-learn solved: the loss may be at
// most 1 % above. testdata/logistic.json holds smaller problems, for every run.
func TestFitAgainstPeer(t *testing.T) {
	dir := os.Getenv("REHEAD_PEER")
	if dir == "" {
		t.Skip("REHEAD_PEER names no folder that testdata/peer.py wrote")
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var peer struct {
		Features   int     `json:"features"`
		Classes    int     `json:"classes"`
		L2         float64 `json:"l2"`
		Loss       float64 `json:"loss"`
		Iterations int     `json:"iterations"`
		Seconds    float64 `json:"seconds"`
	}
	if err := json.Unmarshal(read("result.json"), &peer); err != nil {
		t.Fatal(err)
	}
	ex := Examples{Classes: peer.Classes}
	for labels := read("labels.i32"); len(labels) > 0; labels = labels[4:] {
		ex.Labels = append(ex.Labels, int(binary.LittleEndian.Uint32(labels)))
	}
	rows := read("rows.f32")
	for range ex.Labels {
		row := make([]float32, peer.Features)
		for j := range row {
			row[j] = math.Float32frombits(binary.LittleEndian.Uint32(rows[4*j:]))
		}
		rows = rows[4*peer.Features:]
		ex.Rows = append(ex.Rows, row)
	}
	runtime.GC()
	began := time.Now()
	fit := mustFit(t, ex, Config{Options: Options{L2: peer.L2, Scaling: ScaleStandard}})
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	t.Logf("%d x %d, %d classes, L2 %g: loss %.9g after %d evaluations in %.1f s; scikit-learn %.9g after %d iterations "+
		"in %.1f s; %d MB from the system",
		len(ex.Rows), peer.Features, peer.Classes, peer.L2, fit.Loss, fit.Evaluations, time.Since(began).Seconds(),
		peer.Loss, peer.Iterations, peer.Seconds, mem.Sys>>20)
	if !fit.Converged || !(fit.Loss <= 1.01*peer.Loss) || !(fit.Loss >= 0.99*peer.Loss) {
		t.Errorf("got loss %.9g (converged %t), want %.9g within 1 %%", fit.Loss, fit.Converged, peer.Loss)
	}
}
