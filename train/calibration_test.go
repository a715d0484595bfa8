package train

import (
	"fmt"
	"math"
	"path"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
)

// TestCalibrationOfSets trains on real photographs, split in many ways, and compares on the test
// parts what ways to a temperature are worth. A head's own temperature makes neither the log loss
// nor the calibration error worse on average than none does, but for a standard error.
func TestCalibrationOfSets(t *testing.T) {
	if testing.Short() {
		t.Skip("fits 240 heads, a minute")
	}
	for _, name := range []string{"flowers", "signs"} {
		t.Run(name, func(t *testing.T) {
			set := measuredSet(t, name)
			var f figures
			for seed := range 20 {
				temperatures(t, set, fmt.Sprint(seed), &f)
			}
			f.print(t)
			for _, what := range []string{"log loss", "ECE"} {
				if mean, deviation := f.of("cross-validated, above its noise: change of " + what); !(mean <= deviation) {
					t.Errorf("the temperature makes the %s worse by %.4f, standard error %.4f", what, mean, deviation)
				}
			}
		})
	}
}

// temperatures trains once and adds what each way to a temperature is worth on the test part.
func temperatures(t *testing.T, set *measured, salt string, f *figures) {
	t.Helper()
	r := &run{items: set.items(set.of), rows: set.rows, sums: set.sums,
		res: &Result{Seconds: map[Phase]float64{}, Checkup: &doctor.Checkup{}}}
	for i, file := range set.files {
		r.items[i].Rel = set.labels[set.of[i]] + "/" + path.Base(file)
	}
	r.folder = &dataset.Folder{Labels: set.labels, Items: r.items}
	r.cfg.Split = resolved(dataset.SplitConfig{Salt: salt, Stratified: true})
	if err := r.folder.Split(r.cfg.Split); err != nil {
		t.Fatal(err)
	}
	if err := r.solve(t.Context()); err != nil {
		t.Fatal(err)
	}
	test := func(temperature float64) (loss, ece float64) {
		said := metrics.Predictions{Items: r.items, Labels: set.labels, Temperature: temperature, Part: "test"}
		var err error
		if said.Logits, err = head.Logits(t.Context(), r.res.Fit.Head, set.rows, 0); err != nil {
			t.Fatal(err)
		}
		m, _ := said.Measure()
		return m.Test.LogLoss, m.ECE
	}
	valid, _ := r.part(dataset.Validation)
	onValid, err := head.Logits(t.Context(), r.res.Fit.Head, valid.Rows, 0)
	if err != nil {
		t.Fatal(err)
	}
	loss, ece := test(1)
	f.add("no temperature: log loss", loss)
	f.add("no temperature: ECE", ece)
	for _, w := range []struct {
		name        string
		temperature float64
	}{
		{"before, on the validation part", lowest(onValid, valid)},
		{"validation part, above its noise", head.FitTemperature(onValid, valid)},
		{"cross-validated", lowest(r.crossed.logits, r.crossed.ex)},
		{"cross-validated, above its noise", r.temp},
	} {
		after, error15 := test(w.temperature)
		f.add(w.name+": temperature", w.temperature)
		f.add(w.name+": change of log loss", after-loss)
		f.add(w.name+": change of ECE", error15-ece)
		f.add(w.name+": share of runs with a worse log loss", worse(after, loss))
		f.add(w.name+": share of runs with a worse ECE", worse(error15, ece))
	}
	f.add("cross-validated accuracy less test accuracy", r.crossed.measure(metrics.Predictions{Labels: set.labels,
		Temperature: 1}).Accuracy-accuracyOf(r, t))
}

func worse(after, before float64) float64 {
	if after > before {
		return 1
	}
	return 0
}

// accuracyOf is the head's on the test part.
func accuracyOf(r *run, t *testing.T) float64 {
	t.Helper()
	ex, _ := r.part(dataset.Test)
	logits, err := head.Logits(t.Context(), r.res.Fit.Head, ex.Rows, 0)
	if err != nil {
		t.Fatal(err)
	}
	right := 0.0
	for i, l := range ex.Labels {
		if numeric.Argmax(logits[i*ex.Classes:(i+1)*ex.Classes]) == l {
			right++
		}
	}
	return right / float64(len(ex.Labels))
}

// lowest is the temperature that FitTemperature looks for, whatever its noise.
func lowest(logits []float64, ex head.Examples) float64 {
	best, at := math.Inf(1), 1.0
	for lnT := -3.0; lnT <= 3; lnT += 0.01 {
		cost := lnT * lnT / (2 * 0.5 * 0.5)
		for i, l := range ex.Labels {
			cost += numeric.CrossEntropy(logits[i*ex.Classes:(i+1)*ex.Classes], l, math.Exp(lnT))
		}
		if cost < best {
			best, at = cost, math.Exp(lnT)
		}
	}
	return at
}
