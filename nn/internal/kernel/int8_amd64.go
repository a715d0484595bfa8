package kernel

import (
	"math"

	"golang.org/x/sys/cpu"
)

// byteTile is what a micro-kernel of bytes is handed; the generator knows its
// layout. The kernels move src and dst on and count tiles down.
type byteTile struct {
	x            *float32 // the image's channel block 0, row 0, column 0
	w            *int8    // weights of the panel: [taps][depth][outputs][4]
	scale, shift *float32 // of the panel's outputs
	out          *float32 // channel block 0, row 0, column 0
	taps         *int     // bytes from a pixel to each of its taps
	ntaps        int
	src          *int32 // bytes from x to each pixel's first tap
	dst          *int32 // bytes from out to each pixel
	tiles        int
	groups       [3]int // bytes from a pixel in out to each 16 outputs
}

//go:noescape
func byteTile8x48x4VNNI(a *byteTile)

//go:noescape
func byteTile7x48x4VNNI(a *byteTile)

//go:noescape
func byteTile6x48x4VNNI(a *byteTile)

//go:noescape
func byteTile5x48x4VNNI(a *byteTile)

//go:noescape
func byteTile8x32x4VNNI(a *byteTile)

//go:noescape
func byteTile7x32x4VNNI(a *byteTile)

//go:noescape
func byteTile6x32x4VNNI(a *byteTile)

//go:noescape
func byteTile5x32x4VNNI(a *byteTile)

//go:noescape
func byteTile8x16x4VNNI(a *byteTile)

//go:noescape
func byteTile7x16x4VNNI(a *byteTile)

//go:noescape
func byteTile6x16x4VNNI(a *byteTile)

//go:noescape
func byteTile5x16x4VNNI(a *byteTile)

//go:noescape
func byteTile5x16x4AVX2(a *byteTile)

//go:noescape
func byteTile4x16x4AVX2(a *byteTile)

//go:noescape
func byteTile8x48x1VNNI(a *byteTile)

//go:noescape
func byteTile7x48x1VNNI(a *byteTile)

//go:noescape
func byteTile6x48x1VNNI(a *byteTile)

//go:noescape
func byteTile5x48x1VNNI(a *byteTile)

//go:noescape
func byteTile8x32x1VNNI(a *byteTile)

//go:noescape
func byteTile7x32x1VNNI(a *byteTile)

//go:noescape
func byteTile6x32x1VNNI(a *byteTile)

//go:noescape
func byteTile5x32x1VNNI(a *byteTile)

//go:noescape
func byteTile8x16x1VNNI(a *byteTile)

//go:noescape
func byteTile7x16x1VNNI(a *byteTile)

//go:noescape
func byteTile6x16x1VNNI(a *byteTile)

//go:noescape
func byteTile5x16x1VNNI(a *byteTile)

//go:noescape
func byteTile5x16x1AVX2(a *byteTile)

//go:noescape
func byteTile4x16x1AVX2(a *byteTile)

// runByteTile runs the micro-kernel of a level for so many pixels, outputs and
// words a tap.
func runByteTile(l level, pixels, outs, depth int, a *byteTile) {
	switch {
	case l == levelAVX2:
		runByteTileAVX2(pixels, depth, a)
	case depth > 1:
		runByteTileVNNI(pixels, outs, a)
	default:
		runByteTileShallowVNNI(pixels, outs, a)
	}
}

func runByteTileAVX2(pixels, depth int, a *byteTile) {
	switch {
	case depth > 1 && pixels == 5:
		byteTile5x16x4AVX2(a)
	case depth > 1:
		byteTile4x16x4AVX2(a)
	case pixels == 5:
		byteTile5x16x1AVX2(a)
	default:
		byteTile4x16x1AVX2(a)
	}
}

// runByteTileVNNI runs a tile of four words a tap.
func runByteTileVNNI(pixels, outs int, a *byteTile) {
	switch outs*8 + pixels {
	case 48*8 + 8:
		byteTile8x48x4VNNI(a)
	case 48*8 + 7:
		byteTile7x48x4VNNI(a)
	case 48*8 + 6:
		byteTile6x48x4VNNI(a)
	case 48*8 + 5:
		byteTile5x48x4VNNI(a)
	case 32*8 + 8:
		byteTile8x32x4VNNI(a)
	case 32*8 + 7:
		byteTile7x32x4VNNI(a)
	case 32*8 + 6:
		byteTile6x32x4VNNI(a)
	case 32*8 + 5:
		byteTile5x32x4VNNI(a)
	case 16*8 + 8:
		byteTile8x16x4VNNI(a)
	case 16*8 + 7:
		byteTile7x16x4VNNI(a)
	case 16*8 + 6:
		byteTile6x16x4VNNI(a)
	case 16*8 + 5:
		byteTile5x16x4VNNI(a)
	}
}

// runByteTileShallowVNNI runs a tile of one word a tap.
func runByteTileShallowVNNI(pixels, outs int, a *byteTile) {
	switch outs*8 + pixels {
	case 48*8 + 8:
		byteTile8x48x1VNNI(a)
	case 48*8 + 7:
		byteTile7x48x1VNNI(a)
	case 48*8 + 6:
		byteTile6x48x1VNNI(a)
	case 48*8 + 5:
		byteTile5x48x1VNNI(a)
	case 32*8 + 8:
		byteTile8x32x1VNNI(a)
	case 32*8 + 7:
		byteTile7x32x1VNNI(a)
	case 32*8 + 6:
		byteTile6x32x1VNNI(a)
	case 32*8 + 5:
		byteTile5x32x1VNNI(a)
	case 16*8 + 8:
		byteTile8x16x1VNNI(a)
	case 16*8 + 7:
		byteTile7x16x1VNNI(a)
	case 16*8 + 6:
		byteTile6x16x1VNNI(a)
	case 16*8 + 5:
		byteTile5x16x1VNNI(a)
	}
}

// hasVNNI reports whether the processor multiplies bytes with AVX-512.
func hasVNNI() bool { return cpu.X86.HasAVX512VNNI }

// tileAsm computes the pixels of part p for the outputs of panel q.
func (c *byteConv) tileAsm(p part, q bytePanel, out, in []float32) {
	a := byteTile{
		x: &in[c.in], w: &c.w[q.w], scale: &c.scale[q.first], shift: &c.shift[q.first],
		out: &out[c.out], taps: &c.taps[0], ntaps: len(c.taps), groups: q.groups,
	}
	for _, r := range p.runs {
		a.src, a.dst, a.tiles = &c.src[r.first], &c.dst[r.first], r.tiles
		runByteTile(c.level, r.pixels, q.width, c.depth, &a)
	}
}

// bytePoolArgs is what the pooling kernels of bytes are handed; the generator
// knows its layout.
type bytePoolArgs struct {
	x, out   *float32 // the channel block's row 0, column 0
	taps     *int     // bytes from a pixel's first tap to each of its taps
	ntaps    int
	src, dst *int32
	pixels   int
	scale    uint64 // the bits of a float32
}

//go:noescape
func bytePoolMaxAVX2(a *bytePoolArgs)

//go:noescape
func bytePoolMeanAVX2(a *bytePoolArgs)

// quantizeArgs is what the kernel that quantises is handed; the generator knows its layout.
type quantizeArgs struct {
	src          [3]*float32
	dst          *float32
	groups       int
	scale, shift uint64 // the bits of a float32
}

//go:noescape
func quantizeAVX2(a *quantizeArgs)

// quantizeRow turns pixels of three planes, that many floats apart, into words of bytes, as many as
// there are groups of eight for, and returns how many.
func quantizeRow(dst, src []float32, plane int, scale, shift float32) int {
	n := len(dst) &^ 7
	_ = src[2*plane+n-1]
	a := quantizeArgs{
		src: [3]*float32{&src[0], &src[plane], &src[2*plane]}, dst: &dst[0], groups: n / 8,
		scale: uint64(math.Float32bits(scale)), shift: uint64(math.Float32bits(shift)),
	}
	quantizeAVX2(&a)
	return n
}

// mostTaps is how many bytes a sum of 16 bits has room for.
const mostTaps = (1<<16 - 1) / 255

// poolBytesAsm pools a channel block of the pixels of g.
func poolBytesAsm(g *poolGroup, largest bool, out, in []float32) {
	if !largest && len(g.taps) > mostTaps {
		poolBytesGo(g, largest, out, in)
		return
	}
	a := bytePoolArgs{
		x: &in[0], out: &out[0], taps: &g.taps[0], ntaps: len(g.taps),
		src: &g.src[0], dst: &g.dst[0], pixels: len(g.src),
		scale: uint64(math.Float32bits(g.scale)),
	}
	if largest {
		bytePoolMaxAVX2(&a)
	} else {
		bytePoolMeanAVX2(&a)
	}
}
