package picture

import (
	"image"
	"math"
)

// sampler resizes with the filters of other tools: across into rows of the output's width, then
// down, in float32, rounding once at the end or not at all. Black lies around the picture.
type sampler struct {
	s       *scratch
	from    image.Rectangle
	columns []taps
	lo, hi  int // the columns of from that are read
	n       int // the output's width
	kept    [16]tf1Row
	sum     []float32
}

func (s *scratch) sample(r *Recipe, p plan, dst []float32) {
	n := r.Size
	shrunk := p.width <= p.from.Dx() && p.height <= p.from.Dy()
	m := sampler{s: s, from: p.from, n: n, sum: make([]float32, 3*n)}
	m.columns = axis{r.Filter, p.from.Dx(), p.width, !shrunk}.taps(p.x, p.x+n)
	m.lo, m.hi = p.from.Dx(), 0
	for _, t := range m.columns {
		if len(t.weights) > 0 {
			m.lo, m.hi = min(m.lo, t.first), max(m.hi, t.first+len(t.weights))
		}
	}
	for i := range m.kept {
		m.kept[i].y = -1
	}
	for y, t := range (axis{r.Filter, p.from.Dy(), p.height, !shrunk}).taps(p.y, p.y+n) {
		clear(m.sum)
		for k, w := range t.weights {
			if w == 0 {
				continue
			}
			for i, v := range m.row(t.first + k) {
				m.sum[i] += w * v
			}
		}
		for c := range 3 {
			mean, std := r.Mean[c], r.Std[c]
			out := dst[(c*n+y)*n:][:n]
			for x, v := range m.sum[c*n:][:n] {
				if rounded(r.Filter) {
					v = float32(math.Floor(float64(min(max(v, 0), 255)) + 0.5))
				}
				out[x] = (v - mean) / std
			}
		}
	}
}

// row returns row y of from, resized across; the last ones asked for are kept.
func (m *sampler) row(y int) []float32 {
	row := &m.kept[y%len(m.kept)]
	if row.y == y {
		return row.rgb
	}
	row.y, row.rgb = y, grow(row.rgb, 3*m.n)
	planes := m.read(y)
	width := m.hi - m.lo
	for c := range 3 {
		in, out := planes[c*width:][:width], row.rgb[c*m.n:][:m.n]
		for i, t := range m.columns {
			v := float32(0)
			for k, w := range t.weights {
				v += w * in[t.first-m.lo+k]
			}
			out[i] = v
		}
	}
	return row.rgb
}

// read returns the columns lo to hi of row y of from in three planes.
func (m *sampler) read(y int) []float32 {
	width := max(m.hi-m.lo, 0)
	s := m.s
	s.planes = grow(s.planes, 3*width)
	clear(s.planes)
	b := s.rows.img.Bounds()
	y += m.from.Min.Y
	left, right := max(m.from.Min.X+m.lo, 0), min(m.from.Min.X+m.hi, b.Dx())
	if y < 0 || y >= b.Dy() || left >= right {
		return s.planes
	}
	skip, n := left-m.from.Min.X-m.lo, right-left
	planes := [3][]float32{}
	for c := range planes {
		planes[c] = s.planes[c*width+skip:][:n]
	}
	if img, ok := s.rows.img.(*image.YCbCr); ok {
		luma, pairs := s.rows.chroma(img, y, left, right)
		s.rows.raster.Planes(planes[0], planes[1], planes[2], luma, pairs)
		return s.planes
	}
	s.xs, s.rgb = grow(s.xs, n), grow(s.rgb, 3*n)
	for i := range s.xs {
		s.xs[i] = int32(left + i)
	}
	s.rows.read(y, s.xs, s.rgb)
	for i := range n {
		p := s.rgb[3*i : 3*i+3 : 3*i+3]
		planes[0][i], planes[1][i], planes[2][i] = float32(p[0]), float32(p[1]), float32(p[2])
	}
	return s.planes
}
