package train

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
)

func TestDealFolds(t *testing.T) {
	r := madeUp(t, []string{"a", "b", "c"}, 30)
	e := &r.evidence
	e.sums[3], e.sums[40] = e.sums[2], e.sums[2] // copies, one under another label
	for turn := range 2 {
		deal, ok := dealFolds(e.items, e.sums, 3, turn)
		if !ok || deal[3] != deal[2] || deal[40] != deal[2] {
			t.Errorf("got %t, copies in the folds %d, %d and %d", ok, deal[2], deal[3], deal[40])
		}
		var count [3][folds]int
		for i, f := range deal {
			count[e.items[i].Label][f]++
		}
		for l, c := range count {
			for f, n := range c {
				if n < 5 || n > 7 {
					t.Errorf("label %d, fold %d: got %d of 30 pictures", l, f, n)
				}
			}
		}
	}
	single := append(slices.Clone(e.items), dataset.Item{Label: 3})
	deal, ok := dealFolds(single, append(slices.Clone(e.sums), [32]byte{1}), 4, 0)
	if !ok || deal[len(deal)-1] != neverJudged {
		t.Errorf("a label's only picture: got %t and fold %d, want it never judged", ok, deal[len(deal)-1])
	}
	if _, ok := dealFolds([]dataset.Item{{Label: 0}, {Label: 0}, {Label: 1}}, [][32]byte{{1}, {2}, {2}}, 2, 0); ok {
		t.Error("a label whose only picture is a copy of another label's: want no folds")
	}
}

// Labels that are swapped on purpose come out, and few others.
func TestSuspects(t *testing.T) {
	ex, files := flowers(t, "photos")
	var r Result
	e := &r.evidence
	labels := []string{"daisy", "dandelion", "roses", "sunflowers", "tulips"}
	swapped := map[int]bool{}
	rng := rand.New(rand.NewPCG(6, 7))
	var pictures []Picture
	for i, l := range ex.Labels {
		if rng.Float64() < 0.05 {
			swapped[i] = true
			l = (l + 1 + rng.IntN(4)) % 5
		}
		e.items = append(e.items, dataset.Item{Rel: files[i], Label: l})
		e.sums = append(e.sums, sha256.Sum256([]byte(files[i])))
		pictures = append(pictures, Picture{Rel: files[i], Label: labels[l]})
	}
	e.rows, e.logits = ex.Rows, make([]float64, len(ex.Rows)*5)
	e.settings = Settings{L2: DefaultL2(5), Tolerance: 1e-3, Iterations: 60}
	v, err := e.suspects(context.Background(), pictures, labels, 1)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, s := range v.List {
		if swapped[s.index] {
			found++
		}
	}
	if v.Judged != len(ex.Rows) || len(v.List) != mostSuspects || found < mostSuspects*3/4 {
		t.Errorf("judged %d of %d; %d of the first %d suspects were swapped (%d in all, %d suspected)", v.Judged,
			len(ex.Rows), found, len(v.List), len(swapped), v.Found)
	}
	hits := 0
	for _, f := range e.verdict.found {
		if swapped[f.index] {
			hits++
		}
	}
	precision, recall := float64(hits)/float64(v.Found), float64(hits)/float64(len(swapped))
	t.Logf("%d labels swapped, %d suspected: precision %.2f, recall %.2f; %d of the first %d right", len(swapped), v.Found,
		precision, recall, found, len(v.List))
	// measured: 0.52 and 0.87; some of the others are odd or mislabelled to begin with
	if !(precision >= 0.45) || !(recall >= 0.8) {
		t.Errorf("got precision %.2f and recall %.2f, want at least 0.45 and 0.8", precision, recall)
	}
	e.items[0].Split = dataset.Test // without cross-validation only what was held out is judged
	e.settings.Iterations, e.verdict = 1<<30, nil
	if v, err = e.suspects(context.Background(), pictures, labels, 1); err != nil || v.Judged != 1 ||
		!strings.Contains(v.Method, "model's own") {
		t.Errorf("got %+v, %v", v, err)
	}
	e.items[0].Split, e.verdict = dataset.Train, nil
	if v, err = e.suspects(context.Background(), pictures, labels, 1); err != nil || v.Judged != 0 || v.Found != 0 ||
		!strings.Contains(v.Method, "no label was judged") {
		t.Errorf("got %+v, %v", v, err)
	}
}
