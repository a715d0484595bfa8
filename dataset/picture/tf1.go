package picture

import "image"

// tf1 is TensorFlow 1's resize_bilinear with align_corners=false, the resize of the first
// Inception-v3: output pixel i stands at in = i*scale, scale = float32(input)/float32(output),
// without half-pixel centres, and is interpolated between floor(in) and the next pixel, whatever
// the scale. All is float32, and products are rounded before they are added, so that results do not
// depend on whether the machine fuses the two. Source:
// tensorflow/core/kernels/resize_bilinear_op.cc, TensorFlow 1.x.
type tf1 struct {
	left, right []int32   // for each output column, where its two pixels lie in a row that was read
	lerp        []float32 // and how far it is from the left one
	from, to    int       // the columns of the picture between which all of them lie
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
	height := p.from.Dy()
	scale := float32(height) / float32(p.height)
	for y := range n {
		in := float32(p.y+y) * scale
		above := min(int(in), height-1)
		below := min(above+1, height-1)
		lerp := in - float32(above)
		top, bottom := t.rowAt(p.from.Min.Y+above, s), t.rowAt(p.from.Min.Y+below, s)
		for c := range 3 {
			s.rows.raster.Down(dst[(c*n+y)*n:][:n], top[c*n:][:n], bottom[c*n:][:n], lerp, r.Mean[c], r.Std[c])
		}
	}
}

// columns sets left, right and lerp of n output columns. Of a picture that is converted a row at a
// time the rows that are read go from the first of these columns to the last; of others they hold
// the columns that are touched, listed in s.xs.
func (t *tf1) columns(p plan, n int, s *scratch) {
	t.left, t.right, t.lerp = grow(t.left, n), grow(t.right, n), grow(t.lerp, n)
	width := p.from.Dx()
	scale := float32(width) / float32(p.width)
	for i := range n {
		in := float32(p.x+i) * scale
		x := min(int(in), width-1)
		t.lerp[i] = in - float32(x)
		t.left[i], t.right[i] = int32(p.from.Min.X+x), int32(p.from.Min.X+min(x+1, width-1))
	}
	t.from, t.to = int(t.left[0]), int(t.right[n-1])+1
	if _, ok := s.rows.img.(*image.YCbCr); ok {
		for i := range n {
			t.left[i] -= int32(t.from)
			t.right[i] -= int32(t.from)
		}
		return
	}
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
		t.left[i], t.right[i] = place(t.left[i]), place(t.right[i])
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
	n, width := len(t.lerp), t.read(y, s)
	for c := range 3 {
		s.rows.raster.Across(row.rgb[c*n:][:n], s.planes[c*width:][:width], t.left, t.right, t.lerp)
	}
	return row.rgb
}

// read puts the pixels of row y that are needed into s.planes and returns how many they are.
func (t *tf1) read(y int, s *scratch) int {
	if m, ok := s.rows.img.(*image.YCbCr); ok {
		n := t.to - t.from
		s.planes = grow(s.planes, 3*n)
		luma, pairs := s.rows.chroma(m, y, t.from, t.to)
		s.rows.raster.Planes(s.planes[:n], s.planes[n:2*n], s.planes[2*n:3*n], luma, pairs)
		return n
	}
	n := len(s.xs)
	s.planes, s.rgb = grow(s.planes, 3*n), grow(s.rgb, 3*n)
	s.rows.read(y, s.xs, s.rgb)
	red, green, blue := s.planes[:n], s.planes[n:2*n], s.planes[2*n:3*n]
	for i := range n {
		p := s.rgb[3*i : 3*i+3 : 3*i+3]
		red[i], green[i], blue[i] = float32(p[0]), float32(p[1]), float32(p[2])
	}
	return n
}
