package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/train/head"
)

// plantedChoice is a choice among made-up pictures of three classes: a few columns know the class, all
// others are noise.
func plantedChoice(t *testing.T, n, width int, knowing ...int) *choice {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, uint64(width)))
	c := &choice{r: &run{}, width: width, threads: 2, grams: map[int][]float32{},
		spans: []inception.Span{{To: width / 3}, {From: width / 3, To: width}}}
	c.ex.Classes = 3
	for i := range n {
		label := i % 3
		c.ex.Labels, c.fold = append(c.ex.Labels, label), append(c.fold, i/3%4)
		for j := range width {
			v := rng.NormFloat64()
			if at := slices.Index(knowing, j); at >= 0 && at%3 == label {
				v += 2
			}
			c.x = append(c.x, float32(v))
		}
	}
	for _, s := range c.spans {
		scaleSpan(c.x, width, s.From, s.To)
	}
	return c
}

// TestChoiceIsExact: what a head says that was fitted to the factor of the inner products is what
// one says that was fitted to the rows themselves.
func TestChoiceIsExact(t *testing.T) {
	const n, width, fold = 60, 300, 2
	c := plantedChoice(t, n, width, 5, 120, 299)
	g := make([]float64, n*n)
	for s := range c.spans {
		if err := c.gram(g, s); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]float64, n*3)
	if err := c.foldLogits(t.Context(), g, fold, width, got); err != nil {
		t.Fatal(err)
	}
	ex, held := head.Examples{Classes: 3}, [][]float32(nil)
	for i, f := range c.fold {
		row := c.x[i*width : (i+1)*width]
		if f == fold {
			held = append(held, row)
			continue
		}
		ex.Rows, ex.Labels = append(ex.Rows, row), append(ex.Labels, c.ex.Labels[i])
	}
	fit, err := head.Fit(t.Context(), ex, head.Config{Options: head.Options{Scaling: head.ScaleNone}})
	if err != nil {
		t.Fatal(err)
	}
	want, err := head.Logits(t.Context(), fit.Head, held, 1)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for i, f := range c.fold {
		if f != fold {
			if got[3*i] != 0 {
				t.Errorf("picture %d was trained on and has logits", i)
			}
			continue
		}
		for k := range 3 {
			// centred, as a constant for all classes says nothing
			a := got[3*i+k] - (got[3*i]+got[3*i+1]+got[3*i+2])/3
			b := want[at*3+k] - (want[at*3]+want[at*3+1]+want[at*3+2])/3
			if !(math.Abs(a-b) <= 0.06) { // both stop short of the optimum
				t.Errorf("picture %d, class %d: got %g, want %g", i, k, a, b)
			}
		}
		at++
	}
}

// TestRelevance: the columns that know the class come first, and with nothing else kept a head does
// better than with all.
func TestRelevance(t *testing.T) {
	knowing := []int{4, 77, 140, 141, 260, 299}
	c := plantedChoice(t, 90, 300, knowing...)
	g := make([]float64, 90*90)
	for s := range c.spans {
		if err := c.gram(g, s); err != nil {
			t.Fatal(err)
		}
	}
	orders, err := c.relevance(g, []int{0, 1}, everyFold)
	if err != nil {
		t.Fatal(err)
	}
	order := orders[0]
	if first := slices.Sorted(slices.Values(order[:6])); !slices.Equal(first, knowing) || len(order) != 300 {
		t.Errorf("got %v of %d columns first, want %v", first, len(order), knowing)
	}
	parts, err := c.relevance(g, []int{1}, 0, 2)
	if err != nil || len(parts) != 2 || len(parts[1]) != 200 || slices.Min(parts[1]) != 100 {
		t.Errorf("of the second span got %d orders, %v", len(parts), err)
	}
	if alone, err := c.relevance(g, []int{1}, 2); err != nil || !slices.Equal(alone[0], parts[1]) {
		t.Errorf("outside of one fold among others: got another order than alone, %v", err)
	}
	loss := func(columns []int) float64 {
		got, logits := FeatureChoice{}, make([]float64, 90*3)
		for f := range 4 {
			single, err := c.gramOf(columns)
			if err != nil {
				t.Fatal(err)
			}
			of := make([]float64, len(single))
			addWide(of, single)
			if err := c.foldLogits(t.Context(), of, f, len(columns), logits); err != nil {
				t.Fatal(err)
			}
		}
		c.score(&got, logits)
		mean := 0.0
		for i, l := range c.ex.Labels {
			mean += numeric.CrossEntropy(logits[3*i:3*i+3], l, head.FitTemperature(logits, c.ex)) / 90
		}
		if d := got.LogLoss - mean; !(math.Abs(d) <= 1e-9) || !(got.Accuracy > 0.5) {
			t.Errorf("the log loss is %g, want %g; accuracy %g", got.LogLoss, mean, got.Accuracy)
		}
		return got.LogLoss
	}
	if few, all := loss(knowing), loss(order); !(few < all) {
		t.Errorf("the columns that know give a log loss of %g, all of them %g", few, all)
	}
}

// TestBest: another choice than the first has to be better by more than chance.
func TestBest(t *testing.T) {
	made := func(values int, losses ...float64) FeatureChoice {
		c := FeatureChoice{Values: values, losses: losses}
		for _, l := range losses {
			c.LogLoss += l / float64(len(losses))
		}
		return c
	}
	last, lucky := made(1, 1, 1, 1, 1), made(2, 1.5, 1.5, 0.1, 0.8)
	better := made(3, 0.9, 0.8, 0.7, 0.9)
	for want, tried := range map[int][]FeatureChoice{1: {last, lucky}, 3: {last, lucky, better}} {
		if got := best(tried); got.Values != want {
			t.Errorf("got choice %d, want %d", got.Values, want)
		}
	}
	if got := best([]FeatureChoice{last}); got.Values != 1 {
		t.Errorf("got choice %d of one", got.Values)
	}
}
