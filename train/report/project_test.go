package report

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestDiscriminants: the axes are those in which labels lie apart, whatever else varies more.
func TestDiscriminants(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	var rows [][]float32
	var labels []int
	for i := range 120 {
		l := i % 3
		rows = append(rows, []float32{float32(50 * rng.NormFloat64()), float32([]float64{0, 6, 12}[l] + rng.NormFloat64()),
			float32(rng.NormFloat64()), float32([]float64{0, 4, 0}[l] + rng.NormFloat64())})
		labels = append(labels, l)
	}
	xy, shares, ok := discriminants(rows, labels, 3)
	if !ok || !(shares[0] > 0.5) || !(shares[0]+shares[1] > 0.999) {
		t.Fatalf("got the shares %v, %t, want two axes that hold all that sets three labels apart", shares, ok)
	}
	var mean [3][2]float64
	for i, p := range xy {
		mean[labels[i]][0] += p[0] / 40
		mean[labels[i]][1] += p[1] / 40
	}
	within := 0.0
	for i, p := range xy {
		within += math.Hypot(p[0]-mean[labels[i]][0], p[1]-mean[labels[i]][1]) / float64(len(xy))
	}
	for a := range 3 {
		for b := range a {
			if d := math.Hypot(mean[a][0]-mean[b][0], mean[a][1]-mean[b][1]); !(d > 2*within) {
				t.Errorf("labels %d and %d are %g apart, within each pictures are %g from the middle", a, b, d, within)
			}
		}
	}
	if _, _, ok := discriminants([][]float32{{1, 1}, {1, 1}}, []int{0, 1}, 2); ok {
		t.Error("equal rows have discriminants")
	}
}

// TestPlaneOfTwoLabels: two labels lie apart across, and a label without a picture is no trouble.
func TestPlaneOfTwoLabels(t *testing.T) {
	in := madeUp(t, []string{"yes", "no"}, 15)
	at := []int{}
	for i := range in.Items {
		at = append(at, i)
	}
	xy, axes := in.plane(at)
	right := 0
	for i, p := range xy {
		if math.IsNaN(p[0]) || math.IsNaN(p[1]) {
			t.Fatalf("picture %d lies at %v", i, p)
		}
		if (p[0] > 0) == (in.Items[i].Label == 1) {
			right++
		}
	}
	if right < 24 || axes[0].Text() != "the logit of no" {
		t.Errorf("%d of 30 lie on the side of their label, across is %q", right, axes[0].Text())
	}
	in = madeUp(t, []string{"a", "b", "c", "d"}, 8)
	for i := range in.Items {
		if in.Items[i].Label == 3 {
			in.Items[i].Label = 0
		}
	}
	for _, p := range in.pictureMap().Points {
		if math.IsNaN(p.X) || math.IsNaN(p.Y) {
			t.Fatalf("got the point %+v", p)
		}
	}
}
