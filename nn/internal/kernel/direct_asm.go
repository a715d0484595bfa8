//go:build amd64 || arm64

package kernel

// tileArgs is what a micro-kernel is handed; the generators know its layout.
// The kernels move src and dst on and count tiles down.
type tileArgs struct {
	x     *float32 // the image's channel block 0, row 0, column 0
	w     *float32 // weights of the panel: [taps][depth][outputs]
	bias  *float32 // of the panel's outputs
	out   *float32 // the panel's first channel block, row 0, column 0
	taps  *int     // bytes from a pixel to each of its taps
	ntaps int
	src   *int32 // bytes from x to each pixel's first tap
	dst   *int32 // bytes from out to each pixel
	tiles int
	plane int // bytes from one output channel block to the next
	flags int
}

// tileAsm computes the pixels of part p for the outputs of panel q.
func (d *direct) tileAsm(p part, q panel, out, in []float32) {
	a := tileArgs{
		x:     &in[d.in],
		w:     &d.w[q.w],
		bias:  &d.bias[q.first],
		out:   &out[d.out+q.first/d.block*d.plane],
		taps:  &d.taps[0],
		ntaps: len(d.taps),
		plane: 4 * q.plane,
		flags: d.flags,
	}
	for _, r := range p.runs {
		a.src, a.dst, a.tiles = &d.src[r.first], &d.dst[r.first], r.tiles
		switch {
		case d.matrix:
			tileRounded(r.pixels, &a)
		case d.pairs:
			tilePairs(r.pixels, q.width, d.depth, &a)
		default:
			tile(d.level, r.pixels, q.width, d.depth, &a)
		}
	}
}
