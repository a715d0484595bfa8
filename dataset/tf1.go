package dataset

import "math"

// tf1 is TensorFlow 1's resize_bilinear with align_corners=false, the resize of the first Inception-v3: output pixel i stands at
// in = i*scale, scale = float32(input)/float32(output), without half-pixel centres, and is interpolated between floor(in) and the next
// pixel, whatever the scale. All is float32, and products are rounded before they are added, so that results do not depend on whether the
// machine fuses the two. Source: tensorflow/core/kernels/resize_bilinear_op.cc, TensorFlow 1.x.
type tf1 struct {
	left, right []int32   // for each output column, where its two pixels lie in a gathered row
	lerp        []float32 // and how far it is from the left one
	row         [2]tf1Row
}

// tf1Row is one input row, interpolated across, in 3 planes of Size.
type tf1Row struct {
	y   int
	rgb []float32
}

func (t *tf1) resize(r *Recipe, p plan, s *scratch, dst []float32) {
	n := r.Size
	t.columns(p, n, s)
	for i := range t.row {
		t.row[i].y = -1
		t.row[i].rgb = grow(t.row[i].rgb, 3*n)
	}
	s.rgb = grow(s.rgb, 3*len(s.xs))
	height := p.from.Dy()
	scale := float32(height) / float32(p.height)
	for y := range n {
		in := float32(p.y+y) * scale
		above := min(int(in), height-1)
		below := min(above+1, height-1)
		lerp := in - float32(above)
		top, bottom := t.rowAt(p.from.Min.Y+above, s), t.rowAt(p.from.Min.Y+below, s)
		for c := range 3 {
			mean, std := r.Mean[c], r.Std[c]
			fraction, _ := math.Frexp(float64(std))
			a, b, out := top[c*n:(c+1)*n], bottom[c*n:(c+1)*n], dst[(c*n+y)*n:(c*n+y+1)*n]
			a, b = a[:len(out)], b[:len(out)]
			if fraction == 0.5 { // a power of two: to multiply by its inverse is the same to the last bit, and faster
				inverse := 1 / std
				for x := range out {
					v := a[x] + float32((b[x]-a[x])*lerp)
					out[x] = (v - mean) * inverse
				}
				continue
			}
			for x := range out {
				v := a[x] + float32((b[x]-a[x])*lerp)
				out[x] = (v - mean) / std
			}
		}
	}
}

// columns lists the distinct input columns that n output columns touch in s.xs, and sets left, right and lerp.
func (t *tf1) columns(p plan, n int, s *scratch) {
	t.left, t.right, t.lerp = grow(t.left, n), grow(t.right, n), grow(t.lerp, n)
	width := p.from.Dx()
	scale := float32(width) / float32(p.width)
	s.xs = grow(s.xs, 2*n)[:0]
	place := func(x int32) int32 {
		for back := 1; back <= 2 && back <= len(s.xs); back++ { // columns ascend, but for a pair that is met again
			if s.xs[len(s.xs)-back] == x {
				return int32(len(s.xs) - back)
			}
		}
		s.xs = append(s.xs, x)
		return int32(len(s.xs) - 1)
	}
	for i := range n {
		in := float32(p.x+i) * scale
		x := min(int(in), width-1)
		t.lerp[i] = in - float32(x)
		t.left[i] = place(int32(p.from.Min.X + x))
		t.right[i] = place(int32(p.from.Min.X + min(x+1, width-1)))
	}
}

// rowAt returns input row y interpolated across; the last two asked for are kept.
func (t *tf1) rowAt(y int, s *scratch) []float32 {
	if t.row[1].y == y {
		t.row[0], t.row[1] = t.row[1], t.row[0]
	}
	if t.row[0].y == y {
		return t.row[0].rgb
	}
	t.row[0], t.row[1] = t.row[1], t.row[0]
	row := &t.row[0]
	row.y = y
	s.rows.read(y, s.xs, s.rgb)
	n := len(t.lerp)
	red, green, blue := row.rgb[:n], row.rgb[n:2*n], row.rgb[2*n:3*n]
	left, right := t.left[:n], t.right[:n]
	for x, lerp := range t.lerp {
		i, j := 3*left[x], 3*right[x]
		a, b := s.rgb[i:i+3:i+3], s.rgb[j:j+3:j+3]
		r0, g0, b0 := float32(a[0]), float32(a[1]), float32(a[2])
		red[x] = r0 + float32((float32(b[0])-r0)*lerp)
		green[x] = g0 + float32((float32(b[1])-g0)*lerp)
		blue[x] = b0 + float32((float32(b[2])-b0)*lerp)
	}
	return row.rgb
}
