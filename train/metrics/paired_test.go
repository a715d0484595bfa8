package metrics

import (
	"math"
	"testing"
)

// TestMcNemar: values of scipy.stats.binomtest(min(b, c), b+c).pvalue.
func TestMcNemar(t *testing.T) {
	for _, c := range []struct {
		a, b int
		want float64
	}{{0, 0, 1}, {1, 0, 1}, {5, 5, 1}, {0, 6, 0.03125}, {3, 12, 0.03515625}, {20, 41, 0.009853448}, {-1, 3, 1}} {
		if got := McNemar(c.a, c.b); !(math.Abs(got-c.want) <= 1e-7) {
			t.Errorf("%d and %d: got %g, want %g", c.a, c.b, got, c.want)
		}
	}
	if p := McNemar(1e6, 1e6+3000); !(p > 0.03 && p < 0.04) { // z = 3000/sqrt(2003000) = 2.12
		t.Errorf("of millions: got %g", p)
	}
}

func TestPair(t *testing.T) {
	picture := func(rel, label, said string) Picture { return Picture{Rel: rel, Label: label, Predicted: said} }
	a := []Picture{picture("1", "x", "x"), picture("2", "x", "x"), picture("3", "y", "x"), picture("4", "y", "x"),
		picture("alone", "y", "y")}
	b := []Picture{picture("4", "y", "z"), picture("3", "y", "y"), picture("2", "x", "y"), picture("1", "x", "x")}
	p := Pair(a, b)
	if p.Images != 4 || p.Both != 1 || p.OnlyA != 1 || p.OnlyB != 1 || p.Neither != 1 || p.A != 0.5 || p.B != 0.5 ||
		p.P != 1 || len(p.Changed) != 3 || p.Changed[0].Image != "2" || p.Changed[2].B != "z" {
		t.Errorf("got %+v", p)
	}
	if p := Pair(a, nil); p.Images != 0 || p.IntervalA != [2]float64{0, 1} || p.P != 1 {
		t.Errorf("of nothing: got %+v", p)
	}
}
