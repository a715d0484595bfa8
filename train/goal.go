package train

import "fmt"

// goal says what a head is to answer for each example, and how much that counts. With weights v_i
// of the examples, whose mean is 1, the loss is the mean of v_i c_l H(t, softmax(logits)), l the
// label and c its class's weight; for several labels a row it is the mean of v_i sum_k u_k H(t_k,
// sigmoid(logit_k)), u_k being c_k where the row has the label.
type goal struct {
	ex        Examples
	on, off   float32   // targets of labels that a row has and has not
	of        []float64 // [n], v_i
	has, lack []float64 // [K]: weights of a label where a row has it, and (several labels a row only) where not
}

// goalConfig is what of FitConfig makes a goal.
type goalConfig struct {
	smoothing float64   // see FitConfig.Smoothing
	weights   []float64 // [K] or nil, see FitConfig.ClassWeights
	balanced  bool
}

func newGoal(ex Examples, cfg goalConfig) (*goal, error) {
	if cfg.weights != nil && len(cfg.weights) != ex.Classes {
		return nil, fmt.Errorf("train: config: ClassWeights: got %d, want one for each of %d classes", len(cfg.weights),
			ex.Classes)
	}
	n, k := len(ex.Rows), ex.Classes
	g := &goal{ex: ex, of: make([]float64, n), has: make([]float64, k), lack: make([]float64, k)}
	total, count := 0.0, make([]float64, k)
	for i := range ex.Rows {
		g.of[i] = ex.weight(i)
		total += g.of[i]
		for _, l := range ex.set(i) {
			count[l] += g.of[i]
		}
	}
	for i := range g.of {
		g.of[i] *= float64(n) / total
	}
	for l := range k {
		g.has[l], g.lack[l] = 1, 1
		if cfg.balanced && count[l] > 0 {
			sides := float64(k)
			if ex.Sets != nil {
				sides = 2
				g.lack[l] = total / (sides * max(total-count[l], total/float64(2*n)))
			}
			g.has[l] = total / (sides * count[l])
		}
		if cfg.weights != nil {
			g.has[l] *= cfg.weights[l]
		}
	}
	// Smoothing moves a part of the certainty to all the answers there are: K classes, or yes and
	// no.
	answers := float64(k)
	if ex.Sets != nil {
		answers = 2
	}
	g.off = float32(cfg.smoothing / answers)
	g.on = float32(1 - cfg.smoothing + cfg.smoothing/answers)
	return g, nil
}

// width is how many weights a row has: lossGrad's weights are [n*width].
func (g *goal) width() int {
	if g.ex.Sets == nil {
		return 1
	}
	return g.ex.Classes
}

// put makes row r of a chunk, whose targets are all off, that of example i.
func (g *goal) put(r, i int, targets, weights []float32) {
	k := g.ex.Classes
	if g.ex.Sets == nil {
		l := g.ex.Labels[i]
		targets[r*k+l] = g.on
		weights[r] = float32(g.of[i] * g.has[l])
		return
	}
	at := weights[r*k : (r+1)*k]
	for l := range at {
		at[l] = float32(g.of[i] * g.lack[l])
	}
	for _, l := range g.ex.Sets[i] {
		targets[r*k+l] = g.on
		at[l] = float32(g.of[i] * g.has[l])
	}
}

// drop undoes put in the targets.
func (g *goal) drop(r, i int, targets []float32) {
	for _, l := range g.ex.set(i) {
		targets[r*g.ex.Classes+l] = g.off
	}
}

// blank returns targets for so many rows, all off.
func (g *goal) blank(rows int) []float32 {
	targets := make([]float32, rows*g.ex.Classes)
	if g.off != 0 {
		for i := range targets {
			targets[i] = g.off
		}
	}
	return targets
}
