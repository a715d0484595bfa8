package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// winoCase is a convolution for the conformance suite.
type winoCase struct {
	c, h, w, o, kh, kw       int
	top, bottom, left, right int
}

func (c winoCase) String() string {
	return fmt.Sprintf("%dx%dx%d-%dx%dx%d-pad%d,%d,%d,%d", c.c, c.h, c.w, c.o, c.kh, c.kw, c.top, c.bottom, c.left, c.right)
}

// directSums computes s in float64 from the tensor in.
func directSums(s *Spec, in []float32) []float64 {
	out := make([]float64, s.Out.C*s.Out.H*s.Out.W)
	at := 0
	for o := range s.Out.C {
		for y := range s.Out.H {
			for x := range s.Out.W {
				v := 0.0
				if s.Bias != nil {
					v = float64(s.Bias[o])
				}
				for c := range s.In.C {
					for ky := range s.KH {
						for kx := range s.KW {
							iy, ix := y-s.PadTop+ky, x-s.PadLeft+kx
							if iy >= 0 && iy < s.In.H && ix >= 0 && ix < s.In.W {
								v += float64(in[s.In.Index(c, iy, ix)]) * float64(s.Filter[((o*s.In.C+c)*s.KH+ky)*s.KW+kx])
							}
						}
					}
				}
				if s.ReLU && v < 0 {
					v = 0
				}
				out[at] = v
				at++
			}
		}
	}
	return out
}

func TestWinograd(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, c := range []winoCase{
		{5, 9, 11, 19, 3, 3, 1, 1, 1, 1},
		{24, 13, 7, 40, 3, 3, 0, 1, 2, 0},
		{16, 37, 35, 17, 3, 3, 0, 0, 0, 0},
		{9, 12, 17, 10, 5, 5, 2, 2, 2, 2},
		{8, 17, 19, 24, 1, 7, 0, 0, 3, 3},
		{20, 18, 15, 9, 7, 1, 3, 3, 0, 0},
		{12, 8, 9, 33, 1, 3, 0, 0, 1, 1},
		{12, 9, 8, 33, 3, 1, 1, 1, 0, 0},
	} {
		spec := Spec{
			In: Padded(c.c, c.h, c.w, Border{c.top, c.bottom, c.left, c.right}),
			KH: c.kh, KW: c.kw, StrideH: 1, StrideW: 1, PadTop: c.top, PadLeft: c.left,
			Out:  Dense(c.o, c.h+c.top+c.bottom-c.kh+1, c.w+c.left+c.right-c.kw+1),
			Bias: random(r, c.o), Filter: random(r, c.o*c.c*c.kh*c.kw),
		}
		in := make([]float32, spec.In.Size())
		for ch := range c.c {
			for y := range c.h {
				for x := range c.w {
					in[spec.In.Index(ch, y, x)] = r.Float32()
				}
			}
		}
		want := directSums(&spec, in)
		for _, tile := range Tilings(&spec) {
			for _, set := range Sets() {
				t.Run(fmt.Sprintf("%v/%v/%v", c, tile, set), func(t *testing.T) {
					conv, err := NewWinograd(set, spec, tile, 2)
					if err != nil {
						t.Fatal(err)
					}
					out := make([]float32, spec.Out.Size())
					scratch := random(r, conv.Scratch())
					for i := range conv.Parts() {
						conv.Run(i, out, in, scratch)
					}
					worst, scale := 0.0, 0.0
					at := 0
					for o := range spec.Out.C {
						for y := range spec.Out.H {
							for x := range spec.Out.W {
								d := math.Abs(float64(out[spec.Out.Index(o, y, x)]) - want[at])
								if !(d <= worst) {
									worst = d
								}
								scale = max(scale, math.Abs(want[at]))
								at++
							}
						}
					}
					t.Logf("%.2g", worst/scale)
					if !(worst <= 2e-5*scale) {
						t.Errorf("differs from the float64 sums by %g of at most %g", worst, scale)
					}
				})
			}
		}
	}
}

// BenchmarkWinograd times every fast convolution on every shape of the network.
func BenchmarkWinograd(b *testing.B) {
	for _, set := range Sets()[:1] {
		for _, s := range network {
			if s.stride != 1 {
				continue
			}
			spec := Spec{KH: s.kh, KW: s.kw, StrideH: 1, StrideW: 1, PadTop: s.padH, PadLeft: s.padW,
				In: Dense(s.in, s.h, s.w), Out: Dense(s.out, s.outH(), s.outW())}
			for _, t := range Tilings(&spec) {
				b.Run(fmt.Sprintf("%v/%v/%dx%d", set, s, t.H, t.W), func(b *testing.B) {
					p := prepare(b, s, func(spec Spec) (Conv, error) { return NewWinograd(set, spec, t, 1) })
					p.run()
					b.ResetTimer()
					for range b.N {
						p.run()
					}
					ms := b.Elapsed().Seconds() * 1e3 / float64(b.N)
					b.ReportMetric(s.gflop()/ms*1e3, "GFLOP/s")
				})
			}
		}
	}
}
