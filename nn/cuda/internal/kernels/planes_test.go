package kernels

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// picture is some lanes of a wider buffer on the device.
type picture struct {
	ref.Image
	at     uint64
	ld     int
	planes []float64 // [N,C,H,W]
}

// picture draws numbers, some of them NaN and infinite if it is to be wild.
func (g *gpu) picture(s ref.Image, wild bool) picture {
	const before, behind = 16, 8
	p := picture{Image: s, ld: before + s.C + behind, planes: make([]float64, s.N*s.C*s.H*s.W)}
	_, all := g.numbers(s.N*s.H*s.W*p.ld, 1)
	if wild {
		for i := 5; i < len(all); i += 37 {
			all[i] = []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}[i%3]
		}
		data := make([]byte, 0, len(all)*g.Size)
		for _, v := range all {
			data = g.anything(data, v)
		}
		p.at = g.upload(data)
	} else {
		p.at = g.elements(all)
	}
	p.at += uint64(before * g.Size)
	area := s.H * s.W
	for i := range p.planes {
		n, c, at := i/area/s.C, i/area%s.C, i%area
		p.planes[i] = float64(all[(n*area+at)*p.ld+before+c])
	}
	return p
}

// anything appends a number that may be one that Append refuses.
func (g *gpu) anything(data []byte, v float32) []byte {
	if d, err := g.Append(data, v); err == nil {
		return d
	}
	b := math.Float32bits(v)
	switch g.Store {
	case "bfloat16":
		return append(data, byte(b>>16), byte(b>>24))
	case "float16":
		h := uint16(b>>16)&0x8000 | 0x7c00
		if v != v {
			h |= 0x200
		}
		return append(data, byte(h), byte(h>>8))
	}
	return append(data, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
}

// planes reads lanes back as [N,C,H,W].
func (g *gpu) planes(s ref.Image, at uint64, ld int) []float32 {
	all := g.download(at, (s.N*s.H*s.W-1)*ld+s.C)
	y := make([]float32, s.N*s.C*s.H*s.W)
	area := s.H * s.W
	for i := range y {
		n, c, p := i/area/s.C, i/area%s.C, i%area
		y[i] = all[(n*area+p)*ld+c]
	}
	return y
}

// same fails unless got is want within tolerance of itself; NaN and infinities have to be the same.
func same(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	for i, w := range want {
		g := float64(got[i])
		if g != w && !(math.IsNaN(g) && math.IsNaN(w)) && !(math.Abs(g-w) <= tolerance*max(1, math.Abs(w))) {
			t.Fatalf("%s: value %d: got %v, want %v", what, i, g, w)
		}
	}
}

// TestPools tries windows over every border, and numbers that are none.
func TestPools(t *testing.T) {
	eachPrecision(t, func(t *testing.T, g *gpu) {
		for _, win := range []ir.Window{window(3, 3, 2, 0, 0), window(3, 2, 1, 1, 0), window(4, 3, 2, 2, 1), window(1, 1, 1, 0, 0)} {
			s := ref.Image{N: 3, C: 40, H: 9, W: 7}
			x := g.picture(s, true)
			oh, ow := win.Out(s.H, s.W)
			out := ref.Image{N: s.N, C: s.C, H: oh, W: ow}
			ld := s.C + 8
			p := Pool{
				X: x.at, N: 3, H: 9, Width: 7, C: 40, OH: int32(oh), OW: int32(ow), KH: int32(win.KH), KW: int32(win.KW),
				SH: int32(win.StrideH), SW: int32(win.StrideW), Top: int32(win.Top), Left: int32(win.Left),
				LDX: int32(x.ld), LDY: int32(ld),
			}
			want := make([]float64, out.N*out.C*oh*ow)
			fresh := func() uint64 { return g.alloc(out.N * oh * ow * ld * g.Size) }

			p.Y = fresh()
			g.run(p.Max())
			ref.MaxPool(want, x.planes, s, win)
			same(t, fmt.Sprintf("max %+v", win), g.planes(out, p.Y, ld), want, 0)

			for border := range 2 {
				p.Y, p.Border = fresh(), int32(border)
				g.run(p.Average())
				ref.AvgPool(want, x.planes, s, ref.Pool{Window: win, CountBorder: border == 1})
				same(t, fmt.Sprintf("average %+v", win), g.planes(out, p.Y, ld), want, g.tolerance())
			}
		}
	})
}

// TestAffine tries scale and shift, ReLU, and the copy.
func TestAffine(t *testing.T) {
	eachPrecision(t, func(t *testing.T, g *gpu) {
		s := ref.Image{N: 2, C: 24, H: 5, W: 9}
		x := g.picture(s, true)
		scale, shift := make([]float32, s.C), make([]float32, s.C)
		scale64, shift64 := make([]float64, s.C), make([]float64, s.C)
		for i := range scale {
			scale[i], shift[i] = float32(g.rng.NormFloat64()), float32(g.rng.NormFloat64())
			scale64[i], shift64[i] = float64(scale[i]), float64(shift[i])
		}
		const ld = 32
		want := make([]float64, len(x.planes))
		for _, relu := range []int32{0, 1} {
			for _, copies := range []bool{false, true} {
				a := Affine{X: x.at, Pixels: 2 * 5 * 9, C: 24, LDX: int32(x.ld), LDY: ld, ReLU: relu,
					Y: g.alloc(2 * 5 * 9 * ld * g.Size)}
				copy(want, x.planes)
				if !copies {
					a.Scale, a.Shift = g.floats(scale), g.floats(shift)
					ref.Affine(want, x.planes, s, scale64, shift64)
				}
				if relu == 1 {
					ref.ReLU(want, append([]float64(nil), want...))
				}
				g.run(a.Launch())
				same(t, fmt.Sprintf("relu %d, copy %t", relu, copies), g.planes(s, a.Y, ld), want, g.tolerance())
			}
		}
	})
}

// TestMean tries the mean and the moments.
func TestMean(t *testing.T) {
	eachPrecision(t, func(t *testing.T, g *gpu) {
		for _, s := range []ref.Image{{N: 3, C: 24, H: 5, W: 8}, {N: 2, C: 72, H: 8, W: 7}, {N: 1, C: 8, H: 1, W: 1}} {
			x := g.picture(s, false)
			for moments, runs := range []int{1, ir.MomentRuns} {
				ld := s.C*runs + 8
				want := make([]float64, s.N*s.C*runs)
				m := Mean{X: x.at, N: int32(s.N), H: int32(s.H), Width: int32(s.W), C: int32(s.C), LDX: int32(x.ld),
					LDY: int32(ld), Moments: int32(moments), Y: g.alloc(s.N * ld * 4)}
				g.run(m.Launch())
				if moments == 0 {
					ref.GlobalAvgPool(want, x.planes, s)
				} else {
					ref.Moments(want, x.planes, s)
				}
				got := g.as(Precisions()[0]).planes(ref.Image{N: s.N, C: s.C * runs, H: 1, W: 1}, m.Y, ld)
				near(t, fmt.Sprintf("%+v, %d runs", s, runs), got, want, 2e-6)
			}
		}
	})
}

// TestPack takes numbers of the caller's to lanes and back, with channels that fill no group.
func TestPack(t *testing.T) {
	eachPrecision(t, func(t *testing.T, g *gpu) {
		for _, c := range []int{3, 8, 21} {
			const n, h, w = 2, 7, 5
			values := make([]float32, n*c*h*w)
			for i := range values {
				values[i] = g.round(float32(g.rng.NormFloat64()))
			}
			groups := (c + Lanes - 1) / Lanes
			ld := groups*Lanes + 8
			u := Unpack{X: g.floats(values), N: n, C: int32(c), Area: h * w, LDY: int32(ld), Y: g.alloc(n * h * w * ld * g.Size)}
			g.run(u.Launch())
			for l := c; l < groups*Lanes; l++ {
				if v := g.download(u.Y+uint64(l*g.Size), 1)[0]; v != 0 {
					t.Errorf("%d channels: lane %d: got %v, want 0", c, l, v)
				}
			}
			lanes := make([]int32, c)
			for i := range lanes {
				lanes[i] = int32(c - 1 - i) // back to front
			}
			p := Pack{X: u.Y, Lanes: g.indices(lanes...), Y: g.alloc(len(values) * 4), N: n, C: int32(c), Area: h * w,
				LDX: int32(ld)}
			g.run(p.Launch())
			got := g.as(Precisions()[0]).download(p.Y, len(values))
			for i, v := range got {
				image, channel, at := i/(h*w)/c, i/(h*w)%c, i%(h*w)
				if want := values[(image*c+c-1-channel)*h*w+at]; v != want {
					t.Fatalf("%d channels: value %d: got %v, want %v", c, i, v, want)
				}
			}
		}
	})
}

// TestSoftmax tries fewer classes than a warp has lanes, and more, with lanes of none between them.
func TestSoftmax(t *testing.T) {
	g := newGPU(t, Precisions()[0])
	for _, classes := range []int{1, 5, 32, 77} {
		const n = 3
		ld := classes*2 + 3
		used := make([]int32, ld)
		want := make([]float64, n*classes)
		x := make([]float32, n*ld)
		for i := range x {
			x[i] = float32(g.rng.NormFloat64() * 20)
		}
		logits := make([]float64, n*classes)
		for i := range logits {
			logits[i] = float64(x[i/classes*ld+i%classes*2])
			used[i%classes*2] = 1
		}
		ref.Softmax(want, logits, classes)
		s := Softmax{X: g.floats(x), Used: g.indices(used...), Y: g.alloc(n * ld * 4), N: n, C: int32(ld),
			LDX: int32(ld), LDY: int32(ld)}
		g.run(s.Launch())
		all := g.download(s.Y, n*ld)
		var got []float32
		for i := range want {
			got = append(got, all[i/classes*ld+i%classes*2])
		}
		for i, v := range all {
			if used[i%ld] == 0 && v != 0 {
				t.Errorf("%d classes: lane %d, which is none: got %v, want 0", classes, i%ld, v)
			}
		}
		near(t, fmt.Sprintf("%d classes", classes), got, want, 5e-6)
	}
}

// findPlanes says what is wrong with pools and with the ways from and to lanes.
func findPlanes(g *gpu) error {
	s := ref.Image{N: 2, C: 24, H: 7, W: 6}
	x := g.picture(s, false)
	win := window(3, 3, 2, 1, 1)
	oh, ow := win.Out(s.H, s.W)
	out := ref.Image{N: s.N, C: s.C, H: oh, W: ow}
	p := Pool{X: x.at, N: 2, H: 7, Width: 6, C: 24, OH: int32(oh), OW: int32(ow), KH: 3, KW: 3, SH: 2, SW: 2, Top: 1, Left: 1,
		LDX: int32(x.ld), LDY: 24}
	want := make([]float64, out.N*out.C*oh*ow)
	for _, max := range []bool{true, false} {
		p.Y = g.alloc(len(want) * g.Size)
		l := p.Average()
		ref.AvgPool(want, x.planes, s, ref.Pool{Window: win})
		if max {
			l = p.Max()
			ref.MaxPool(want, x.planes, s, win)
		}
		if err := g.try(l); err != nil {
			return err
		}
		if err := difference(g.planes(out, p.Y, 24), want, g.tolerance()); err != nil {
			return err
		}
	}
	values, exact := make([]float32, 2*13*63), make([]float64, 2*13*63) // the last block is not full
	for i := range values {
		values[i] = g.round(float32(g.rng.NormFloat64()))
		exact[i] = float64(values[i])
	}
	u := Unpack{X: g.floats(values), N: 2, C: 13, Area: 63, LDY: 16, Y: g.alloc(2 * 63 * 16 * g.Size)}
	if err := g.try(u.Launch()); err != nil {
		return err
	}
	if err := difference(g.planes(ref.Image{N: 2, C: 13, H: 9, W: 7}, u.Y, 16), exact, 0); err != nil {
		return err
	}
	if err := findLevels(g); err != nil {
		return err
	}
	lanes := []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	y := Pack{X: u.Y, Lanes: g.indices(lanes...), Y: g.alloc(len(values) * 4), N: 2, C: 13, Area: 63, LDX: 16}
	if err := g.try(y.Launch()); err != nil {
		return err
	}
	return difference(g.as(Precisions()[0]).download(y.Y, len(values)), exact, 0)
}

// findLevels says what is wrong with the way of bytes to lanes, which has to be that of the numbers that
// they stand for, bit for bit.
func findLevels(g *gpu) error {
	const n, c, area, ld = 2, 13, 63, 16
	of, bytes, values := make([]float32, c*256), make([]byte, n*c*area), make([]float32, n*c*area)
	for i := range of {
		of[i] = float32(g.rng.NormFloat64())
	}
	for i := range bytes {
		bytes[i] = byte(g.rng.Uint32())
		values[i] = of[i/area%c*256+int(bytes[i])]
	}
	u := Unpack{X: g.floats(values), N: n, C: c, Area: area, LDY: ld, Y: g.alloc(n * area * ld * g.Size)}
	l := Levels{X: g.upload(bytes), Of: g.floats(of), N: n, C: c, Area: area, LDY: ld, Y: g.alloc(n * area * ld * g.Size)}
	for _, launch := range []Launch{u.Launch(), l.Launch()} {
		if err := g.try(launch); err != nil {
			return err
		}
	}
	if want, got := g.read(u.Y, n*area*ld*g.Size), g.read(l.Y, n*area*ld*g.Size); !slices.Equal(got, want) {
		return errors.New("bytes have other lanes than the numbers that they stand for")
	}
	return nil
}

// TestLevels takes bytes to lanes.
func TestLevels(t *testing.T) {
	eachPrecision(t, func(t *testing.T, g *gpu) {
		if err := findLevels(g); err != nil {
			t.Error(err)
		}
	})
}
