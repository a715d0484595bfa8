package head

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/train/internal/traintest"
)

// clouds makes n examples around one centre for each class, of unequal scale in each feature.
func clouds(seed uint64, n, features, classes int) Examples {
	rng := rand.New(rand.NewPCG(seed, 7))
	centre := make([][]float64, classes)
	for k := range centre {
		centre[k] = make([]float64, features)
		for j := range centre[k] {
			centre[k][j] = rng.NormFloat64()
		}
	}
	scale := make([]float64, features)
	for j := range scale {
		scale[j] = math.Exp(rng.NormFloat64())
	}
	ex := Examples{Classes: classes}
	for i := range n {
		k := i % classes
		row := make([]float32, features)
		for j := range row {
			row[j] = float32(scale[j] * max(0, 0.5+0.6*centre[k][j]+rng.NormFloat64()))
		}
		ex.Rows, ex.Labels = append(ex.Rows, row), append(ex.Labels, k)
	}
	return ex
}

func mustFit(t testing.TB, ex Examples, cfg Config) *Solution {
	t.Helper()
	fit, err := Fit(context.Background(), ex, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return fit
}

func normal(seed uint64, n int) []float64 {
	rng := rand.New(rand.NewPCG(seed, 2))
	v := make([]float64, n)
	for i := range v {
		v[i] = rng.NormFloat64()
	}
	return v
}

func TestFitAgainstGradientDescent(t *testing.T) {
	ex := clouds(1, 61, 7, 3)
	const l2 = 0.05
	p := newPlain(ex, l2)
	theta := make([]float64, 3*7+3)
	var loss float64
	for range 8000 {
		var grad []float64
		loss, grad = p.at(theta)
		for i := range theta {
			theta[i] -= 0.3 * grad[i]
		}
	}
	fit := mustFit(t, ex, Config{Options: Options{L2: l2, Scaling: ScaleStandard, Tolerance: 1e-12}})
	if !fit.Converged || !traintest.Near(fit.Loss, loss, 0, 1e-6) {
		t.Errorf("got loss %.9g (converged %t), want %.9g", fit.Loss, fit.Converged, loss)
	}
	for i := range theta {
		if !traintest.Near(fit.theta[i], theta[i], 1e-4, 0) { // the distance is at most sqrt(2e-12 / 0.05)
			t.Errorf("parameter %d: got %.6g, want %.6g", i, fit.theta[i], theta[i])
		}
	}
}

func TestFitAgainstScikitLearn(t *testing.T) {
	data, err := os.ReadFile("testdata/logistic.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Problems []struct {
			Classes       int         `json:"classes"`
			L2            float64     `json:"l2"`
			Rows          [][]float32 `json:"rows"`
			Labels        []int       `json:"labels"`
			Loss          float64     `json:"loss"`
			Probabilities [][]float64 `json:"probabilities"`
		} `json:"problems"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Problems) != 3 {
		t.Fatalf("got %d problems, want 3", len(file.Problems))
	}
	for _, p := range file.Problems {
		fit := mustFit(t, Examples{Rows: p.Rows, Labels: p.Labels, Classes: p.Classes},
			Config{Options: Options{L2: p.L2, Scaling: ScaleStandard, Tolerance: 1e-10}})
		if !traintest.Near(fit.Loss, p.Loss, 0, 1e-6) {
			t.Errorf("%d x %d: loss: got %.9g, want %.9g", len(p.Rows), len(p.Rows[0]), fit.Loss, p.Loss)
		}
		logits, err := Logits(context.Background(), fit.Head, p.Rows, 2) // through the folded head
		if err != nil {
			t.Fatal(err)
		}
		prob := make([]float64, p.Classes)
		for i, want := range p.Probabilities {
			numeric.Softmax(prob, logits[i*p.Classes:(i+1)*p.Classes], 1)
			for k := range want {
				if !traintest.Near(prob[k], want[k], 1e-4, 0) {
					t.Errorf("%d x %d: row %d, class %d: got probability %.6f, want %.6f", len(p.Rows), len(p.Rows[0]), i, k, prob[k],
						want[k])
				}
			}
		}
	}
}

func TestFitGradientAtSolution(t *testing.T) {
	ex := clouds(9, 300, 40, 6)
	for _, tol := range []float64{1e-3, 1e-6, 1e-10} {
		fit := mustFit(t, ex, Config{Options: Options{L2: 0.01, Scaling: ScaleStandard, Tolerance: tol}})
		_, grad := newPlain(ex, 0.01).at(fit.theta)
		largest, sum := 0.0, 0.0
		for i, g := range grad {
			if largest = max(largest, math.Abs(g)); i < 240 {
				sum += g * g
			}
		}
		if !(sum/0.02 <= tol*fit.Loss*1.01) || !fit.Converged || !(fit.Gap <= tol*fit.Loss) ||
			!traintest.Near(fit.Gradient, largest, 1e-7, 0.1) { // 1e-7: the rows are float32
			t.Errorf("tolerance %g: got a gradient of %g, which leaves a gap of %g of %g (told: %g and %g, converged %t)", tol,
				largest, sum/0.02, fit.Loss, fit.Gradient, fit.Gap, fit.Converged)
		}
	}
}

func TestFitL2Monotone(t *testing.T) {
	ex := clouds(11, 200, 20, 4)
	lastNorm, lastLoss := math.Inf(1), 0.0
	for _, l2 := range []float64{0.001, 0.01, 0.1, 1, 10} {
		fit := mustFit(t, ex, Config{Options: Options{L2: l2}})
		norm := 0.0
		for _, w := range fit.theta[:len(fit.Head.W)] {
			norm += w * w
		}
		loss := fit.Loss - l2/2*norm
		if !(norm < lastNorm) || !(loss > lastLoss) {
			t.Errorf("L2 %g: got |W|^2 %g and cross entropy %g, want below %g and above %g", l2, norm, loss, lastNorm, lastLoss)
		}
		lastNorm, lastLoss = norm, loss
	}
}

func TestFitSameBitsForAnyThreads(t *testing.T) {
	ex := clouds(13, 3*chunkRows+5, 10, 3)
	for _, bfloat16 := range []int{-1, 1} {
		want := mustFit(t, ex, Config{Threads: 1, bfloat16: bfloat16})
		for _, threads := range []int{2, 3, 8} {
			got := mustFit(t, ex, Config{Threads: threads, bfloat16: bfloat16})
			if !slices.Equal(got.Head.W, want.Head.W) || !slices.Equal(got.Head.B, want.Head.B) || got.Loss != want.Loss {
				t.Errorf("%d threads: another head than with 1", threads)
			}
		}
	}
}

func TestFitIgnoresConstantFeatures(t *testing.T) {
	ex := clouds(15, 90, 6, 3)
	for _, row := range ex.Rows {
		row[1], row[4] = 0, 0.3 // 0.3: the mean of its float64 sum is not exactly itself
	}
	fit := mustFit(t, ex, Config{})
	for i, w := range fit.Head.W {
		if j := i % 6; (j == 1 || j == 4) && w != 0 {
			t.Errorf("class %d: constant feature %d got weight %g, want 0", i/6, j, w)
		}
	}
	if err := fit.Head.Validate(); err != nil {
		t.Error(err)
	}
}

func TestFitIterationLimit(t *testing.T) {
	fit := mustFit(t, clouds(17, 120, 15, 3), Config{Options: Options{L2: 1e-3, MaxIterations: 3}})
	if fit.Converged || fit.Iterations != 3 || !(fit.Gradient > 1e-6) {
		t.Errorf("got %d iterations, gradient %g, converged %t; want 3, more than 1e-6, false", fit.Iterations, fit.Gradient,
			fit.Converged)
	}
}

func TestFitProgress(t *testing.T) {
	ex := clouds(19, 120, 15, 3)
	var events []Event
	fit := mustFit(t, ex, Config{Validation: &ex, Progress: func(e Event) { events = append(events, e) }})
	quiet := mustFit(t, ex, Config{})
	if !slices.Equal(fit.Head.W, quiet.Head.W) {
		t.Error("watching the progress changes the head")
	}
	if len(events) < 3 {
		t.Fatalf("got %d events, want one an iteration", len(events))
	}
	for i, e := range events[1:] {
		if e.Phase != PhaseFit || e.Done < events[i].Done || !(e.Loss <= events[i].Loss+1e-6) {
			t.Errorf("event %d: got %+v after %+v", i+1, e, events[i])
		}
	}
	last := events[len(events)-1]
	acc, err := accuracy(context.Background(), fit.Head, ex, 1)
	if err != nil {
		t.Fatal(err)
	}
	if last.Done != fit.Iterations || last.Loss != fit.Loss || last.TrainAccuracy != acc ||
		last.ValidationAccuracy != acc || acc < 0.5 {
		t.Errorf("last event: got %+v, want iteration %d, loss %g, accuracies %g", last, fit.Iterations, fit.Loss, acc)
	}
}

func TestFitCancelled(t *testing.T) {
	ex := clouds(21, 600, 200, 20)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	_, err := Fit(ctx, ex, Config{Progress: func(Event) {
		if n++; n == 3 {
			cancel()
		}
	}, Options: Options{Tolerance: 1e-12}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	if n > 4 {
		t.Errorf("%d events after the end of the context", n-3)
	}
	late, stop := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer stop()
	if _, err := Fit(late, ex, Config{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
}

// TestChunksFail: the error of one chunk is that of the whole, whoever computes it, what comes after
// it is not added, and nobody waits for ever.
func TestChunksFail(t *testing.T) {
	broken := errors.New("the chunk broke")
	for _, threads := range []int{1, 3} {
		s, err := newSolver(context.Background(), clouds(23, 4*chunkRows, 5, 3), Config{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		added := 0
		err = s.obj.inTurn(func(_ *lane, lo, _ int) error {
			if lo == 2*chunkRows {
				return broken
			}
			return nil
		}, func(*lane) error { added++; return nil })
		if !errors.Is(err, broken) || added != 2 {
			t.Errorf("%d threads: got %v after %d chunks, want the chunk's error after two", threads, err, added)
		}
	}
}

func TestFitRefuses(t *testing.T) {
	nan := float32(math.NaN())
	type rows = [][]float32
	for _, c := range []struct {
		name, want string
		ex         Examples
		cfg        Config
	}{
		{"no rows", "no rows", Examples{Classes: 2}, Config{}},
		{"one class", "1 classes", Examples{Rows: rows{{1}}, Labels: []int{0}, Classes: 1}, Config{}},
		{"class without rows", "class 1 of 2", Examples{Rows: rows{{1}}, Labels: []int{0}, Classes: 2}, Config{}},
		{"ragged", "row 1: got 2 features, want 1", Examples{Rows: rows{{1}, {1, 2}}, Labels: []int{0, 1}, Classes: 2},
			Config{}},
		{"no features", "row 0: got 0 features", Examples{Rows: rows{{}, {}}, Labels: []int{0, 1}, Classes: 2}, Config{}},
		{"labels", "2 rows and 1 labels", Examples{Rows: rows{{1}, {2}}, Labels: []int{0}, Classes: 2}, Config{}},
		{"label out of range", "got label 2, want 0..1", Examples{Rows: rows{{1}, {2}}, Labels: []int{0, 2}, Classes: 2},
			Config{}},
		{"NaN", "row 1, feature 0", Examples{Rows: rows{{1}, {nan}}, Labels: []int{0, 1}, Classes: 2}, Config{}},
		{"L2", "L2: got -1", clouds(1, 9, 2, 3), Config{Options: Options{L2: -1}}},
		{"L2 NaN", "L2: got NaN", clouds(1, 9, 2, 3), Config{Options: Options{L2: math.NaN()}}},
		{"scaling", `Scaling: got "much"`, clouds(1, 9, 2, 3), Config{Options: Options{Scaling: "much"}}},
		{"tolerance", "Tolerance", clouds(1, 9, 2, 3), Config{Options: Options{Tolerance: -1}}},
		{"iterations", "MaxIterations", clouds(1, 9, 2, 3), Config{Options: Options{MaxIterations: -1}}},
		{"threads", "Threads", clouds(1, 9, 2, 3), Config{Threads: -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Fit(context.Background(), c.ex, c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestSearch(t *testing.T) {
	ex := clouds(25, 200, 60, 3) // many features for its size, and every fourth label wrong: a weak L2 overfits
	for i := 0; i < 200; i += 4 {
		ex.Labels[i] = (ex.Labels[i] + 1) % 3
	}
	fold := make([]int, 200)
	for i := range fold {
		fold[i] = i / 3 % 4
	}
	for i := 190; i < 200; i++ {
		fold[i] = -1 - fold[i] // views
	}
	s, err := newSolver(context.Background(), ex, Config{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := newSearch(s, fold, []Scaling{ScaleHalf, ScaleStandard})
	if err != nil {
		t.Fatal(err)
	}
	best, err := h.run(nil)
	if err != nil {
		t.Fatal(err)
	}
	if h.folds != 4 || h.pictures != 190 || best.L2 <= gridAt(gridSize-1)*DefaultL2(3) {
		t.Fatalf("got %d folds, %d pictures and L2 %g, want 4, 190 and not the weakest", h.folds, h.pictures, best.L2)
	}
	for _, c := range h.tried { // each as solved for from zero, fold by fold
		if c.ValidationLogLoss < best.ValidationLogLoss {
			t.Errorf("chose %+v, but %+v is better", best, c)
		}
		loss, right := 0.0, 0
		for f := range 4 {
			in := ex.some(func(i int) bool { return fold[i] != f && fold[i] != -1-f })
			out := ex.some(func(i int) bool { return fold[i] == f })
			fit := mustFit(t, in, Config{Options: Options{L2: c.L2, Scaling: c.Scaling, Tolerance: 1e-8}})
			logits, err := Logits(context.Background(), fit.Head, out.Rows, 1)
			if err != nil {
				t.Fatal(err)
			}
			l, r := score(logits, out, 1)
			loss, right = loss+l*float64(len(out.Rows))/190, right+r
		}
		if !traintest.Near(c.ValidationLogLoss, loss, 0, 1e-3) ||
			!traintest.Near(c.ValidationAccuracy, float64(right)/190, 0.02, 0) {
			t.Errorf("%+v: solved for anew the log loss is %g, the accuracy %g", c, loss, float64(right)/190)
		}
	}
	if _, err := newSearch(s, make([]int, 200), []Scaling{ScaleHalf}); err == nil ||
		!strings.Contains(err.Error(), "too few") {
		t.Errorf("one fold: got %v", err)
	}
}
