package train

import (
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/internal/traintest"
	"github.com/c236555e/rehead/train/metrics"
)

func TestDealFolds(t *testing.T) {
	var items []dataset.Item
	var sums [][sha256.Size]byte
	for i := range 90 {
		items, sums = append(items, dataset.Item{Label: i / 30}), append(sums, sha256.Sum256([]byte{byte(i)}))
	}
	sums[3], sums[40] = sums[2], sums[2] // copies, one under another label
	for turn := range 2 {
		deal, ok := dealFolds(items, sums, 3, turn)
		if !ok || deal[3] != deal[2] || deal[40] != deal[2] {
			t.Errorf("got %t, copies in the folds %d, %d and %d", ok, deal[2], deal[3], deal[40])
		}
		var count [3][folds]int
		for i, f := range deal {
			count[items[i].Label][f]++
		}
		for l, c := range count {
			for f, n := range c {
				if n < 5 || n > 7 {
					t.Errorf("label %d, fold %d: got %d of 30 pictures", l, f, n)
				}
			}
		}
	}
	single := append(slices.Clone(items), dataset.Item{Label: 3})
	deal, ok := dealFolds(single, append(slices.Clone(sums), [32]byte{1}), 4, 0)
	if !ok || deal[len(deal)-1] != neverJudged {
		t.Errorf("a label's only picture: got %t and fold %d, want it never judged", ok, deal[len(deal)-1])
	}
	if _, ok := dealFolds([]dataset.Item{{Label: 0}, {Label: 0}, {Label: 1}}, [][32]byte{{1}, {2}, {2}}, 2, 0); ok {
		t.Error("a label whose only picture is a copy of another label's: want no folds")
	}
}

// Labels that are swapped on purpose come out, and few others.
func TestLabelErrors(t *testing.T) {
	rows, given, files := traintest.Flowers(t, "photos")
	j := &auditor{rows: rows, logits: make([]float64, len(rows)*5),
		labels: []string{"daisy", "dandelion", "roses", "sunflowers", "tulips"},
		fit:    &head.Solution{Options: head.Options{L2: head.DefaultL2(5), Tolerance: 1e-3}, Iterations: 60}}
	swapped := map[int]bool{}
	rng := rand.New(rand.NewPCG(6, 7))
	for i, l := range given {
		if rng.Float64() < 0.05 {
			swapped[i] = true
			l = (l + 1 + rng.IntN(4)) % 5
		}
		j.items = append(j.items, dataset.Item{Rel: files[i], Label: l})
		j.sums = append(j.sums, sha256.Sum256([]byte(files[i])))
	}
	v, err := j.labelErrors(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	const first = 16 // as many as a report shows
	hits, early := 0, 0
	for n, f := range v.found {
		if swapped[f.index] {
			if hits++; n < first {
				early++
			}
		}
	}
	if v.judged != len(rows) || len(v.found) < first || early < first*3/4 {
		t.Errorf("judged %d of %d; %d of the first %d suspects were swapped (%d in all, %d suspected)", v.judged,
			len(rows), early, first, len(swapped), len(v.found))
	}
	precision, recall := float64(hits)/float64(len(v.found)), float64(hits)/float64(len(swapped))
	t.Logf("%d labels swapped, %d suspected: precision %.2f, recall %.2f; %d of the first %d right", len(swapped),
		len(v.found), precision, recall, early, first)
	// measured: 0.62 and 0.83; some of the others are odd or mislabelled to begin with
	if !(precision >= 0.55) || !(recall >= 0.8) {
		t.Errorf("got precision %.2f and recall %.2f, want at least 0.55 and 0.8", precision, recall)
	}
	j.items[0].Split = dataset.Test // without cross-validation only what was held out is judged
	j.fit.Iterations = 1 << 30
	if v, err = j.labelErrors(t.Context(), 1); err != nil || v.judged != 1 || !strings.Contains(v.method, "model's own") {
		t.Errorf("got %+v, %v", v, err)
	}
	j.items[0].Split = dataset.Train
	if v, err = j.labelErrors(t.Context(), 1); err != nil || v.judged != 0 || len(v.found) != 0 ||
		!strings.Contains(v.method, "no label was judged") {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestOutliers(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	j := &auditor{labels: []string{"a", "b"}}
	for i := range 60 {
		row := make([]float32, 20)
		for f := range row {
			row[f] = float32(rng.NormFloat64())
		}
		if i == 7 || i == 41 {
			for f := range row {
				row[f] += float32(i)
			}
		}
		j.rows, j.items = append(j.rows, row), append(j.items, dataset.Item{Label: i % 2, Rel: string(rune('A' + i))})
	}
	got := j.outliers()
	if !slices.ContainsFunc(got, func(o metrics.Outlier) bool {
		return o.Image == string(rune('A'+7))
	}) || got[0].Image != string(rune('A'+41)) || len(got) > 4 {
		t.Errorf("got %+v, want the two that were moved away", got)
	}
}
