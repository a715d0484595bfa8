package head

import "math"

// certificate is that of a whole pass, and makes its sums means.
func (s *stream) certificate() certificate {
	p, o := &s.at, s.whole
	loss := o.regularise(p.loss, p.x, p.sum)
	o.length = p.size / float64(o.n)
	c := o.bound(p.x, p.sum)
	c.loss = loss
	if s.base.Scaling != ScaleNone && !s.cfg.MultiLabel && s.cfg.ClassWeights == nil && !s.cfg.Balanced {
		c.gap = min(c.gap, s.centredGap(loss))
	}
	return c
}

// centredGap is the bound of objective.certify where rows have the mean 0 and all count the same: the
// constants c that mend the probabilities leave G alone, so that of (1-e) q + e c it is (1-e) G - e T, T
// being the mean of t z, whose square is at most max t times the mean of |z|^2. Its product with G is
// known where G = g - L2 W is nearly -L2 W, as that of T and W is the mean logit of the rows' own labels.
// The entropy of a mixture is at least the mixture of the entropies.
func (s *stream) centredGap(loss float64) float64 {
	p, o, w := &s.at, s.whole, s.k*s.f
	n := float64(o.n)
	var own, data, norm, square float64 // <G, W>, |G|^2, |g|^2, |W|^2
	for i, g := range p.sum[:w] {
		d := g - o.l2*p.x[i]
		own += d * p.x[i]
		data += d * d
		norm += g * g
		square += p.x[i] * p.x[i]
	}
	b, g := p.x[w:], p.sum[w:]
	entropy := loss - o.l2/2*square - own
	for l, d := range g {
		entropy -= d * b[l]
	}
	e := o.mend(b, g)
	constant, most := 0.0, 0.0
	for l, want := range s.full.wanted {
		most = max(most, want)
		if e > 0 {
			if c := (want - (1-e)*(want+g[l])) / e; c > 0 {
				constant -= c * math.Log(c)
			}
		}
	}
	t := math.Sqrt(most * p.square / n)
	meets := (s.full.on - s.full.off) * p.own / n
	moved := (1-e)*(1-e)*data + 2*e*(1-e)*(math.Sqrt(norm)*t+o.l2*meets) + e*e*t*t
	return loss - (1-e)*entropy - e*constant + moved/(2*o.l2)
}
