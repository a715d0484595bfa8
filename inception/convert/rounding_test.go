package convert

import (
	"math"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/numeric"
)

// onLevels rounds every channel's weights to so many levels on each side of zero.
func onLevels(w *inception.Weights, levels float64) *inception.Weights {
	other := *w
	other.Tensors, other.Notes = map[string]inception.Tensor{}, map[string]string{}
	for name, t := range w.Tensors {
		data, per := append([]float32(nil), t.Data...), len(t.Data)/t.Shape[0]
		for from := 0; len(t.Shape) == 4 && from < len(data); from += per {
			most := 0.0
			for _, v := range data[from:][:per] {
				most = max(most, math.Abs(float64(v)))
			}
			for i := range data[from:][:per] {
				data[from+i] = float32(math.Round(float64(data[from+i])/most*levels) / levels * most)
			}
		}
		other.Tensors[name] = inception.Tensor{Shape: t.Shape, Data: data}
	}
	return &other
}

// TestRoundingMaximum: where the head reads maxima, these are what rounding is measured on.
func TestRoundingMaximum(t *testing.T) {
	w, err := inception.Random(inception.RandomConfig{Width: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	w.Recipe = inception.Resized(w.Recipe, 139)
	q := onLevels(w, 127)
	mean, err := rounding(q)
	if err != nil {
		t.Fatal(err)
	}
	q.Reads = inception.LastMaximum()
	if most, err := rounding(q); err != nil || most == mean || most > 5*mean {
		t.Errorf("got %.3g for the maxima, %v, and %.3g for the means", most, err, mean)
	}
}

// TestRounding: what rounded weights do to the bottleneck is told from them alone, within a factor of
// two and a half, and decides whether they are taken.
func TestRounding(t *testing.T) {
	w, err := inception.Random(inception.RandomConfig{Width: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	w.Recipe = inception.Resized(w.Recipe, 139)
	picture, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	want, err := passed(w, picture)
	if err != nil {
		t.Fatal(err)
	}
	for _, levels := range []float64{127, 7} {
		q := onLevels(w, levels)
		got, err := passed(q, picture)
		if err != nil {
			t.Fatal(err)
		}
		is := numeric.Distance(got, want)
		told, err := rounding(q)
		if err != nil || !(told > is/2.5 && told < is*2.5) {
			t.Errorf("%g levels: told %.3g, %v, for %.3g", levels, told, err, is)
		}
		err = bearable(q)
		if refused := err != nil && strings.Contains(err.Error(), "--quantized"); refused != (told > maxMoved) {
			t.Errorf("%g levels: %.3g gives %v", levels, told, err)
		}
		if err == nil && !strings.Contains(q.Notes["doubt"], "int8 weights") {
			t.Errorf("%g levels: doubt %q", levels, q.Notes["doubt"])
		}
		t.Logf("%g levels: %.3g, told %.3g", levels, is, told)
	}
}
