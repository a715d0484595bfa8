package doctor_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/draw"
)

// bottlenecksOf returns the vectors that retrain.py computed for the 700 photographs, by Rel.
func bottlenecksOf(t testing.TB) map[string][]float32 {
	t.Helper()
	out := map[string][]float32{}
	for _, f := range datatest.Flowers(t, "photos") {
		out[f.Rel] = f.Vector
	}
	return out
}

// flip gives every tenth picture, or so, of f another label and returns which; the folder on disk
// is not looked at.
func flip(f *dataset.Folder, share float64) map[string]bool {
	rng := rand.New(rand.NewPCG(8, 8))
	flipped := map[string]bool{}
	for _, i := range rng.Perm(len(f.Items))[:int(share*float64(len(f.Items)))] {
		it := &f.Items[i]
		it.Label = (it.Label + 1 + rng.IntN(len(f.Labels)-1)) % len(f.Labels)
		flipped[it.Rel] = true
	}
	return flipped
}

func flips(c *doctor.Checkup, flipped map[string]bool) (precision, recall float64) {
	hit := 0
	for _, d := range c.Disagreements {
		if flipped[d.Image] {
			hit++
		}
	}
	return float64(hit) / float64(max(1, len(c.Disagreements))), float64(hit) / float64(len(flipped))
}

// TestDisagreements flips 5 % of the labels of drawn pictures; thumbnails stand in for bottlenecks.
func TestDisagreements(t *testing.T) {
	root := t.TempDir()
	if err := draw.Folder(root, 4, 30, 5); err != nil {
		t.Fatal(err)
	}
	f, err := dataset.Scan(root, dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	vectors, truth := make([][]float32, len(f.Items)), make([]string, len(f.Items))
	r := picturetest.Recipe(12, picture.Bilinear)
	for i, it := range f.Items {
		data, err := os.ReadFile(it.Path)
		if err != nil {
			t.Fatal(err)
		}
		pixels := make([]float32, 3*12*12)
		if _, err := r.Load(data, picture.Limits{}, pixels); err != nil {
			t.Fatal(err)
		}
		for k := range 144 { // brightness apart, so that colour counts
			mean := (pixels[k] + pixels[144+k] + pixels[288+k]) / 3
			vectors[i] = append(vectors[i], pixels[k]-mean, pixels[144+k]-mean, pixels[288+k]-mean)
		}
		truth[i] = f.Labels[it.Label]
	}
	vectors[17] = nil
	flipped := flip(f, 0.05)
	c, err := doctor.Check(t.Context(), f, doctor.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Refine(t.Context(), vectors, doctor.RefineConfig{}); err != nil {
		t.Fatal(err)
	}
	precision, recall := flips(c, flipped)
	t.Logf("precision %.2f, recall %.2f of %d", precision, recall, len(flipped))
	if !(precision >= 0.8) || !(recall >= 0.8) {
		t.Errorf("got precision %.2f, recall %.2f", precision, recall)
	}
	for _, d := range c.Disagreements {
		if d.Label == d.Suggested || len(d.Nearest) != 3 || !(d.Share > d.OwnShare+0.5) ||
			d.Nearest[0].Similarity < d.Nearest[2].Similarity {
			t.Errorf("got %+v", d)
		}
		for i, it := range f.Items {
			if it.Rel == d.Image && flipped[d.Image] && truth[i] != d.Suggested {
				t.Logf("%s: suggested %s, is %s", d.Image, d.Suggested, truth[i])
			}
		}
	}
	if finding, ok := finding(c, doctor.CodeDisagree); !ok || finding.Count != len(c.Disagreements) {
		t.Errorf("got %+v", finding)
	}
}

// TestDisagreementsFlowers flips 5 % of the labels of real photographs, with the vectors of the
// real network.
func TestDisagreementsFlowers(t *testing.T) {
	if testing.Short() || picturetest.RaceEnabled {
		t.Skip("decodes 700 photographs: too slow here")
	}
	byRel := bottlenecksOf(t)
	f, err := dataset.Scan(datatest.Shared(t, "data", "flowers"), dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	vectors := make([][]float32, len(f.Items))
	for i, it := range f.Items {
		if vectors[i] = byRel[it.Rel]; vectors[i] == nil {
			t.Fatalf("no bottleneck of %s", it.Rel)
		}
	}
	flipped := flip(f, 0.05)
	c, err := doctor.Check(t.Context(), f, doctor.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Refine(t.Context(), vectors, doctor.RefineConfig{}); err != nil {
		t.Fatal(err)
	}
	precision, recall := flips(c, flipped)
	t.Logf("%d listed, precision %.2f, recall %.2f of %d; %d near duplicates", len(c.Disagreements), precision, recall,
		len(flipped), len(c.NearDuplicates))
	for _, n := range c.NearDuplicates {
		t.Logf("near: %v %.3f, %.3f", n.Images, n.Distance, *n.Cosine)
	}
	if !(precision >= 0.5) || !(recall >= 0.75) {
		t.Errorf("got precision %.2f, recall %.2f", precision, recall)
	}
}

// drawn is a Checkup of 24 drawn pictures without any duplicates.
func drawn(t testing.TB) *doctor.Checkup {
	t.Helper()
	root := t.TempDir()
	if err := draw.Folder(root, 2, 12, 9); err != nil {
		t.Fatal(err)
	}
	return check(t, root, doctor.Config{})
}

func TestRefineRefuses(t *testing.T) {
	c := drawn(t)
	vectors := make([][]float32, 24)
	for i := range vectors {
		vectors[i] = []float32{float32(i), 1, float32(i * i % 7)}
	}
	if err := c.Refine(t.Context(), vectors[1:], doctor.RefineConfig{}); err == nil {
		t.Error("a bottleneck too few accepted")
	}
	if err := c.Refine(t.Context(), vectors, doctor.RefineConfig{Margin: 1}); err == nil {
		t.Error("a margin of 1 accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Refine(ctx, vectors, doctor.RefineConfig{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	vectors[3] = []float32{1, 2}
	if err := c.Refine(t.Context(), vectors, doctor.RefineConfig{}); err == nil {
		t.Error("a short bottleneck accepted")
	}
	vectors[3] = []float32{1, 2, float32(math.NaN())}
	if err := c.Refine(t.Context(), vectors, doctor.RefineConfig{}); err == nil {
		t.Error("NaN accepted")
	}
	vectors[3] = nil
	if err := c.Refine(t.Context(), vectors, doctor.RefineConfig{}); err != nil {
		t.Error(err)
	}
}

// TestRefineFindsCopies: bottlenecks show a copy that the tiny pictures do not, and tell apart what
// they take for one.
func TestRefineFindsCopies(t *testing.T) {
	c := drawn(t)
	rng := rand.New(rand.NewPCG(2, 3))
	vectors := make([][]float32, 24)
	for i := range vectors {
		for range 50 {
			vectors[i] = append(vectors[i], float32(rng.NormFloat64()))
		}
	}
	for k := range vectors[4] {
		vectors[20][k] = vectors[4][k] + float32(rng.NormFloat64()/50)
	}
	if err := c.Refine(t.Context(), vectors, doctor.RefineConfig{}); err != nil {
		t.Fatal(err)
	}
	if len(c.NearDuplicates) != 1 || len(c.NearDuplicates[0].Images) != 2 || len(c.NearDuplicates[0].Labels) != 2 ||
		*c.NearDuplicates[0].Cosine > 0.01 {
		t.Errorf("got %+v", c.NearDuplicates)
	}
	if same := c.Same(); len(same.Sums) != 24 || len(same.Near) != 1 || same.Near[0][0] != 4 || same.Near[0][1] != 20 {
		t.Errorf("got %+v", same.Near)
	}
}

// BenchmarkNeighbours refines a checkup with 3,000 random vectors, or as many as the environment
// asks for.
func BenchmarkNeighbours(b *testing.B) {
	rng := rand.New(rand.NewPCG(2, 3))
	n := 3000
	if s := os.Getenv("DATASET_BENCH_PICTURES"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	f := &dataset.Folder{Labels: []string{"a", "b"}}
	path := filepath.Join(b.TempDir(), "x.png")
	picturetest.Write(b, path, picturetest.Encode(b, "png", picturetest.Noise(8, 8, 1)))
	vectors := make([][]float32, n)
	for i := range n {
		f.Items = append(f.Items, dataset.Item{Path: path + strconv.Itoa(i), Rel: strconv.Itoa(i), Label: i % 2})
		vectors[i] = make([]float32, 2048)
		for k := range vectors[i] {
			vectors[i][k] = float32(rng.Float64())
		}
	}
	c, err := doctor.Check(b.Context(), f, doctor.Config{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := c.Refine(b.Context(), vectors, doctor.RefineConfig{}); err != nil {
			b.Fatal(err)
		}
	}
}
