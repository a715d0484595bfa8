package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// momentsCases are tensors inside a halo, of one pixel, of one row, of even and odd sides; some
// lanes are no channel's.
var momentsCases = []struct{ c, h, w int }{{1, 1, 1}, {5, 1, 4}, {9, 2, 3}, {19, 7, 4}, {40, 6, 9}, {33, 17, 18}}

// TestMoments compares every set with the reference. A channel that is constant deviates by exactly
// nothing, and one that lies far from zero keeps its digits.
func TestMoments(t *testing.T) {
	for _, c := range momentsCases {
		r := rand.New(rand.NewPCG(uint64(c.h), uint64(c.w)))
		in := Padded(c.c+3, c.h, c.w, Border{1, 2, 1, 2}).At(5)
		data := make([]float32, in.Size()+5)
		for i := range data {
			data[i] = float32(math.NaN())
		}
		lanes, plain := make([]int, c.c), make([]float64, c.c*c.h*c.w)
		for i := range lanes {
			if lanes[i] = i; i >= c.c/2 {
				lanes[i] += 3
			}
			for p := range c.h * c.w {
				v := float32(r.NormFloat64())
				switch {
				case i%3 == 1:
					v = 7.3
				case i%3 == 2:
					v = 1000 + v/8
				}
				data[in.Index(lanes[i], p/c.w, p%c.w)] = v
				plain[i*c.h*c.w+p] = float64(v)
			}
		}
		want := make([]float64, ir.MomentRuns*c.c)
		ref.Moments(want, plain, ref.Image{N: 1, C: c.c, H: c.h, W: c.w})
		for _, set := range levels() {
			t.Run(fmt.Sprintf("%v/%v", c, set), func(t *testing.T) {
				m := NewMoments(set, in, lanes)
				got := make([]float32, len(want)+1)
				got[len(want)] = 5
				for part := range m.Parts() {
					m.Run(part, got[:len(want):len(want)], data, nil)
				}
				for i, w := range want {
					if d := math.Abs(float64(got[i]) - w); !(d <= 2e-6*math.Abs(w)+2e-6) {
						t.Errorf("run %d, channel %d: got %v, want %v", i/c.c, i%c.c, got[i], w)
					}
					if i >= 5*c.c && i%c.c%3 == 1 && got[i] != 0 {
						t.Errorf("channel %d is constant and deviates by %v", i%c.c, got[i])
					}
				}
				if got[len(want)] != 5 {
					t.Error("the kernel wrote beyond its result")
				}
			})
		}
	}
}

// TestByteMoments compares every set with the definition, and the sets with each other to the bit.
func TestByteMoments(t *testing.T) {
	for _, c := range append(momentsCases, struct{ c, h, w int }{3, 509, 510}) {
		r := rand.New(rand.NewPCG(uint64(c.c), uint64(c.w)))
		in := Padded((c.c+3)/4, c.h, c.w, Border{1, 0, 2, 1}).At(3)
		data := make([]float32, in.Size()+3)
		lanes, plain := make([]int, c.c), make([]float64, c.c*c.h*c.w)
		const step = 0.037
		for i := range lanes {
			lanes[i] = i
			for p := range c.h * c.w {
				v := byte(r.Uint32())
				if i == 0 {
					v = 255
				}
				at := in.Off + i/ByteBlock*in.Plane + p/c.w*in.Row + p%c.w*Block
				octets(data)[4*at+i%ByteBlock] = v
				plain[i*c.h*c.w+p] = float64(v) * float64(float32(step))
			}
		}
		want := make([]float64, ir.MomentRuns*c.c)
		ref.Moments(want, plain, ref.Image{N: 1, C: c.c, H: c.h, W: c.w})
		var first []float32
		for _, set := range levels() {
			m, err := NewByteMoments(set, in, lanes, step)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float32, len(want))
			for part := range m.Parts() {
				m.Run(part, got, data, nil)
			}
			for i, w := range want {
				if d := math.Abs(float64(got[i]) - w); !(d <= 1e-6*math.Abs(w)+1e-7) {
					t.Errorf("%v/%v: run %d, channel %d: got %v, want %v", c, set, i/c.c, i%c.c, got[i], w)
				}
				if first != nil && got[i] != first[i] {
					t.Errorf("%v/%v: value %d differs between sets", c, set, i)
				}
			}
			first = got
		}
	}
}

// TestByteMomentsTooLarge: sums that 32 bits have no room for are refused.
func TestByteMomentsTooLarge(t *testing.T) {
	if _, err := NewByteMoments(Ref, Dense(1, 520, 517), []int{0}, 1); err == nil || !strings.Contains(err.Error(), "520 x 517") {
		t.Errorf("got %v", err)
	}
}

// BenchmarkMoments is the moments of every block of InceptionV3 that a head can read.
func BenchmarkMoments(b *testing.B) {
	type block struct {
		m       *Moments
		in, out []float32
	}
	for _, bytes := range []bool{false, true} {
		b.Run(map[bool]string{false: "float32", true: "int8"}[bytes], func(b *testing.B) {
			var blocks []block
			for _, s := range []struct{ c, side, times int }{{256, 35, 1}, {288, 35, 2}, {768, 17, 5}, {1280, 8, 1},
				{2048, 8, 2}} {
				lanes := make([]int, s.c)
				for i := range lanes {
					lanes[i] = i
				}
				for range s.times {
					in := Dense(s.c, s.side, s.side)
					m := NewMoments(Sets()[0], in, lanes)
					if bytes {
						in = Dense(s.c/WordChannels, s.side, s.side)
						var err error
						if m, err = NewByteMoments(Sets()[0], in, lanes, 0.1); err != nil {
							b.Fatal(err)
						}
					}
					blocks = append(blocks, block{m, make([]float32, in.Size()), make([]float32, ir.MomentRuns*s.c)})
				}
			}
			for b.Loop() {
				for _, k := range blocks {
					for part := range k.m.Parts() {
						k.m.Run(part, k.out, k.in, nil)
					}
				}
			}
		})
	}
}
