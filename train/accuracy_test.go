package train

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	small "github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/train/metrics"
)

// TestAccuracy prints the table of docs/accuracy.md: what heads that read the last block, every
// block, and what they choose themselves say of pictures that they were not trained on, in five
// folds with near copies kept together, with default settings, temperature included; and by how much
// the log loss differs from the first row's of that set and trunk, with the standard error of the
// difference over the pictures.
//
//	REHEAD_ACCURACY=flowers,signs go test ./train -run TestAccuracy -v -timeout 3h
//
// REHEAD_ACCURACY names sets: flowers, signs, of the data outside the project; shapes, plate and part,
// which are drawn; or folders of label folders.
// REHEAD_CACHE keeps what the trunks say of them; REHEAD_TRUNKS (embedded,full) and
// REHEAD_FEATURES (last,all,auto) choose rows, REHEAD_VIEWS how many views of a picture are answered
// with, and REHEAD_SIZE the side of the network's input.
func TestAccuracy(t *testing.T) {
	sets := os.Getenv("REHEAD_ACCURACY")
	if sets == "" {
		t.Skip("REHEAD_ACCURACY names no set of pictures: this takes minutes a set")
	}
	cacheDir := cmp.Or(os.Getenv("REHEAD_CACHE"), t.TempDir())
	fmt.Println("| set | trunk | features | values | accuracy | 95 % | log loss | difference | ECE | seconds | head |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|")
	for _, set := range strings.Split(sets, ",") {
		for _, trunk := range strings.Split(cmp.Or(os.Getenv("REHEAD_TRUNKS"), "embedded,full"), ",") {
			var first []float64
			for _, features := range strings.Split(cmp.Or(os.Getenv("REHEAD_FEATURES"), "last,all,auto"), ",") {
				w := accuracyTrunk(t, trunk)
				row, losses := accuracyRow(t, accuracySet(t, set), w,
					Config{Features: features, EmbedConfig: EmbedConfig{CacheDir: cacheDir}}, first)
				fmt.Printf("| %s | %s | %s |%s\n", filepath.Base(set), trunk, features, row)
				if first == nil {
					first = losses
				}
			}
		}
	}
}

func accuracyTrunk(t *testing.T, name string) *inception.Weights {
	t.Helper()
	var w *inception.Weights
	var err error
	if name == "full" {
		w, err = inception.ReadWeights(datatest.Shared(t, "weights", "inception-2015-12-05.safetensors"))
	} else {
		w, err = small.Weights()
	}
	if err != nil {
		t.Fatal(err)
	}
	if size := os.Getenv("REHEAD_SIZE"); size != "" {
		r := w.Recipe
		if r.Size, err = strconv.Atoi(size); err != nil {
			t.Fatal(err)
		}
		w = w.WithRecipe(r)
	}
	return w
}

// accuracySet is one of the named sets, or a folder.
func accuracySet(t *testing.T, name string) *dataset.Folder {
	t.Helper()
	switch name {
	case "flowers", "signs":
		return scan(t, datatest.Shared(t, "data", name))
	case "shapes":
		dir := filepath.Join(t.TempDir(), name)
		if err := draw.Folder(dir, 6, 40, 1); err != nil {
			t.Fatal(err)
		}
		return scan(t, dir)
	case "plate", "part":
		dir := filepath.Join(t.TempDir(), name)
		if err := draw.Surfaces(dir, name, 40, 1); err != nil {
			t.Fatal(err)
		}
		return scan(t, dir)
	}
	return scan(t, name)
}

// answerViews makes of the logits [n,K] of the pictures of a fold those of REHEAD_VIEWS views of them.
func (r *run) answerViews(t *testing.T, fold []int, k int, logits []float64) {
	t.Helper()
	views, _ := strconv.Atoi(os.Getenv("REHEAD_VIEWS"))
	if views < 2 {
		return
	}
	e := newEmbedder(r.cfg.EmbedConfig, r.weights, len(r.items), map[Phase]float64{})
	e.deep = r.deep
	m := &inception.Model{Head: r.res.Fit.Head, Reads: r.reads, Temperature: r.temp, Views: views}
	var items []dataset.Item
	var own []float64
	got, n := &embedded{}, m.Head.Classes
	for i, it := range r.items {
		if fold[i] == k {
			items, own = append(items, it), append(own, logits[i*n:(i+1)*n]...)
			got.sums, got.rows = append(got.sums, r.sums[i]), append(got.rows, r.rows[i])
		}
	}
	if err := e.addViews(t.Context(), m, items, got, own); err != nil {
		t.Fatal(err)
	}
	for i := range r.items {
		if fold[i] == k {
			copy(logits[i*n:(i+1)*n], own)
			own = own[n:]
		}
	}
}

// accuracyRow trains five times, without one fold each, and measures all answers together; it returns
// the loss of each picture, too, to compare others with.
func accuracyRow(t *testing.T, folder *dataset.Folder, w *inception.Weights, cfg Config,
	first []float64) (row string, losses []float64) {
	t.Helper()
	ctx := t.Context()
	cfg.Split = dataset.SplitConfig{Validation: -1, Test: -1}
	r := &run{cfg: cfg, folder: folder, weights: w, res: &Result{Seconds: map[Phase]float64{}}}
	f, _, err := parseFeatures(cfg.Features)
	if err != nil {
		t.Fatal(err)
	}
	asked := cfg.Features
	if r.cfg.Features = ""; f != nil {
		r.deep = &deep{}
	}
	r.trunk = newEmbedder(r.cfg.EmbedConfig, w, len(folder.Items), r.res.Seconds)
	defer r.trunk.close()
	if err := r.embed(ctx); err != nil {
		t.Fatal(err)
	}
	defer r.deep.close()
	r.cfg.Features = asked
	at := make([]int, len(r.items))
	for i := range at {
		at[i] = i
	}
	fold, err := r.deal(r.items, at, folds)
	if err != nil {
		t.Fatal(err)
	}
	said := metrics.Predictions{Items: r.items, Labels: folder.Labels, Temperature: 1, Part: "all",
		Logits: make([]float64, len(r.items)*len(folder.Labels))}
	last, values, seconds := r.rows, 0, 0.0
	for k := range folds {
		for i := range r.items {
			r.items[i].Split = dataset.Train
			if fold[i] == k {
				r.items[i].Split = dataset.Test
			}
		}
		began := time.Now()
		r.rows, r.reads, r.tried = last, nil, nil
		if err := r.readFeatures(ctx); err != nil {
			t.Fatal(err)
		}
		if err := r.solve(ctx); err != nil {
			t.Fatal(err)
		}
		seconds += time.Since(began).Seconds()
		values += len(r.rows[0])
		n := len(folder.Labels)
		for i := range r.items {
			if fold[i] != k {
				continue
			}
			z := said.Logits[i*n : (i+1)*n]
			if err := r.res.Fit.Head.Logits(r.rows[i], z); err != nil {
				t.Fatal(err)
			}
		}
		r.answerViews(t, fold, k, said.Logits)
		for i := range r.items {
			if fold[i] != k {
				continue
			}
			for j := range n {
				said.Logits[i*n+j] /= r.temp
			}
		}
	}
	for i, it := range r.items {
		k := len(folder.Labels)
		losses = append(losses, numeric.CrossEntropy(said.Logits[i*k:(i+1)*k], it.Label, 1))
	}
	difference := ""
	if first != nil {
		mean, e := pairedDifference(losses, first)
		difference = fmt.Sprintf("%+.3f ± %.3f", mean, e)
	}
	m, _ := said.Measure()
	return fmt.Sprintf(" %d | %.1f %% | %.1f to %.1f | %.3f | %s | %.3f | %.1f | %.2f MB |", values/folds, 100*m.All.Accuracy,
		100*m.All.Interval[0], 100*m.All.Interval[1], m.All.LogLoss, difference, m.ECE, seconds/folds,
		float64(values/folds*len(folder.Labels)*4)/1e6), losses
}
