package kernels

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// shape is a convolution to try. Input and output are parts of wider buffers.
type shape struct {
	n, h, w, c, o int
	win           ir.Window
	relu          bool
}

func (s shape) String() string {
	return fmt.Sprintf("%dx%dx%dx%d, %dx%d/%d > %d", s.n, s.h, s.w, s.c, s.win.KH, s.win.KW, s.win.StrideH, s.o)
}

func window(kh, kw, stride, top, left int) ir.Window {
	return ir.Window{KH: kh, KW: kw, StrideH: stride, StrideW: stride, Top: top, Bottom: top, Left: left, Right: left}
}

// straddling are shapes that end within a tile in every direction: rows, channels, K (slices are of
// 16 or 32), windows over the border, batches of pictures that begin within a tile.
var straddling = []shape{
	{1, 5, 4, 8, 8, window(1, 1, 1, 0, 0), false},    // less than a slice of K
	{2, 9, 7, 40, 72, window(1, 1, 1, 0, 0), true},   // a tile and a bit of each
	{3, 6, 5, 24, 16, window(3, 3, 1, 1, 1), true},   // K 216, three pictures in a tile
	{2, 11, 9, 8, 136, window(3, 2, 2, 1, 0), false}, // strides, O above the large tile
	{1, 17, 13, 16, 24, window(1, 7, 1, 0, 3), true}, // more rows than a small tile
	{1, 12, 12, 16, 40, window(7, 1, 1, 3, 0), true}, // more rows than a large tile
	{2, 6, 6, 72, 16, window(5, 5, 1, 2, 2), false},  // K 1800
	{130, 1, 1, 80, 8, window(1, 1, 1, 0, 0), false}, // a dense layer
	{1, 7, 7, 32, 64, window(3, 3, 3, 0, 0), true},   // rows fewer than a fragment's
}

// large are layers of InceptionV3 at full width: sums of up to 4,032 products.
var large = []shape{
	{1, 8, 8, 2048, 320, window(1, 1, 1, 0, 0), true},
	{1, 17, 17, 160, 192, window(7, 1, 1, 3, 0), true},
	{1, 8, 8, 448, 384, window(3, 3, 1, 1, 1), true},
}

// conv is a shape on the device.
type conv struct {
	shape
	Conv
	input, filter, shift []float32
	at                   int // the first of its channels in the output's buffer
}

// newConv uploads random numbers.
func (g *gpu) newConv(s shape) *conv {
	const before, behind = 8, 16 // lanes of others
	oh, ow := s.win.Out(s.h, s.w)
	c := &conv{shape: s, at: before}
	c.Conv = Conv{
		N: int32(s.n), H: int32(s.h), Width: int32(s.w), C: int32(s.c), OH: int32(oh), OW: int32(ow), O: int32(s.o),
		KH: int32(s.win.KH), KW: int32(s.win.KW), SH: int32(s.win.StrideH), SW: int32(s.win.StrideW),
		Top: int32(s.win.Top), Left: int32(s.win.Left), LDX: int32(s.c + behind), LDY: int32(before + s.o + behind),
	}
	if s.relu {
		c.ReLU = 1
	}
	c.X, c.input = g.numbers(s.n*s.h*s.w*int(c.LDX), 1)
	k := s.c * s.win.KH * s.win.KW
	c.W, c.filter = g.numbers(s.o*k, 1/math.Sqrt(float64(k)))
	c.shift = make([]float32, s.o)
	for i := range c.shift {
		c.shift[i] = float32(g.rng.NormFloat64())
	}
	c.Bias = g.floats(c.shift)
	c.fresh(g)
	return c
}

// fresh gives c an output that nothing wrote to.
func (c *conv) fresh(g *gpu) {
	c.Y = g.alloc(c.pixels()*int(c.LDY)*g.Size) + uint64(c.at*g.Size)
}

func (c *conv) pixels() int { return int(c.N * c.OH * c.OW) }

// result is what was computed, [N,OH,OW,O], or an error if anything beside it was written.
func (c *conv) result(g *gpu) ([]float32, error) {
	all := g.download(c.Y-uint64(c.at*g.Size), c.pixels()*int(c.LDY))
	var y []float32
	for p := range c.pixels() {
		row := all[p*int(c.LDY):][:c.LDY]
		y = append(y, row[c.at:c.at+c.o]...)
		for i, v := range row {
			if (i < c.at || i >= c.at+c.o) && v == v {
				return nil, fmt.Errorf("pixel %d: wrote %v to lane %d, which is another's", p, v, i-c.at)
			}
		}
	}
	return y, nil
}

// want computes the convolution by the reference, [N,OH,OW,O].
func (c *conv) want() []float64 {
	x := make([]float64, c.n*c.c*c.h*c.w)
	for n := range c.n {
		for p := range c.h * c.w {
			for l := range c.c {
				x[(n*c.c+l)*c.h*c.w+p] = float64(c.input[(n*c.h*c.w+p)*int(c.LDX)+l])
			}
		}
	}
	taps := c.win.KH * c.win.KW
	k := ref.Kernel[float64]{W: make([]float64, len(c.filter)), Out: c.o, Window: c.win}
	for o := range c.o {
		k.B = append(k.B, float64(c.shift[o]))
		for t := range taps {
			for l := range c.c {
				k.W[(o*c.c+l)*taps+t] = float64(c.filter[(o*taps+t)*c.c+l])
			}
		}
	}
	planes := make([]float64, c.pixels()*c.o)
	ref.Conv2D(planes, x, ref.Image{N: c.n, C: c.c, H: c.h, W: c.w}, k)
	if c.relu {
		ref.ReLU(planes, slices.Clone(planes))
	}
	y := make([]float64, len(planes))
	area := int(c.OH * c.OW)
	for i, v := range planes {
		n, o, p := i/area/c.o, i/area%c.o, i%area
		y[(n*area+p)*c.o+o] = v
	}
	return y
}

// TestConv holds every tile to the reference, and the tiles to each other, bit for bit.
func TestConv(t *testing.T) {
	eachPrecision(t, func(t *testing.T, g *gpu) {
		shapes := straddling
		if !testing.Short() {
			shapes = slices.Concat(straddling, large)
		}
		for _, s := range shapes {
			c := g.newConv(s)
			want := c.want()
			var first []float32
			for _, tile := range g.Tiles() {
				c.fresh(g)
				g.run(c.Launch(tile))
				got, err := c.result(g)
				if err != nil {
					t.Fatalf("%v, %s: %v", s, tile.Kernel, err)
				}
				near(t, fmt.Sprintf("%v, %s", s, tile.Kernel), got, want, g.tolerance())
				if first == nil {
					first = got
				}
				if !slices.Equal(got, first) {
					t.Errorf("%v: the bits depend on the tile", s)
				}
			}
		}
	})
}

// BenchmarkInterpreted says how fast the interpreter multiplies and adds, here in InceptionV3's last
// block.
func BenchmarkInterpreted(b *testing.B) {
	for _, p := range Precisions() {
		b.Run(p.Name, func(b *testing.B) {
			g := newGPU(b, p)
			s := shape{1, 8, 8, 448, 384, window(3, 3, 1, 1, 1), true}
			c := g.newConv(s)
			for b.Loop() {
				g.run(c.Launch(g.Tiles()[0]))
			}
			b.ReportMetric(float64(b.N)*float64(8*8*448*9*384)/b.Elapsed().Seconds()/1e6, "MMAC/s")
		})
	}
}
