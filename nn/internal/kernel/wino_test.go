package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/c236555e/rehead/nn/internal/ir"
)

// winoWindows lists the kernels that have fast convolutions, with paddings that
// differ on all sides.
var winoWindows = []ir.Window{
	{KH: 3, KW: 3, StrideH: 1, StrideW: 1, Top: 1, Left: 2, Right: 1},
	{KH: 3, KW: 3, StrideH: 2, StrideW: 2, Bottom: 1, Left: 1, Right: 2},
	{KH: 3, KW: 3, StrideH: 1, StrideW: 2, Top: 2},
	{KH: 5, KW: 5, StrideH: 1, StrideW: 1, Top: 2, Bottom: 3, Left: 4, Right: 1},
	{KH: 3, KW: 5, StrideH: 1, StrideW: 1, Bottom: 1, Right: 3},
	{KH: 1, KW: 7, StrideH: 1, StrideW: 1, Left: 3, Right: 4},
	{KH: 7, KW: 1, StrideH: 1, StrideW: 1, Top: 4, Bottom: 3},
	{KH: 1, KW: 3, StrideH: 1, StrideW: 1, Left: 2},
	{KH: 3, KW: 1, StrideH: 1, StrideW: 1, Bottom: 2},
	{KH: 1, KW: 5, StrideH: 1, StrideW: 1, Left: 1, Right: 2},
}

// winograds lists the fast convolutions of s on every set for that many threads.
func winograds(s *Spec, threads int) []variant {
	var list []variant
	for _, set := range levels() {
		for _, t := range Tilings(s) {
			list = append(list, variant{fmt.Sprintf("%dx%d/%v", t.H, t.W, set), 1e-5,
				func(s Spec) (Conv, error) { return NewWinograd(set, s, t, threads) }})
		}
	}
	return list
}

// TestWinogradEdges runs planes of all small sizes, so that tiles hang over the
// edges by any number of rows and columns, down to planes smaller than a tile.
func TestWinogradEdges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, win := range winoWindows {
		for h := 5; h < 13; h += 2 {
			for w := 4; w < 18; w += 3 {
				if oh, ow := win.Out(h, w); oh < 1 || ow < 1 {
					continue
				}
				c := conformCase{in: h, h: h, w: w, out: w + 2, win: win, relu: w%2 == 0}
				b := newBed(c, r, nil)
				for _, v := range winograds(&b.spec, 1+h%3) {
					_, got := b.run(t, v, r)
					for i, want := range b.want {
						if !(math.Abs(float64(got[i])-want) <= v.tolerance*b.scale[i]+1e-30) {
							t.Errorf("%v %s: output %d is %v, want %v", c, v.name, i, got[i], want)
							break
						}
					}
				}
			}
		}
	}
}

// TestWinogradThreads asserts that a result does not depend, to the bit, on how
// the work is split.
func TestWinogradThreads(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, win := range winoWindows {
		c := conformCase{in: 9, h: 21, w: 19, out: 35, win: win, relu: true}
		b := newBed(c, r, nil)
		var first [][]float32
		for _, threads := range []int{1, 3, 16} {
			for i, v := range winograds(&b.spec, threads) {
				_, got := b.run(t, v, r)
				if threads == 1 {
					first = append(first, got)
				} else if !slices.Equal(got, first[i]) {
					t.Errorf("%v %s: %d threads get another result than one", c, v.name, threads)
				}
			}
		}
	}
}

// TestWinogradVariantsAgree asserts that plain Go and assembly are one
// algorithm: they may differ where plain Go rounds twice, which is rare.
func TestWinogradVariantsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, win := range winoWindows {
		b := newBed(conformCase{in: 19, h: 15, w: 16, out: 33, win: win}, r, nil)
		first := map[string][]float32{}
		for _, tile := range Tilings(&b.spec) {
			for _, set := range levels() {
				v := variant{name: set.String(), make: func(s Spec) (Conv, error) { return NewWinograd(set, s, tile, 2) }}
				_, got := b.run(t, v, r)
				name := fmt.Sprint(tile)
				if first[name] == nil {
					first[name] = got
					continue
				}
				for i, x := range got {
					if !(math.Abs(float64(x-first[name][i])) <= 1e-6*b.scale[i]) {
						t.Errorf("%+v %v %v: output %d is %v, and %v with %v", win, tile, set, i, x, first[name][i], Sets()[0])
						break
					}
				}
			}
		}
	}
}

// TestWinogradKeepsNaNInTile asserts that a NaN spoils no output but those of
// tiles whose input contains it.
func TestWinogradKeepsNaNInTile(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, win := range winoWindows {
		c := conformCase{in: 8, h: 26, w: 27, out: 16, win: win}
		const y, x = 13, 14
		b := newBed(c, r, map[int]float32{(3*c.h+y)*c.w + x: float32(math.NaN())})
		for _, tile := range Tilings(&b.spec) {
			for _, set := range levels() {
				v := variant{name: set.String(), make: func(s Spec) (Conv, error) { return NewWinograd(set, s, tile, 2) }}
				_, got := b.run(t, v, r)
				reads := func(out, pad, m, k, stride, at int) bool {
					from := out/m*m*stride - pad // the tile's first input
					return at >= from && at < from+(m-1)*stride+k
				}
				for i, g := range got {
					oy, ox := i/b.spec.Out.W%b.spec.Out.H, i%b.spec.Out.W
					reached := reads(oy, win.Top, tile.H, win.KH, win.StrideH, y) &&
						reads(ox, win.Left, tile.W, win.KW, win.StrideW, x)
					if g != g && !reached {
						t.Errorf("%+v %v %v: output %d,%d is NaN", win, tile, set, oy, ox)
						break
					}
				}
			}
		}
	}
}

// TestWinogradError measures each algorithm's rounding on what the network's
// layers see: rectified input, many channels, filters of both signs. A program
// stays within 1e-4 of the reference if every layer stays well below 1e-5.
func TestWinogradError(t *testing.T) {
	for _, c := range []struct {
		tile  Tiling
		win   ir.Window
		limit float64 // of the root mean square error over that of the result
	}{
		{Tiling{2, 2}, ir.Window{KH: 3, KW: 3, StrideH: 1, StrideW: 1}, 6e-7},
		{Tiling{2, 4}, ir.Window{KH: 3, KW: 3, StrideH: 1, StrideW: 1}, 8e-7},
		{Tiling{4, 4}, ir.Window{KH: 3, KW: 3, StrideH: 1, StrideW: 1}, 1.5e-6},
		{Tiling{6, 6}, ir.Window{KH: 3, KW: 3, StrideH: 1, StrideW: 1}, 4e-6},
		{Tiling{3, 3}, ir.Window{KH: 3, KW: 3, StrideH: 2, StrideW: 2}, 6e-7},
		{Tiling{2, 2}, ir.Window{KH: 5, KW: 5, StrideH: 1, StrideW: 1}, 1.5e-6},
		{Tiling{4, 4}, ir.Window{KH: 5, KW: 5, StrideH: 1, StrideW: 1}, 4e-6},
		{Tiling{1, 4}, ir.Window{KH: 1, KW: 3, StrideH: 1, StrideW: 1}, 8e-7},
		{Tiling{6, 1}, ir.Window{KH: 3, KW: 1, StrideH: 1, StrideW: 1}, 1.5e-6},
		{Tiling{1, 4}, ir.Window{KH: 1, KW: 7, StrideH: 1, StrideW: 1}, 4e-6},
		{Tiling{6, 1}, ir.Window{KH: 7, KW: 1, StrideH: 1, StrideW: 1}, 8e-6},
	} {
		r := rand.New(rand.NewPCG(9, 10))
		b := newBed(conformCase{in: 96, h: 21, w: 22, out: 32, win: c.win}, r, nil)
		rectified := make([]float32, 96*21*22)
		for i := range rectified {
			rectified[i] = max(0, float32(r.NormFloat64()))
		}
		Unpack(b.in, b.spec.In, rectified, inOrder(96))
		b.reference(conformCase{in: 96, h: 21, w: 22, out: 32, win: c.win}, rectified)
		for _, set := range levels() {
			v := variant{name: set.String(), make: func(s Spec) (Conv, error) { return NewWinograd(set, s, c.tile, 1) }}
			_, got := b.run(t, v, r)
			var e2, w2 float64
			for i, want := range b.want {
				e := float64(got[i]) - want
				e2, w2 = e2+e*e, w2+want*want
			}
			if e := math.Sqrt(e2 / w2); !(e <= c.limit) {
				t.Errorf("F(%dx%d,%dx%d)/%d %v: relative error %.2g, want at most %.2g",
					c.tile.H, c.tile.W, c.win.KH, c.win.KW, c.win.StrideH, set, e, c.limit)
			} else {
				t.Logf("F(%dx%d,%dx%d)/%d %v: %.2g", c.tile.H, c.tile.W, c.win.KH, c.win.KW, c.win.StrideH, set, e)
			}
		}
	}
}

// TestWinogradConstants holds the count of constants to their list.
func TestWinogradConstants(t *testing.T) {
	for n := 4; n <= 12; n += 2 {
		if got, want := winoConstants(n), len(points(n).forward()); got != want {
			t.Errorf("%d points: got %d constants, want %d", n, got, want)
		}
	}
}

// TestWinogradAllocates asserts that running allocates nothing.
func TestWinogradAllocates(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, win := range winoWindows[:7] {
		b := newBed(conformCase{in: 16, h: 14, w: 15, out: 16, win: win}, r, nil)
		for _, tile := range Tilings(&b.spec) {
			conv, err := NewWinograd(Sets()[0], b.spec, tile, 2)
			if err != nil {
				t.Fatal(err)
			}
			scratch := make([]float32, conv.Scratch())
			if n := testing.AllocsPerRun(3, func() { conv.Run(0, b.out, b.in, scratch) }); n != 0 {
				t.Errorf("%+v %v: %v allocations a run", win, tile, n)
			}
		}
	}
}

func TestWinogradRejects(t *testing.T) {
	s := Spec{In: Padded(8, 9, 9, Border{1, 1, 1, 1}), Out: Dense(8, 9, 9), KH: 3, KW: 3, StrideH: 1, StrideW: 1,
		PadTop: 1, PadLeft: 1, Filter: make([]float32, 8*8*9)}
	if _, err := NewWinograd(Ref, s, Tiling{4, 4}, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := NewWinograd(Ref, s, Tiling{3, 3}, 1); err == nil {
		t.Error("an unknown tiling is accepted")
	}
	s.Filter = s.Filter[1:]
	if _, err := NewWinograd(Ref, s, Tiling{4, 4}, 1); err == nil {
		t.Error("a short filter is accepted")
	}
	for name, spoil := range map[string]func(*Spec){
		"planar":  func(s *Spec) { s.Planar = true },
		"stride":  func(s *Spec) { s.StrideH = 3 },
		"1x1":     func(s *Spec) { s.KH, s.KW = 1, 1 },
		"4 taps":  func(s *Spec) { s.KH = 4 },
		"padding": func(s *Spec) { s.KH = 1 },
	} {
		x := s
		spoil(&x)
		if list := Tilings(&x); list != nil {
			t.Errorf("%s: tilings %v, want none", name, list)
		}
	}
}
