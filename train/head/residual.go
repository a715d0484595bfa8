package head

import (
	"math"

	"github.com/c236555e/rehead/train/head/internal/softmax"
)

// rowsOf are the logits [hi-lo,K] of the examples lo to hi-1, their rows ld apart.
type rowsOf[T float32 | float64] struct {
	u          []T
	ld, lo, hi int
}

// residuals makes logits without bias the weighted differences of probabilities and targets, which
// are the loss's gradient by the logits, and writes their sums over the rows to biasG. It returns
// the sum of the weighted cross entropies.
//
// The difference of a label that an example has is minus the sum of the others, so that it keeps
// its relative precision where the probability is nearly 1.
func residuals[T float32 | float64](t *targets, r rowsOf[T], b []T, biasG []float64) (loss float64) {
	clear(biasG)
	k := len(b)
	for i := r.lo; i < r.hi; i++ {
		u := r.u[(i-r.lo)*r.ld:][:k]
		for j := range u {
			u[j] += b[j]
		}
		if t.ex.MultiLabel == nil {
			loss += softmaxResidual(t, i, u)
		} else {
			loss += sigmoidResidual(t, i, u)
		}
		for j, v := range u {
			biasG[j] += float64(v)
		}
	}
	return loss
}

// softmaxResidual does one row of a softmax.
func softmaxResidual[T float32 | float64](t *targets, i int, u []T) (loss float64) {
	y, top := t.ex.Labels[i], 0
	for j, v := range u {
		if v > u[top] {
			top = j
		}
	}
	largest, weight := u[top], t.of[i]*t.has[t.ex.Labels[i]]
	apart := (t.on - t.off) * float64(u[y]-largest)
	if t.off != 0 {
		for _, v := range u {
			apart += t.off * float64(v-largest)
		}
	}
	exponentials(u, largest)
	u[top] = 0 // of the sum its 1 would hide the rest
	others := T(0)
	for _, v := range u {
		others += v
	}
	u[top] = 1
	part, off, sum := T(weight)/(1+others), T(weight*t.off), T(0)
	u[y], others = 0, T(math.Log1p(float64(others)))
	loss = weight * (float64(others) - apart)
	for j, v := range u {
		d := v*part - off
		u[j] = d
		sum += d
	}
	u[y] = -(sum + off) // what stood for the label itself is taken out again
	return loss
}

// certainResidual is softmaxResidual of logits z, all of whose labels are targets of 1 and 0; it writes
// to u and adds to sums. Rows are as long as softmax's.
func certainResidual(t *targets, i int, u, z, b []float32, sums []float64) (loss float64) {
	y := t.ex.Labels[i]
	own, weight := z[y]+b[y], t.of[i]*t.has[y]
	top, others := softmax.Row(u, z, b)
	part, rest := float32(weight)/(1+others), others // rest: the exponentials of the other labels
	if own != top {
		rest = 1 + others - u[y]
	}
	softmax.Scale(u, part, sums)
	d := -part * rest
	sums[y] += float64(d) - float64(u[y])
	u[y] = d
	return weight * (math.Log1p(float64(others)) - float64(own-top))
}

// sigmoidResidual does one row of sigmoids.
func sigmoidResidual[T float32 | float64](t *targets, i int, u []T) (loss float64) {
	set := t.ex.MultiLabel[i]
	for j, v := range u {
		z := float64(v)
		target, weight := t.off, t.of[i]*t.lack[j]
		if len(set) > 0 && set[0] == j {
			target, weight, set = t.on, t.of[i]*t.has[j], set[1:]
		}
		e := math.Exp(-math.Abs(z))
		loss += weight * (max(z, 0) - target*z + math.Log1p(e))
		yes, no := 1/(1+e), e/(1+e)
		if z < 0 {
			yes, no = no, yes
		}
		u[j] = T(weight * (yes*(1-target) - no*target))
	}
	return loss
}

// exponentials replaces each of u by exp(u - largest).
func exponentials[T float32 | float64](u []T, largest T) {
	switch v := any(u).(type) {
	case []float32:
		for j, x := range v {
			v[j] = softmax.Exp(x - float32(largest))
		}
	case []float64:
		for j, x := range v {
			v[j] = math.Exp(x - float64(largest))
		}
	}
}
