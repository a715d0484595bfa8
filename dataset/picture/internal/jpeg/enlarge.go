package jpeg

// enlarger makes rows of the picture's width out of a component's.
type enlarger struct {
	c      *component
	d      *decoder
	smooth bool
	out    []uint8
	sum    []int32 // a row, blended down
	rows   [3]int  // which rows of blocks of a progressive picture lines holds
	lines  []uint8
}

// enlarger returns c's. What image/jpeg reads is enlarged as image/jpeg does, by repeating; all
// else as libjpeg does. Source: libjpeg-turbo, jdsample.c.
func (d *decoder) enlarger(c *component) enlarger {
	e := enlarger{c: c, d: d, out: make([]uint8, d.width), sum: make([]int32, c.width), rows: [3]int{-1, -1, -1}}
	double := func(most, own int) bool { return most == 2*own }
	if !d.known() {
		across, down := double(d.h, c.h), double(d.v, c.v)
		e.smooth = across && c.width > 2 && (down || d.v == c.v) || down && d.h == c.h
	}
	if c.pix == nil {
		e.lines = make([]uint8, 3*8*c.stride)
	}
	return e
}

// line is row y of the component's own samples.
func (e *enlarger) line(y int) []uint8 {
	y = min(max(y, 0), e.c.height-1)
	if e.lines == nil {
		return e.c.pix[y*e.c.stride:][:e.c.width]
	}
	row := y / 8
	slot := row % len(e.rows)
	held := e.lines[slot*8*e.c.stride:][:8*e.c.stride]
	if e.rows[slot] != row {
		e.d.pixels(e.c, row, held, e.c.stride)
		e.rows[slot] = row
	}
	return held[y%8*e.c.stride:][:e.c.width]
}

// row puts row y of the picture into out.
func (e *enlarger) row(y int) {
	c, d := e.c, e.d
	if !e.smooth {
		near := e.line(y * c.v / d.v)
		if c.h == d.h {
			copy(e.out, near)
			return
		}
		for x := range e.out {
			e.out[x] = near[x*c.h/d.h]
		}
		return
	}
	if d.v == c.v {
		for i, v := range e.line(y) {
			e.sum[i] = int32(v)
		}
		e.across(1, 2, 2)
		return
	}
	near, far := e.line(y/2), e.line(y/2-1+2*(y&1))
	for i, v := range near {
		e.sum[i] = 3*int32(v) + int32(far[i])
	}
	if d.h == c.h {
		for i, v := range e.sum {
			e.out[i] = uint8((v + int32(1+y&1)) >> 2)
		}
		return
	}
	e.across(8, 7, 4)
}

// across doubles sum: of an even pixel (3*sample + the one before + even)>>down, of an odd one
// (3*sample + the one behind + odd)>>down.
func (e *enlarger) across(even, odd int32, down uint) {
	last := len(e.sum) - 1
	for i, v := range e.sum {
		e.out[2*i] = uint8((3*v + e.sum[max(i-1, 0)] + even) >> down)
		if 2*i+1 < len(e.out) {
			e.out[2*i+1] = uint8((3*v + e.sum[min(i+1, last)] + odd) >> down)
		}
	}
}
