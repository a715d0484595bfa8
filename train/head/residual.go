package head

import (
	"math"
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
			v[j] = exp32(x - float32(largest))
		}
	case []float64:
		for j, x := range v {
			v[j] = math.Exp(x - float64(largest))
		}
	}
}

// exp32 is exp of x, 0 or less, within 2e-7 of itself; 0 where that is below 1e-37: Cephes'
// polynomial after taking off the multiples of ln 2.
func exp32(x float32) float32 {
	if !(x > -86) {
		if x != x {
			return x
		}
		return 0
	}
	n := int32(x*math.Log2E - 0.5)
	k := float32(n)
	r := x - k*0.693359375 + k*2.12194440e-4
	p := float32(1.9875691500e-4)
	p = p*r + 1.3981999507e-3
	p = p*r + 8.3334519073e-3
	p = p*r + 4.1665795894e-2
	p = p*r + 1.6666665459e-1
	p = p*r + 5.0000001201e-1
	p = p*r*r + r + 1
	return p * math.Float32frombits(uint32(n+127)<<23)
}
