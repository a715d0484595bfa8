package head

import (
	"math"
	"slices"

	"github.com/c236555e/rehead/internal/wrongfield"
)

// targets say what a head is to answer for each example, and how much that counts. With weights v_i
// of the examples, whose mean is 1, the loss is the mean of v_i c_l H(t, softmax(logits)), l the
// label and c its class's weight; for several labels a row it is the mean of v_i sum_k u_k H(t_k,
// sigmoid(logit_k)), u_k being c_k where the row has the label.
type targets struct {
	ex        Examples
	on, off   float64   // targets of labels that a row has and has not
	of        []float64 // [n], v_i
	has, lack []float64 // [K]: weights of a label where a row has it, and (several labels a row only) where not

	wanted []float64 // [K]: mean over the rows of weight times target
	all    []float64 // [K]: mean over the rows of the weight
}

func newTargets(ex Examples, cfg Config) (*targets, error) {
	if cfg.ClassWeights != nil && len(cfg.ClassWeights) != ex.Classes {
		return nil, wrongfield.Errorf("train: config", "ClassWeights",
			"got %d, want one for each of %d classes", len(cfg.ClassWeights),
			ex.Classes)
	}
	n := len(ex.Labels)
	t := &targets{ex: ex, of: make([]float64, n)}
	total, count := 0.0, make([]float64, ex.Classes)
	for i := range ex.Labels {
		t.of[i] = ex.weight(i)
		total += t.of[i]
		for _, l := range ex.set(i) {
			count[l] += t.of[i]
		}
	}
	for i := range t.of {
		t.of[i] *= float64(n) / total
	}
	t.weigh(cfg, n, total, count)
	t.sum()
	return t, nil
}

// weigh sets what classes and answers count among n examples of a total weight, count [K] being that of
// each class.
func (t *targets) weigh(cfg Config, n int, total float64, count []float64) {
	k := t.ex.Classes
	t.has, t.lack = make([]float64, k), make([]float64, k)
	for l := range k {
		t.has[l], t.lack[l] = 1, 1
		if cfg.Balanced && count[l] > 0 {
			sides := float64(k)
			if t.ex.MultiLabel != nil {
				sides = 2
				t.lack[l] = total / (sides * max(total-count[l], total/float64(2*n)))
			}
			t.has[l] = total / (sides * count[l])
		}
		if cfg.ClassWeights != nil {
			t.has[l] *= cfg.ClassWeights[l]
		}
	}
	// Smoothing moves a part of the certainty to all the answers there are: K classes, or yes and
	// no.
	answers := float64(k)
	if t.ex.MultiLabel != nil {
		answers = 2
	}
	t.off = cfg.Smoothing / answers
	t.on = 1 - cfg.Smoothing + cfg.Smoothing/answers
}

// counted is what is asked of n examples that are not at hand, count [K] of which have each label.
func counted(cfg Config, multi bool, n int, count []float64) *targets {
	t := &targets{ex: Examples{Classes: len(count)}}
	if multi {
		t.ex.MultiLabel = [][]int{}
	}
	t.weigh(cfg, n, float64(n), count)
	t.wanted, t.all = make([]float64, len(count)), make([]float64, len(count))
	for l, c := range count {
		share := c / float64(n)
		t.wanted[l] = share * t.has[l] * (t.on - t.off)
		if multi {
			t.all[l] = t.lack[l] + share*(t.has[l]-t.lack[l])
		} else {
			t.all[0] += share * t.has[l]
		}
	}
	for l := range count {
		if !multi {
			t.all[l] = t.all[0]
		}
		t.wanted[l] += t.off * t.all[l]
	}
	return t
}

// sum fills in wanted and all.
func (t *targets) sum() {
	n, k := float64(len(t.of)), t.ex.Classes
	t.wanted, t.all = make([]float64, k), make([]float64, k)
	for i, v := range t.of {
		if t.ex.MultiLabel == nil {
			y := t.ex.Labels[i]
			t.wanted[y] += v * t.has[y] * (t.on - t.off) / n
			t.all[0] += v * t.has[y] / n
			continue
		}
		for l := range k {
			t.all[l] += v * t.lack[l] / n
		}
		for _, l := range t.ex.MultiLabel[i] {
			t.wanted[l] += v * t.has[l] * (t.on - t.off) / n
			t.all[l] += v * (t.has[l] - t.lack[l]) / n
		}
	}
	for l := range k {
		if t.ex.MultiLabel == nil {
			t.all[l] = t.all[0]
		}
		t.wanted[l] += t.off * t.all[l]
	}
}

// never stands for an infinite bias: its exponential is 0 in any precision.
const never = 1e4

// bias is that of a head that knows how frequent labels are and nothing else. A label that none has,
// or all have, as can be in a fold, is decided: it has part in no loss and no gradient.
func (t *targets) bias() []float64 {
	b, sum, free := make([]float64, t.ex.Classes), 0.0, 0.0
	for l := range b {
		rest := t.all[l]
		if t.ex.MultiLabel != nil {
			rest -= t.wanted[l]
		}
		switch {
		case t.wanted[l] == 0:
			b[l] = -never
		case !(rest > 1e-12*t.all[l]):
			b[l] = never
		default:
			b[l] = math.Log(t.wanted[l] / rest)
			sum, free = sum+b[l], free+1
		}
	}
	for l := range b {
		if t.ex.MultiLabel == nil && !decided(b[l]) {
			b[l] -= sum / free // of a softmax only differences matter
		}
	}
	return b
}

// decided says whether bias found a label to be decided.
func decided(b float64) bool { return math.Abs(b) == never }

// most is the largest weight of row i.
func (t *targets) most(i int) float64 {
	if t.ex.MultiLabel == nil {
		return t.of[i] * t.has[t.ex.Labels[i]]
	}
	return t.of[i] * max(slices.Max(t.has), slices.Max(t.lack))
}

// width is how many weights a row has: lossGrad's weights are [n*width].
func (t *targets) width() int {
	if t.ex.MultiLabel == nil {
		return 1
	}
	return t.ex.Classes
}

// put makes row r of a chunk, whose values are all off, that of example i.
func (t *targets) put(r, i int, values, weights []float32) {
	k := t.ex.Classes
	if t.ex.MultiLabel == nil {
		l := t.ex.Labels[i]
		values[r*k+l] = float32(t.on)
		weights[r] = float32(t.of[i] * t.has[l])
		return
	}
	at := weights[r*k : (r+1)*k]
	for l := range at {
		at[l] = float32(t.of[i] * t.lack[l])
	}
	for _, l := range t.ex.MultiLabel[i] {
		values[r*k+l] = float32(t.on)
		at[l] = float32(t.of[i] * t.has[l])
	}
}

// drop undoes put in the values.
func (t *targets) drop(r, i int, values []float32) {
	for _, l := range t.ex.set(i) {
		values[r*t.ex.Classes+l] = float32(t.off)
	}
}

// blank returns values for so many rows, all off.
func (t *targets) blank(rows int) []float32 {
	values := make([]float32, rows*t.ex.Classes)
	if t.off != 0 {
		for i := range values {
			values[i] = float32(t.off)
		}
	}
	return values
}
