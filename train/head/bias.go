package head

import (
	"errors"
	"math"
	"slices"

	"github.com/c236555e/rehead/nn/linalg"
)

// Of the search for the best bias.
const (
	biasSteps   = 12
	fullBias    = 1024  // labels up to which their second derivatives are a matrix
	biasNearest = 1e-16 // the share to mend at which nothing is to be gained
	nearBias    = 1e-5  // and nothing to speak of on the way
)

// biasSearch looks for the best bias for logits that stay, of which residuals makes residuals.
type biasSearch[T float32 | float64] struct {
	*objective
	residuals func(l *lane, b []float64, lo, hi int) rowsOf[T]
}

// bias is the search for z's.
func (o *objective) bias() biasSearch[float32] {
	return biasSearch[float32]{o, func(l *lane, b []float64, lo, hi int) rowsOf[float32] {
		return l.residuals(o, b, lo, hi)
	}}
}

// exactBias is the search for u's.
func (o *objective) exactBias() biasSearch[float64] {
	return biasSearch[float64]{o, func(l *lane, b []float64, lo, hi int) rowsOf[float64] {
		return l.exact(o, b, lo, hi)
	}}
}

// best is bestBias of the search.
func (o biasSearch[T]) best(b []float64, near float64) (first float64, err error) {
	return o.bestBias(o, b, near)
}

// biasPasses are over logits that stay.
type biasPasses interface {
	// sums returns the sum of the losses and of their gradients by the bias b.
	sums(b, sums []float64) (loss float64, err error)
	// curvature returns what replaces a gradient by b, where sums was before, by the step of Newton's method.
	curvature(b []float64) (func(g []float64) error, error)
}

// bestBias moves b to the best for the logits, by Newton's method, until near is all that there is to
// mend. It returns the sum of the losses before.
func (o *objective) bestBias(p biasPasses, b []float64, near float64) (first float64, err error) {
	sums, step := make([]float64, o.k), make([]float64, o.k)
	var solve func(g []float64) error
	best, least := slices.Clone(b), math.Inf(1)
	at := slices.Clone(b)
	for i := range biasSteps {
		loss, err := p.sums(at, sums)
		if err != nil {
			return 0, err
		}
		if i == 0 {
			first = loss
		}
		for l := range sums {
			sums[l] /= float64(o.n)
			if o.pull != nil {
				sums[l] += o.pull[l]
			}
		}
		share := o.mend(at, sums)
		enough := share <= near || share > least/2 && share < 0.1
		if share < least {
			copy(best, at)
			least = share
		}
		if enough {
			break
		}
		if solve == nil || share > 0.01 {
			if solve, err = p.curvature(at); err != nil {
				return 0, err
			}
		}
		copy(step, sums)
		if err := solve(step); err != nil {
			return 0, err
		}
		for l, s := range step {
			if !decided(at[l]) {
				at[l] -= max(-1, min(1, s))
			}
		}
	}
	o.level(b, best)
	return first, nil
}

// level makes b what best is, with the mean that b had: of a softmax only differences matter, and
// those that are left alone should not wander.
func (o *objective) level(b, best []float64) {
	sum, free := 0.0, 0.0
	for l, v := range best {
		if !decided(v) {
			sum, free = sum+b[l]-v, free+1
		}
	}
	if o.ex.MultiLabel != nil {
		sum = 0
	}
	for l, v := range best {
		if b[l] = v; !decided(v) {
			b[l] += sum / free
		}
	}
}

// sums returns the sum of the losses and of their gradients by the bias.
func (o biasSearch[T]) sums(b, sums []float64) (loss float64, err error) {
	clear(sums)
	err = o.inTurn(func(l *lane, lo, hi int) error {
		o.residuals(l, b, lo, hi)
		return nil
	}, func(l *lane) error {
		loss += l.loss
		for i, g := range l.biasG {
			sums[i] += g
		}
		return nil
	})
	return loss, err
}

// curvature returns what replaces a gradient by b by the step of Newton's method.
func (o biasSearch[T]) curvature(b []float64) (func(g []float64) error, error) {
	k, n := o.k, float64(o.n)
	diagonal, cross := make([]float64, k), linalg.Matrix[float64]{}
	if o.ex.MultiLabel == nil && k <= fullBias {
		cross = linalg.New(make([]float64, k*k), k, k)
	}
	err := o.inTurn(func(l *lane, lo, hi int) error {
		r := o.residuals(l, b, lo, hi)
		clear(l.biasG)
		for i := lo; i < hi; i++ {
			curvature(o.targets, i, r.u[(i-lo)*r.ld:][:k], l.biasG)
		}
		if cross.Rows == 0 {
			return nil
		}
		square := squareOf[T](l, k)
		clear(square)
		p := linalg.Matrix[T]{Data: r.u, Rows: hi - lo, Cols: k, Stride: r.ld}
		return linalg.AddProduct(linalg.New(square, k, k), p, p, linalg.Product{TransposeA: true, Lower: true})
	}, func(l *lane) error {
		for j, v := range l.biasG {
			diagonal[j] += v / n
		}
		if cross.Rows > 0 {
			for j, v := range squareOf[T](l, k) {
				cross.Data[j] -= float64(v) / n
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	byDiagonal := func(g []float64) error {
		divide(g, diagonal)
		return nil
	}
	if cross.Rows == 0 {
		return byDiagonal, nil
	}
	return scaledSolve(cross, diagonal, byDiagonal)
}

// squareOf is a lane's own [k,k].
func squareOf[T float32 | float64](l *lane, k int) []T {
	s, ok := l.square.([]T)
	if !ok || len(s) != k*k {
		s = make([]T, k*k)
		l.square = s
	}
	return s
}

// scaledSolve solves for diag(d) + cross after scaling it to a diagonal of about 1. What only moves
// all logits alike is 0 in a softmax's second derivatives; it is made 1.
func scaledSolve(cross linalg.Matrix[float64], d []float64, fallback func(g []float64) error) (func(g []float64) error,
	error) {
	k, total := len(d), 0.0
	root := make([]float64, k)
	for j, v := range d {
		root[j] = math.Sqrt(v)
		total += v
	}
	for i := range k {
		row := cross.Data[i*k:][:i+1]
		for j := range row {
			row[j] /= max(root[i]*root[j], math.SmallestNonzeroFloat64)
			row[j] += root[i] * root[j] / total
		}
		row[i]++
	}
	factor, err := linalg.Factor(cross, 1)
	if errors.Is(err, linalg.ErrNotPositive) {
		return fallback, nil
	}
	return func(g []float64) error {
		divide(g, root)
		err := factor.Solve(linalg.New(g, 1, k))
		divide(g, root)
		return err
	}, err
}

// divide divides g by d, and by 0 to 0.
func divide(g, d []float64) {
	for j, v := range d {
		if v > 0 {
			g[j] /= v
		} else {
			g[j] = 0
		}
	}
}

// curvature makes row i's residuals sqrt(weight) times its probabilities, and adds to diagonal the
// weighted probabilities (of sigmoids: the second derivatives).
func curvature[T float32 | float64](t *targets, i int, r []T, diagonal []float64) {
	if t.ex.MultiLabel == nil {
		y := t.ex.Labels[i]
		weight := t.of[i] * t.has[y]
		root, off := T(1/math.Sqrt(weight)), T(weight*t.off)
		r[y] += T(weight * (t.on - t.off))
		for j, v := range r {
			v += off
			diagonal[j] += float64(v)
			r[j] = v * root
		}
		return
	}
	set := t.ex.MultiLabel[i]
	for j, v := range r {
		target, weight := t.off, t.of[i]*t.lack[j]
		if len(set) > 0 && set[0] == j {
			target, weight, set = t.on, t.of[i]*t.has[j], set[1:]
		}
		p := float64(v)/weight + target
		diagonal[j] += weight * p * (1 - p)
	}
}

// undecide returns theta with the biases of decided labels, which nothing was to be learned of, such
// that they are said with a probability of about one in n + 1 where there are n examples.
func (o *objective) undecide(theta []float64) ([]float64, error) {
	if err := o.exactLogits(theta); err != nil {
		return nil, err
	}
	out := slices.Clone(theta)
	b, mean := out[o.k*o.f:], 0.0
	if o.ex.MultiLabel == nil {
		for i := range o.n {
			top, sum := math.Inf(-1), 0.0
			for l, u := range o.u[i*o.k:][:o.k] {
				top = max(top, u+b[l])
			}
			for l, u := range o.u[i*o.k:][:o.k] {
				sum += math.Exp(u + b[l] - top)
			}
			mean += (top + math.Log(sum)) / float64(o.n)
		}
	}
	for l, v := range b {
		if decided(v) {
			b[l] = mean + math.Copysign(math.Log(float64(o.n+1)), v)
		}
	}
	return out, nil
}
