package numeric

import (
	"math"
	"slices"
	"testing"
)

func TestSoftmax(t *testing.T) {
	p := []float64{1000, 1000 + 2*math.Ln2, 1000 - 1e6} // beyond what exp can hold
	Softmax(p, p, 2)
	for i, want := range []float64{1. / 3, 2. / 3, 0} {
		if !(math.Abs(p[i]-want) <= 1e-12) {
			t.Errorf("probability %d is %v, want %v", i, p[i], want)
		}
	}
}

func TestTopK(t *testing.T) {
	scores := []float64{1, 3, 2, 3, 9, 0, 2}
	got := TopK(len(scores), 4, func(i int) (float64, bool) { return scores[i], i != 4 })
	if want := []Scored{{1, 3}, {3, 3}, {2, 2}, {6, 2}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := TopK(2, 5, func(i int) (float64, bool) { return -1, true }); len(got) != 2 {
		t.Errorf("got %v, want both of two", got)
	}
}

func TestDistance(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		got, want []float32
		distance  float64
	}{
		{[]float32{3, 5}, []float32{3, 4}, 0.2}, {[]float32{0, 0}, []float32{0, 0}, 0},
		{[]float32{1}, []float32{0}, math.Inf(1)}, {[]float32{1}, []float32{1, 2}, math.NaN()},
		{[]float32{1, nan}, []float32{1, 2}, math.NaN()}, {[]float32{1, 2}, []float32{nan, 2}, math.NaN()},
	} {
		if d := Distance(c.got, c.want); d != c.distance && !(math.IsNaN(d) && math.IsNaN(c.distance)) {
			t.Errorf("%v to %v: got %v, want %v", c.got, c.want, d, c.distance)
		}
	}
}
