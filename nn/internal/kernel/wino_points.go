package kernel

// A pointSet is a choice of interpolation points for the polynomial products
// behind Winograd's convolutions (Lavin and Gray, Fast Algorithms for
// Convolutional Neural Networks, 2015):
//
//	0, a, -a, 1/a, -1/a for each a of quads, 1, -1 if one is set, infinity
//
// With n points, F(m, r) computes m outputs of an r-tap filter, n = m + r - 1:
//
//	y = Aᵀ ((G g) ⊙ (Bᵀ d))
//
// where Aᵀ[i][p] = x_p^i, G[p][k] = x_p^k / prod_{q≠p} (x_p - x_q), and row p
// of Bᵀ holds the coefficients of prod_{q≠p} (x - x_q); the row of infinity is
// 0...0 1 in Aᵀ and G and the product over all finite points in Bᵀ.
//
// Reciprocal points make products that read the same backwards, which saves
// half of the multiplications, and they also round best. A row of Bᵀ or a
// column of Aᵀ may be multiplied by any number if the row of G is divided by
// it; the kernels use that, and filter makes up for it.
type pointSet struct {
	quads []float64
	one   bool
}

// points returns the set for n = m + r - 1 points: those with the least rounding
// error, on rectified normal input, of a search in steps of 1/64 (n = 6, 8) and
// 1/32 (n = 10, 12).
func points(n int) pointSet {
	switch n {
	case 4:
		return pointSet{one: true}
	case 6:
		return pointSet{quads: []float64{5. / 8}}
	case 8:
		return pointSet{quads: []float64{1. / 2}, one: true}
	case 10:
		return pointSet{quads: []float64{13. / 32, 13. / 16}}
	case 12:
		return pointSet{quads: []float64{11. / 32, 11. / 16}, one: true}
	}
	return pointSet{}
}

// A point is a finite one with the numbers by which its row of Bᵀ and its
// column of Aᵀ are to be multiplied to get the textbook's.
type point struct{ x, row, column float64 }

func (s pointSet) finite(m int) []point {
	list := []point{{0, 1, 1}}
	for _, a := range s.quads {
		col := 1.0 // a^(m-1)
		for range m - 1 {
			col *= a
		}
		list = append(list, point{a, a, 1}, point{-a, -a, 1},
			point{1 / a, a * a, 1 / col}, point{-1 / a, a * a, 1 / col})
	}
	if s.one {
		list = append(list, point{1, 1, 1}, point{-1, 1, 1})
	}
	return list
}

// squares returns the coefficients, lowest first, of the product of (z - x²)
// over the positive points but those of the quad at skip and, unless one is
// set, 1.
func (s pointSet) squares(skip int, one bool) []float64 {
	c := []float64{1}
	times := func(f ...float64) {
		next := make([]float64, len(c)+len(f)-1)
		for i, v := range c {
			for j, w := range f {
				next[i+j] += v * w
			}
		}
		c = next
	}
	for i, a := range s.quads {
		if i != skip {
			times(1, -a*a-1/(a*a), 1)
		}
	}
	if one && s.one {
		times(-1, 1)
	}
	return c
}

// forward returns the constants of the input transform in the kernels' order:
// for each quad the coefficients of the product of the others, then 1/a² and
// 1/a; those of the product of all but 1, if 1 is in the set; and those of the
// product of all. Of each product those from the second highest down to the
// middle are listed, which determine the rest.
func (s pointSet) forward() []float32 {
	var c []float32
	add := func(p []float64) {
		n := len(p) - 1
		for j := 1; 2*j < n || 2*j == n && p[0] > 0; j++ {
			c = append(c, float32(p[n-j]))
		}
	}
	for i, a := range s.quads {
		add(s.squares(i, true))
		c = append(c, float32(1/(a*a)), float32(1/a))
	}
	if s.one {
		add(s.squares(-1, false))
	}
	add(s.squares(-1, true))
	return c
}

// inverse returns the constants of the transform to m outputs: for each quad
// the powers of a from the first to that of m-1.
func (s pointSet) inverse(m int) []float32 {
	var c []float32
	for _, a := range s.quads {
		v := 1.0
		for range m - 1 {
			v *= a
			c = append(c, float32(v))
		}
	}
	return c
}

// filter returns G for m outputs and r taps: a row of r coefficients for each
// point.
func (s pointSet) filter(m, r int) []float64 {
	list := s.finite(m)
	g := make([]float64, 0, (len(list)+1)*r)
	for i, p := range list {
		v := p.row * p.column
		for j, q := range list {
			if j != i {
				v /= p.x - q.x
			}
		}
		for range r {
			g = append(g, v)
			v *= p.x
		}
	}
	return append(append(g, make([]float64, r-1)...), 1)
}

// stridedPoints is the number of products behind 3 outputs of a 3-tap filter
// with stride 2, which come from 7 inputs. It is the sum of F(3, 2) of the outer
// taps on the even inputs and the middle tap on the odd ones: 4 + 3 products
// instead of 9, and no constants.
const stridedPoints = 7

// stridedFilter returns the filter transform for stride 2.
func stridedFilter() []float64 {
	var g []float64
	outer := points(4).filter(3, 2)
	for ; len(outer) > 0; outer = outer[2:] {
		g = append(g, outer[0], 0, outer[1])
	}
	for range 3 {
		g = append(g, 0, 1, 0)
	}
	return g
}
