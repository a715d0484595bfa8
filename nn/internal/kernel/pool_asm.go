//go:build amd64 || arm64

package kernel

import "math"

// poolArgs is what the pooling kernels are handed; the generators know
// its layout.
type poolArgs struct {
	x, out   *float32 // the channel block's row 0, column 0
	taps     *int     // bytes from a pixel's first tap to each of its taps
	ntaps    int
	src, dst *int32
	pixels   int
	scale    uint64 // the bits of a float32
	bias     *float32
	floor    uint64 // the bits of a float32
}

//go:noescape
func poolMax(a *poolArgs)

//go:noescape
func poolAvg(a *poolArgs)

// runAsm pools channel block b of the pixels of g.
func (p *pool) runAsm(b int, g *poolGroup, out, in []float32) {
	a := poolArgs{
		x:      &in[p.spec.In.Off+b*p.spec.In.Plane],
		out:    &out[p.spec.Out.Off+b*p.spec.Out.Plane],
		taps:   &g.taps[0],
		ntaps:  len(g.taps),
		src:    &g.src[0],
		dst:    &g.dst[0],
		pixels: len(g.src),
		scale:  uint64(math.Float32bits(g.scale)),
		bias:   &p.bias[b*p.block],
		floor:  uint64(math.Float32bits(p.floor)),
	}
	switch {
	case p.spec.Pairs:
		poolPairs(p.spec.Max, &a)
	case p.spec.Max:
		poolMax(&a)
	default:
		poolAvg(&a)
	}
}
