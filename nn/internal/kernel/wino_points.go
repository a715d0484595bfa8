package kernel

// A pointSet is a choice of interpolation points 0, ±a, ±b, ..., infinity, in
// this order, for the polynomial products behind Winograd's convolutions
// (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015).
//
// With n points, F(m, r) computes m outputs of an r-tap filter, n = m + r - 1:
//
//	y = Aᵀ ((G g) ⊙ (Bᵀ d))
//
// where Aᵀ[i][p] = x_p^i, G[p][k] = x_p^k / prod_{q≠p} (x_p - x_q), and row p
// of Bᵀ holds the coefficients of prod_{q≠p} (x - x_q); the row of infinity is
// 0...0 1 in Aᵀ and G and the product over all finite points in Bᵀ.
type pointSet []float64 // a, b, ...

// points returns the set for n = m + r - 1. Which ones: those with the least
// rounding error found by a search over fractions that float32 holds exactly.
func points(n int) pointSet {
	switch n {
	case 4:
		return pointSet{1}
	case 6:
		return pointSet{0.625, 1.5}
	case 8:
		return pointSet{0.5, 1, 2}
	case 10:
		return pointSet{0.375, 0.75, 1.25, 2.5}
	case 12:
		return pointSet{0.375, 0.625, 1, 1.5, 2.75}
	}
	return nil
}

// finite lists the points but infinity.
func (s pointSet) finite() []float64 {
	x := []float64{0}
	for _, a := range s {
		x = append(x, a, -a)
	}
	return x
}

// squares returns the coefficients, lowest first, of the product of (z - a²)
// over all pairs but the one at skip.
func (s pointSet) squares(skip int) []float64 {
	c := []float64{1}
	for i, a := range s {
		if i == skip {
			continue
		}
		next := make([]float64, len(c)+1)
		for k, v := range c {
			next[k] -= v * a * a
			next[k+1] += v
		}
		c = next
	}
	return c
}

// forward returns the constants of the input transform, in the order in which
// the kernels use them: the coefficients of the product of all pairs, then for
// each pair those of the product of the others, and its point. The leading
// coefficients, all 1, are left out.
func (s pointSet) forward() []float32 {
	var c []float32
	add := func(v []float64) {
		for _, x := range v[:len(v)-1] {
			c = append(c, float32(x))
		}
	}
	add(s.squares(-1))
	for i, a := range s {
		add(s.squares(i))
		c = append(c, float32(a))
	}
	return c
}

// inverse returns the constants of the transform to m outputs: for j = 1..m-1
// the j-th power of each pair's point.
func (s pointSet) inverse(m int) []float32 {
	var c []float32
	pow := make([]float64, len(s))
	copy(pow, s)
	for j := 1; j < m; j++ {
		for i, a := range s {
			c = append(c, float32(pow[i]))
			pow[i] *= a
		}
	}
	return c
}

// filter returns G, a row of r coefficients for each point.
func (s pointSet) filter(r int) [][]float64 {
	x := s.finite()
	g := make([][]float64, 0, len(x)+1)
	for p, a := range x {
		norm := 1.0
		for q, b := range x {
			if q != p {
				norm *= a - b
			}
		}
		row := make([]float64, r)
		v := 1 / norm
		for k := range row {
			row[k] = v
			v *= a
		}
		g = append(g, row)
	}
	last := make([]float64, r)
	last[r-1] = 1
	return append(g, last)
}
