package head

import (
	"errors"
	"fmt"

	"github.com/c236555e/rehead/nn/linalg"
)

// space is a problem of more features than examples in the examples' own space. The best weights are
// sums of the examples, so that all that counts of the rows X are their products X transposed(X) = L
// transposed(L): heads B on the rows of L have the loss and the length of heads W = B inverse(L) X on
// those of X. A little is added to the products' diagonal, as rows from which the mean was taken off
// depend on each other: what comes of it is nearly the best, and certified as what it is.
type space struct {
	of     *objective // on the rows of L
	whole  *objective // on those of X
	factor *linalg.Cholesky[float64]
}

// Of the examples' own space.
const (
	spaceShare = 2     // it is taken for at most one example in so many features
	spaceMost  = 8192  // examples
	spaceLeast = 1e-13 // what is added to the diagonal at first, in shares of its largest
	spaceTries = 8     // each time ten times as much
)

// ownsSpace says whether n examples of f features are few enough for their own space to pay.
func ownsSpace(n, f int) bool { return n*spaceShare <= f && n <= spaceMost }

// ownSpace is nil where examples are too many for it to pay.
func (o *objective) ownSpace() (*space, error) {
	n := o.n
	if !ownsSpace(n, o.f) || o.rows == nil {
		return nil, nil
	}
	gram := linalg.New(make([]float64, n*n), n, n)
	err := o.rows.Blocks(0, n, func(_ int, m linalg.Matrix[float32]) error {
		return linalg.AddProduct(gram, m, m, linalg.Product{TransposeB: true, Lower: true, Threads: o.threads})
	})
	if err != nil {
		return nil, fmt.Errorf("train: fit: %w", err)
	}
	most := 0.0
	for i := range n {
		most = max(most, gram.Data[i*n+i])
	}
	added := spaceLeast * most
	for range spaceTries {
		l := linalg.New(append([]float64(nil), gram.Data...), n, n)
		for i := range n {
			l.Data[i*n+i] += added
		}
		factor, err := linalg.Factor(l, o.threads)
		if errors.Is(err, linalg.ErrNotPositive) {
			added *= 10
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("train: fit: %w", err)
		}
		return o.spaceOf(l, factor)
	}
	return nil, nil // rows of nothing but zeros
}

// spaceOf makes the problem on the rows of l.
func (o *objective) spaceOf(l linalg.Matrix[float64], factor *linalg.Cholesky[float64]) (*space, error) {
	n := o.n
	t := *o.targets
	t.ex.Rows = make([][]float32, n)
	for i := range n {
		row := make([]float32, n)
		for j, v := range l.Data[i*n : i*n+i+1] {
			row[j] = float32(v)
		}
		t.ex.Rows[i] = row
	}
	of, err := newObjective(o.ctx, &t, plainScale(n), o.threads, false)
	return &space{of, o, factor}, err
}

// out is theta on the rows of X.
func (p *space) out(theta []float64) ([]float64, error) {
	k, n, f := p.of.k, p.of.n, p.whole.f
	y := append([]float64(nil), theta[:k*n]...)
	if err := p.factor.SolveLower(linalg.New(y, k, n)); err != nil {
		return nil, fmt.Errorf("train: fit: %w", err)
	}
	out := make([]float64, k*f, k*f+k)
	err := p.whole.rows.Blocks(0, n, func(at int, m linalg.Matrix[float32]) error {
		w := linalg.Matrix[float64]{Data: out[at:], Rows: k, Cols: m.Cols, Stride: f}
		return linalg.AddProduct(w, linalg.New(y, k, n), m, linalg.Product{Threads: p.whole.threads})
	})
	if err != nil {
		return nil, fmt.Errorf("train: fit: %w", err)
	}
	return append(out, theta[k*n:]...), nil
}

// near is out as progress takes it: with sums in float32, which costs no more than a gradient.
func (p *space) near(theta []float64) ([]float64, error) {
	o, k, n := p.whole, p.of.k, p.of.n
	y := append([]float64(nil), theta[:k*n]...)
	err := p.factor.SolveLower(linalg.New(y, k, n))
	out := make([]float64, o.dim())
	if err == nil {
		err = o.inTurn(func(l *lane, lo, hi int) error {
			u := l.u[:(hi-lo)*o.ld]
			clear(u)
			for i := lo; i < hi; i++ {
				for c := range k {
					u[(i-lo)*o.ld+c] = float32(y[c*n+i])
				}
			}
			l.sum.Clear()
			return l.sum.Add(u, o.ld, lo, hi)
		}, func(l *lane) error { return l.sum.AddTo(out[:k*o.f], 1) })
	}
	if err != nil {
		return nil, fmt.Errorf("train: fit: %w", err)
	}
	copy(out[k*o.f:], theta[k*n:])
	return out, nil
}

// in is theta on the rows of L, without what no example has a say in.
func (p *space) in(theta []float64) ([]float64, error) {
	k, n := p.of.k, p.of.n
	if err := p.whole.exactLogits(theta); err != nil {
		return nil, err
	}
	b := make([]float64, k*n, k*n+k)
	for i := range n {
		for l := range k {
			b[l*n+i] = p.whole.u[i*k+l]
		}
	}
	if err := p.factor.SolveUpper(linalg.New(b, k, n)); err != nil {
		return nil, fmt.Errorf("train: fit: %w", err)
	}
	return append(b, theta[len(theta)-k:]...), nil
}

// ownSpace is the objective's, made once.
func (s *solver) ownSpace() (p *space, err error) {
	if s.space == nil {
		s.space, err = s.obj.ownSpace()
	}
	return s.space, err
}
