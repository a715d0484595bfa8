package kernel

import "golang.org/x/sys/cpu"

// tileArgs is what a micro-kernel is handed; the generator knows its layout.
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

const (
	flagReLU       = 1 << iota // clamp at zero when storing
	flagAccumulate             // go on from what out holds, without the bias
)

//go:noescape
func tile6x16x8AVX2(a *tileArgs)

//go:noescape
func tile6x16x1AVX2(a *tileArgs)

//go:noescape
func tile8x48x8AVX512(a *tileArgs)

//go:noescape
func tile8x32x8AVX512(a *tileArgs)

//go:noescape
func tile8x16x8AVX512(a *tileArgs)

//go:noescape
func tile8x32x1AVX512(a *tileArgs)

//go:noescape
func tile8x16x1AVX512(a *tileArgs)

// supported returns the best level this processor and its system can run.
func supported() level {
	switch x := &cpu.X86; {
	case x.HasAVX512F && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX2 && x.HasFMA:
		return levelAVX512
	case x.HasAVX2 && x.HasFMA:
		return levelAVX2
	}
	return levelRef
}

// tileAsm computes the tiles of part p for the outputs of panel q.
func (d *direct) tileAsm(p part, q panel, out, in []float32) {
	first := p.tile * d.pixels
	o := d.out + q.first/Block*d.plane
	a := tileArgs{
		x:     &in[d.in],
		w:     &d.w[q.w],
		bias:  &d.bias[q.first],
		out:   &out[o],
		taps:  &d.taps[0],
		ntaps: len(d.taps),
		src:   &d.src[first],
		dst:   &d.dst[first],
		tiles: p.tiles,
		plane: 4 * q.plane,
		flags: d.flags,
	}
	switch {
	case d.level == levelAVX2 && d.depth == 1:
		tile6x16x1AVX2(&a)
	case d.level == levelAVX2:
		tile6x16x8AVX2(&a)
	case d.depth == 1 && q.width == 32:
		tile8x32x1AVX512(&a)
	case d.depth == 1:
		tile8x16x1AVX512(&a)
	case q.width == 48:
		tile8x48x8AVX512(&a)
	case q.width == 32:
		tile8x32x8AVX512(&a)
	default:
		tile8x16x8AVX512(&a)
	}
}
