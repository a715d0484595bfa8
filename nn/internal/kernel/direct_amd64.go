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

// flagReLU makes a kernel clamp at zero.
const flagReLU = 1

//go:noescape
func tile6x16x8AVX2(a *tileArgs)

//go:noescape
func tile5x16x8AVX2(a *tileArgs)

//go:noescape
func tile4x16x8AVX2(a *tileArgs)

//go:noescape
func tile6x16x1AVX2(a *tileArgs)

//go:noescape
func tile8x48x8AVX512(a *tileArgs)

//go:noescape
func tile7x48x8AVX512(a *tileArgs)

//go:noescape
func tile6x48x8AVX512(a *tileArgs)

//go:noescape
func tile5x48x8AVX512(a *tileArgs)

//go:noescape
func tile8x32x8AVX512(a *tileArgs)

//go:noescape
func tile7x32x8AVX512(a *tileArgs)

//go:noescape
func tile6x32x8AVX512(a *tileArgs)

//go:noescape
func tile5x32x8AVX512(a *tileArgs)

//go:noescape
func tile8x16x8AVX512(a *tileArgs)

//go:noescape
func tile7x16x8AVX512(a *tileArgs)

//go:noescape
func tile6x16x8AVX512(a *tileArgs)

//go:noescape
func tile5x16x8AVX512(a *tileArgs)

//go:noescape
func tile8x32x1AVX512(a *tileArgs)

//go:noescape
func tile8x16x1AVX512(a *tileArgs)

// tile runs the micro-kernel of a level for so many pixels, outputs and input
// channels a tap.
func tile(l level, pixels, outs, depth int, a *tileArgs) {
	if l == levelAVX2 {
		switch {
		case depth == 1:
			tile6x16x1AVX2(a)
		case pixels == 6:
			tile6x16x8AVX2(a)
		case pixels == 5:
			tile5x16x8AVX2(a)
		default:
			tile4x16x8AVX2(a)
		}
		return
	}
	switch outs*16 + pixels + depth/Block*8 {
	case 32*16 + 8:
		tile8x32x1AVX512(a)
	case 16*16 + 8:
		tile8x16x1AVX512(a)
	case 48*16 + 8 + 8:
		tile8x48x8AVX512(a)
	case 48*16 + 8 + 7:
		tile7x48x8AVX512(a)
	case 48*16 + 8 + 6:
		tile6x48x8AVX512(a)
	case 48*16 + 8 + 5:
		tile5x48x8AVX512(a)
	case 32*16 + 8 + 8:
		tile8x32x8AVX512(a)
	case 32*16 + 8 + 7:
		tile7x32x8AVX512(a)
	case 32*16 + 8 + 6:
		tile6x32x8AVX512(a)
	case 32*16 + 8 + 5:
		tile5x32x8AVX512(a)
	case 16*16 + 8 + 8:
		tile8x16x8AVX512(a)
	case 16*16 + 8 + 7:
		tile7x16x8AVX512(a)
	case 16*16 + 8 + 6:
		tile6x16x8AVX512(a)
	case 16*16 + 8 + 5:
		tile5x16x8AVX512(a)
	}
}

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

// tileAsm computes the pixels of part p for the outputs of panel q.
func (d *direct) tileAsm(p part, q panel, out, in []float32) {
	a := tileArgs{
		x:     &in[d.in],
		w:     &d.w[q.w],
		bias:  &d.bias[q.first],
		out:   &out[d.out+q.first/Block*d.plane],
		taps:  &d.taps[0],
		ntaps: len(d.taps),
		plane: 4 * q.plane,
		flags: d.flags,
	}
	for _, r := range p.runs {
		a.src, a.dst, a.tiles = &d.src[r.first], &d.dst[r.first], r.tiles
		tile(d.level, r.pixels, q.width, d.depth, &a)
	}
}
