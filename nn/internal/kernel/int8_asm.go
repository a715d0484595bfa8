//go:build amd64 || arm64

package kernel

import (
	"math"
	"unsafe"
)

// byteTile is what a micro-kernel of bytes is handed; the generators know its
// layout. The kernels move src and dst on and count tiles down.
type byteTile struct {
	x            *float32 // the image's channel block 0, row 0, column 0
	w            *int8    // weights of the panel: [taps][depth][outputs][4], or pairs of words side by side
	scale, shift *float32 // of the panel's outputs
	out          *float32 // channel block 0, row 0, column 0
	taps         *int     // bytes from a pixel to each of its taps
	ntaps        int
	src          *int32 // bytes from x to each pixel's first tap
	dst          *int32 // bytes from out to each pixel
	tiles        int
	groups       [3]int // bytes from a pixel in out to each 16 outputs
	start        *int32 // of the outputs' sums, if the kernel wants it
}

// tileAsm computes the pixels of part p for the outputs of panel q.
func (c *byteConv) tileAsm(p part, q bytePanel, out, in []float32) {
	a := byteTile{
		x: &in[c.in], w: &c.w[q.w], scale: &c.scale[q.first], shift: &c.shift[q.first],
		out: &out[c.out], taps: &c.taps[0], ntaps: len(c.taps), groups: q.groups,
	}
	if c.start != nil {
		a.start = &c.start[q.first]
	}
	for _, r := range p.runs {
		a.src, a.dst, a.tiles = &c.src[r.first], &c.dst[r.first], r.tiles
		runByteTile(c.by, r.pixels, q.width, c.depth, &a)
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
func bytePoolMax(a *bytePoolArgs)

//go:noescape
func bytePoolMean(a *bytePoolArgs)

// quantizeArgs is what the kernel that quantises is handed; the generator knows its layout.
type quantizeArgs struct {
	src          [3]*float32
	dst          *float32
	groups       int
	scale, shift uint64 // the bits of a float32
}

//go:noescape
func quantize(a *quantizeArgs)

// quantizeRow turns pixels of three planes, that many floats apart, into words of bytes, as many as
// there are groups of eight for, and returns how many.
func quantizeRow(dst, src []float32, plane int, scale, shift float32) int {
	n := len(dst) &^ 7
	_ = src[2*plane+n-1]
	a := quantizeArgs{
		src: [3]*float32{&src[0], &src[plane], &src[2*plane]}, dst: &dst[0], groups: n / 8,
		scale: uint64(math.Float32bits(scale)), shift: uint64(math.Float32bits(shift)),
	}
	quantize(&a)
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
		bytePoolMax(&a)
	} else {
		bytePoolMean(&a)
	}
}

//go:noescape
func byteMoments(a *momentsArgs)

// byteSumsAsm is byteSumsGo.
func byteSumsAsm(sums *[2 * ByteBlock]uint32, x []float32, c *cell, row int) {
	byteMoments(&momentsArgs{x: &x[0], out: (*float32)(unsafe.Pointer(&sums[0])), rows: c.rows, columns: c.columns,
		row: 4 * (row - c.columns*Block)})
}
