package head

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/train/internal/traintest"
)

// TestSolversReachTheSameHead holds the solvers of small steps, run to the end, to the one answer
// that L-BFGS finds.
func TestSolversReachTheSameHead(t *testing.T) {
	ex := clouds(41, 300, 8, 3)
	want := mustFit(t, ex, Config{Options: Options{L2: 0.1, Tolerance: 1e-9}})
	for solver, d := range map[Solver]MiniBatch{
		SGD:      {Rate: 0.1, Epochs: 300, Schedule: Cosine},
		Momentum: {Rate: 0.02, Epochs: 200, Schedule: Step, DropEvery: 60, Batch: 64},
		Adam:     {Rate: 0.01, Epochs: 200, Schedule: Cosine},
	} {
		got := mustFit(t, ex, Config{Options: Options{Solver: solver, MiniBatch: d, L2: 0.1, Seed: 3}})
		if got.Solver != solver || !(got.Loss >= want.Loss-1e-9) || !traintest.Near(got.Loss, want.Loss, 0, 1e-3) ||
			got.BestEpoch != 0 {
			t.Errorf("%s: got loss %g (best epoch %d), want %g within 0.1 %%", solver, got.Loss, got.BestEpoch, want.Loss)
		}
		again := mustFit(t, ex, Config{Threads: 1, Options: Options{Solver: solver, MiniBatch: d, L2: 0.1, Seed: 3}})
		if !reflect.DeepEqual(got, again) {
			t.Errorf("%s: a second run on one thread gives another head", solver)
		}
		if other := mustFit(t, ex, Config{Options: Options{Solver: solver, MiniBatch: d, L2: 0.1,
			Seed: 4}}); reflect.DeepEqual(got.Head,
			other.Head) {
			t.Errorf("%s: another seed gives the same head", solver)
		}
	}
}

func TestRetrain(t *testing.T) {
	ex := clouds(43, 60, 8, 3)
	f := mustFit(t, ex, Config{Options: Options{Solver: Retrain, MiniBatch: MiniBatch{Steps: 700}, Seed: 1}})
	if f.Iterations != 700 || f.L2 != 0 {
		t.Errorf("got %d steps and L2 %g, want 700 and none", f.Iterations, f.L2)
	}
	s, err := newSolver(context.Background(), ex, Config{Options: Options{Solver: Retrain}})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.newSGD()
	if err != nil {
		t.Fatal(err)
	}
	first := make([]float32, 8)
	if err := s.obj.rows.Get(first, 0); err != nil {
		t.Fatal(err)
	}
	if w.steps != 4000 || w.b.Batch != 100 || w.b.Rate != 0.01 || !reflect.DeepEqual(first, ex.Rows[0]) {
		t.Errorf("got %d steps, batches of %d, rate %g, first row %v; want retrain.py's 4000, 100, 0.01 and "+
			"bottlenecks as they are", w.steps, w.b.Batch, w.b.Rate, first)
	}
	weights, square := w.theta[:24], 0.0
	for _, v := range weights {
		square += v * v
		if math.Abs(v) > 0.002 || v == 0 {
			t.Errorf("first weight %g, want one of a normal distribution of deviation 0.001, cut at two", v)
		}
	}
	for _, b := range w.theta[24:] {
		if b != 0 {
			t.Errorf("first bias %g, want 0", b)
		}
	}
	// One step by hand: W - 0.01 dL/dW of the batch's mean cross entropy.
	began := append([]float64(nil), w.theta...)
	w.pick()
	batch := append([]int(nil), w.batch...)
	if err := w.next(); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(batch, w.batch) || len(batch) != 100 {
		t.Fatalf("a step's batch depends on more than its number")
	}
	want := append([]float64(nil), began...)
	for _, i := range batch {
		logits, p := make([]float64, 3), make([]float64, 3)
		for k := range logits {
			logits[k] = began[24+k]
			for j, v := range ex.Rows[i] {
				logits[k] += began[k*8+j] * float64(v)
			}
		}
		numeric.Softmax(p, logits, 1)
		p[ex.Labels[i]]--
		for k := range p {
			want[24+k] -= 0.01 * p[k] / 100
			for j, v := range ex.Rows[i] {
				want[k*8+j] -= 0.01 * p[k] * float64(v) / 100
			}
		}
	}
	got := make([]float32, len(want))
	for i, v := range w.theta {
		got[i] = float32(v)
	}
	traintest.NearAll(t, "after a step", got, want, 1e-5)
}

func TestEarlyStoppingKeepsTheBestEpoch(t *testing.T) {
	ex, valid := clouds(45, 60, 40, 3), clouds(46, 200, 40, 3)
	for i := 0; i < 60; i += 4 {
		ex.Labels[i] = (ex.Labels[i] + 1) % 3 // so that learning it by heart does harm
	}
	d := MiniBatch{Rate: 0.05, Patience: 3, Epochs: 200, Batch: 20}
	f := mustFit(t, ex, Config{Validation: &valid, Options: Options{Solver: SGD, MiniBatch: d, L2: 1e-6}})
	epochs := f.Iterations / 3
	if f.BestEpoch == 0 || f.BestEpoch != epochs-3 || epochs == 200 {
		t.Fatalf("best epoch %d of %d, want three before the last, which is not the 200th", f.BestEpoch, epochs)
	}
	logits, err := Logits(context.Background(), f.Head, valid.Rows, 1)
	if err != nil {
		t.Fatal(err)
	}
	if loss, _ := score(logits, valid, 1); !traintest.Near(loss, f.ValidationLoss, 0, 1e-5) { // it was measured in float32
		t.Errorf("the head's validation loss is %g, that of the best epoch %g", loss, f.ValidationLoss)
	}
	d.Patience = -1
	if never := mustFit(t, ex, Config{Validation: &valid,
		Options: Options{Solver: SGD, MiniBatch: d, L2: 1e-6}}); never.Iterations != 600 || never.BestEpoch != f.BestEpoch {
		t.Errorf("without patience: got %d steps, best epoch %d; want 600 and %d", never.Iterations, never.BestEpoch,
			f.BestEpoch)
	}
}

// TestWeightsCountAsCopies: an example of weight 3 is three examples, whichever way the weight
// comes about.
func TestWeightsCountAsCopies(t *testing.T) {
	ex := clouds(47, 90, 6, 3)
	copies, weighted := ex, ex
	copies.Rows, copies.Labels = append([][]float32(nil), ex.Rows...), append([]int(nil), ex.Labels...)
	weighted.Weights = make([]float64, 90)
	factors := []float64{1, 3, 1}
	for i, l := range ex.Labels {
		weighted.Weights[i] = 2 * factors[l] // only ratios matter
		if l == 1 {
			copies.Rows, copies.Labels = append(copies.Rows, ex.Rows[i], ex.Rows[i]), append(copies.Labels, 1, 1)
		}
	}
	// other scalings are of the rows, not of their weights
	cfg := Config{Options: Options{L2: 0.05, Scaling: ScaleNone, Tolerance: 1e-12}}
	want := mustFit(t, copies, cfg)
	byWeight := mustFit(t, weighted, cfg)
	compare := func(what string, got *Solution) {
		t.Helper()
		w := make([]float64, len(want.Head.W))
		for i, v := range want.Head.W {
			w[i] = float64(v)
		}
		traintest.NearAll(t, what, got.Head.W, w, 1e-4)
	}
	compare("weights of examples", byWeight)
	// The same from class weights, whose loss is the mean over examples: L2 grows with the mean
	// weight.
	mean := 0.0
	for _, l := range ex.Labels {
		mean += factors[l] / 90
	}
	byClass := cfg
	byClass.ClassWeights, byClass.L2 = factors, cfg.L2*mean
	compare("class weights", mustFit(t, ex, byClass))
	// Balanced: every class counts the same.
	few := ex.some(func(i int) bool { return ex.Labels[i] != 2 || i%5 == 0 })
	g, err := newTargets(few, Config{Balanced: true})
	if err != nil {
		t.Fatal(err)
	}
	sums := make([]float64, 3)
	for i, l := range few.Labels {
		sums[l] += g.of[i] * g.has[l]
	}
	if !traintest.Near(sums[0], sums[1], 0, 1e-9) || !traintest.Near(sums[0], sums[2], 0, 1e-9) ||
		!traintest.Near(sums[0], float64(len(few.Labels))/3, 0, 1e-9) {
		t.Errorf("balanced classes count %v, want the same each", sums)
	}
}

// TestSmoothing holds the smoothed loss to its definition.
func TestSmoothing(t *testing.T) {
	ex := clouds(49, 40, 5, 4)
	f := mustFit(t, ex, Config{Options: Options{Smoothing: 0.2, L2: 0.1}})
	logits, err := Logits(context.Background(), f.Head, ex.Rows, 1)
	if err != nil {
		t.Fatal(err)
	}
	loss := 0.0
	for i, l := range ex.Labels {
		row := logits[i*4 : (i+1)*4]
		for k := range 4 {
			target := 0.05
			if k == l {
				target = 0.85
			}
			loss += target * numeric.CrossEntropy(row, k, 1) / 40
		}
	}
	for _, w := range f.theta[:20] {
		loss += 0.1 / 2 * w * w
	}
	if !traintest.Near(f.Loss, loss, 0, 1e-5) {
		t.Errorf("got loss %g, by definition %g", f.Loss, loss)
	}
}

// multiLabelClouds gives each example of clouds a second label, by the sign of its first feature.
func multiLabelClouds(seed uint64, n int) Examples {
	ex := clouds(seed, n, 6, 3)
	ex.Classes = 4
	for i, row := range ex.Rows {
		set := []int{ex.Labels[i]}
		if row[0] > 0 {
			set = append(set, 3)
		}
		ex.MultiLabel = append(ex.MultiLabel, set)
	}
	return ex
}

// TestSigmoidHeadIsOneQuestionALabel: each label's row of the head is that of a head for this label
// alone.
func TestSigmoidHeadIsOneQuestionALabel(t *testing.T) {
	ex := multiLabelClouds(51, 200)
	f := mustFit(t, ex, Config{Options: Options{L2: 0.02, Tolerance: 1e-10}})
	if f.Head.Activation != inception.Sigmoid || !f.Converged {
		t.Fatalf("got activation %q, converged %t", f.Head.Activation, f.Converged)
	}
	for l := range 4 {
		one := Examples{Rows: ex.Rows, Classes: 2}
		for i := range ex.Rows {
			label := 0
			for _, s := range ex.MultiLabel[i] {
				if s == l {
					label = 1
				}
			}
			one.Labels = append(one.Labels, label)
		}
		// softmax over two rows w and -w is sigmoid(2w): |W|^2 is 2|w|^2 where the sigmoid has
		// |2w|^2.
		alone := mustFit(t, one, Config{Options: Options{L2: 0.04, Tolerance: 1e-10}})
		want := make([]float64, 6)
		for j := range want {
			want[j] = float64(alone.Head.W[6+j]) - float64(alone.Head.W[j])
		}
		traintest.NearAll(t, fmt.Sprint("label ", l), f.Head.W[l*6:(l+1)*6], want, 1e-3)
	}
	if _, err := Fit(context.Background(), ex, Config{Options: Options{Solver: Retrain}}); err == nil ||
		!strings.Contains(err.Error(), "one label a picture") {
		t.Errorf("retrain with several labels: got %v", err)
	}
}

func TestWarmStart(t *testing.T) {
	ex := clouds(53, 200, 20, 3)
	cold := mustFit(t, ex, Config{})
	warm := mustFit(t, ex, Config{Start: &cold.Head})
	if warm.Iterations > cold.Iterations/4 || !traintest.Near(warm.Loss, cold.Loss, 0, 1e-6) {
		t.Errorf("from its own head: %d iterations and loss %g; from zero %d and %g", warm.Iterations, warm.Loss,
			cold.Iterations, cold.Loss)
	}
	if _, err := Fit(context.Background(), ex,
		Config{Start: &inception.Head{Classes: 2, Features: 20}}); err == nil {
		t.Error("a head of other classes: no error")
	}
}

func TestOptionsRefuse(t *testing.T) {
	ex := clouds(59, 30, 4, 3)
	for want, cfg := range map[string]Config{
		"solver lbfgs has none":  {Options: Options{MiniBatch: MiniBatch{Rate: 1}}},
		"of solver retrain":      {Options: Options{Solver: SGD, MiniBatch: MiniBatch{Steps: 3}}},
		"choose sgd for L2":      {Options: Options{Solver: Retrain, L2: 1}},
		`Solver: got "newton"`:   {Options: Options{Solver: "newton"}},
		`Schedule: got "warm"`:   {Options: Options{Solver: SGD, MiniBatch: MiniBatch{Schedule: "warm"}}},
		"Dropout: got 1":         {Options: Options{Solver: SGD, MiniBatch: MiniBatch{Dropout: 1}}},
		"Momentum: got 1":        {Options: Options{Solver: Momentum, MiniBatch: MiniBatch{Momentum: 1}}},
		"Smoothing: got 0.9":     {Options: Options{Smoothing: 0.9}},
		"ClassWeights: class 1":  {ClassWeights: []float64{1, 0, 1}},
		"ClassWeights: got 2":    {ClassWeights: []float64{1, 1}},
		"take a learning rate s": {Options: Options{Solver: SGD, MiniBatch: MiniBatch{Rate: 1e300}}},
	} {
		if _, err := Fit(context.Background(), ex, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
