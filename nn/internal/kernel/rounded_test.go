package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// roundingSet returns the set that multiplies matrices of bfloat16.
func roundingSet(t *testing.T) Set {
	t.Helper()
	for _, s := range Sets() {
		if s.Rounds() {
			return s
		}
	}
	t.Skip("this processor has no matrix products of bfloat16 (BF16 of arm64)")
	return Ref
}

// matrixDot is what BFMMLA adds to sum for a pair of products, by the pseudo-code of Arm's manual: the sum of
// both products, then that and the sum, each rounded to odd. Numbers below 2^-126 are zero before and after.
func matrixDot(sum float32, a, b [2]float32) float32 {
	flush := func(v float64) float64 {
		if math.Abs(v) < 0x1p-126 {
			return math.Copysign(0, v)
		}
		return v
	}
	product := func(i int) float64 { // exact; what is beyond float32 is infinite
		p := flush(flush(float64(a[i])) * flush(float64(b[i])))
		if math.Abs(p) >= 0x1p128 {
			return math.Inf(int(math.Copysign(1, p)))
		}
		return p
	}
	both := flush(oddSum(product(0), product(1)))
	return float32(flush(oddSum(flush(float64(sum)), both)))
}

// oddSum returns a + b, two float32, as a float32 rounded to odd: cut off, with the last bit set where
// anything was. What is beyond is infinite.
func oddSum(a, b float64) float64 {
	s := a + b
	if math.IsInf(s, 0) || s != s || s == 0 {
		return s
	}
	t := s - a
	rest := (a - (s - t)) + (b - t)
	if rest != 0 && rest > 0 != (s > 0) {
		s = math.Nextafter(s, 0)
	}
	if math.Abs(s) >= 0x1p128 {
		return math.Inf(int(math.Copysign(1, s)))
	}
	const low = 1<<29 - 1
	bits := math.Float64bits(s)
	if rest != 0 || bits&low != 0 {
		bits |= 1 << 29
	}
	return math.Float64frombits(bits &^ low)
}

// roundedCase makes c's data of values that bfloat16 can hold.
func roundedCase(c conformCase, r *rand.Rand, strange map[int]float32) *bed {
	b := newBed(c, r, strange)
	b.spec.Rounded = true
	b.spec.Filter = RoundWeights(b.spec.Filter)
	x := make([]float32, c.in*c.h*c.w)
	Pack(x, b.in, b.spec.In, inOrder(c.in))
	x = RoundWeights(x)
	Unpack(b.in, b.spec.In, x, inOrder(c.in))
	b.reference(c, x)
	return b
}

// modelled returns what the set's direct convolution is to give, [C][H][W].
func (b *bed) modelled(c conformCase) []float32 {
	s := &b.spec
	var list []float32
	for o := range c.out {
		for y := range s.Out.H {
			for x := range s.Out.W {
				list = append(list, b.modelPixel(c, o, y, x))
			}
		}
	}
	return list
}

func (b *bed) modelPixel(c conformCase, o, y, x int) float32 {
	s := &b.spec
	sum := s.Bias[o]
	for first := 0; first < c.in; first += Block {
		for ky := range s.KH {
			for kx := range s.KW {
				for i := first; i < first+Block; i += 2 {
					var v, w [2]float32
					for k := range v {
						v[k] = b.in[s.In.Index(i+k, y*s.StrideH-s.PadTop+ky, x*s.StrideW-s.PadLeft+kx)]
						if i+k < c.in {
							w[k] = s.Filter[((o*c.in+i+k)*s.KH+ky)*s.KW+kx]
						}
					}
					sum = matrixDot(sum, v, w)
				}
			}
		}
	}
	if c.relu && sum < 0 {
		return 0
	}
	return sum
}

// TestRoundedConvolutions holds the convolutions by matrix products of bfloat16 to a model of the
// instruction bit for bit, and to the definition and to plain Go within the bound that [Set.Rounds] states.
func TestRoundedConvolutions(t *testing.T) {
	set := roundingSet(t)
	for _, c := range conformCases {
		if c.planar {
			continue
		}
		r := rand.New(rand.NewPCG(uint64(c.in), 5))
		b := roundedCase(c, r, nil)
		_, got := b.run(t, variant{"rounded", 0, func(s Spec) (Conv, error) { return NewDirect(set, s) }}, r)
		_, plain := b.run(t, variant{"plain", 0, func(s Spec) (Conv, error) { return NewDirect(Ref, s) }}, r)
		terms := float64(c.in * c.win.KH * c.win.KW)
		for i, want := range b.modelled(c) {
			if got[i] != want {
				t.Fatalf("%v: output %d is %v, want %v", c, i, got[i], want)
			}
			most := (terms + 1) * 0x1p-23 * b.scale[i]
			if d := math.Abs(float64(got[i]) - b.want[i]); !(d <= most) {
				t.Errorf("%v: output %d is off by %.3g, want at most %.3g", c, i, d, most)
			}
			if d := math.Abs(float64(got[i]) - float64(plain[i])); !(d <= 1.5*most) { // its own rounding is half as large
				t.Errorf("%v: output %d differs from plain Go's by %.3g, want at most %.3g", c, i, d, 1.5*most)
			}
		}
	}
}

// TestRoundedStrange: what is NaN or infinite by definition is so by matrix products.
func TestRoundedStrange(t *testing.T) {
	set := roundingSet(t)
	strange := map[int]float32{1: float32(math.NaN()), 17: float32(math.Inf(1)), 40: float32(math.Inf(-1)), 55: 3e38}
	for _, c := range conformCases {
		if c.planar {
			continue
		}
		c.relu = false
		r := rand.New(rand.NewPCG(5, 8))
		b := roundedCase(c, r, strange)
		_, got := b.run(t, variant{"rounded", 0, func(s Spec) (Conv, error) { return NewDirect(set, s) }}, r)
		for i, want := range b.modelled(c) {
			if math.Float32bits(got[i]) != math.Float32bits(want) && !(got[i] != got[i] && want != want) {
				t.Fatalf("%v: output %d is %v, want %v", c, i, got[i], want)
			}
		}
	}
}

// TestMatrixDot holds the instruction to the model, whole range and all.
func TestMatrixDot(t *testing.T) {
	set := roundingSet(t)
	r := rand.New(rand.NewPCG(9, 4))
	const n, outs, ins, rounds = 6, 16, 8, 1000
	word := func(span int) float32 { // of about 1, or anything
		h := uint16(r.Uint32())
		if span > 0 {
			h = h&0x807f | uint16(127-span+r.IntN(2*span))<<7
		}
		return widen(h)
	}
	for round := range rounds {
		span := []int{0, 4, 12, 60}[round%4]
		s := Spec{In: Dense(ins, 1, n), Out: Dense(outs, 1, n), KH: 1, KW: 1, StrideH: 1, StrideW: 1, Rounded: true,
			Filter: make([]float32, outs*ins), Bias: make([]float32, outs)}
		for i := range s.Filter {
			// Weights below 2^-126 become zeros as they are packed.
			s.Filter[i] = roundBFloat16(word(span))
		}
		for i := range s.Bias {
			s.Bias[i] = math.Float32frombits(math.Float32bits(word(span)) | r.Uint32()&0xffff)
		}
		in, out := make([]float32, s.In.Size()), make([]float32, s.Out.Size())
		for i := range in {
			in[i] = word(span)
		}
		c, err := NewDirect(set, s)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Parts() {
			c.Run(i, out, in, nil)
		}
		for x := range n {
			for o := range outs {
				want := s.Bias[o]
				for i := 0; i < ins; i += 2 {
					want = matrixDot(want, [2]float32(in[x*Block+i:]), [2]float32(s.Filter[o*ins+i:]))
				}
				got := out[s.Out.Index(o, 0, x)]
				if math.Float32bits(got) != math.Float32bits(want) && !(got != got && want != want) {
					t.Fatalf("round %d: pixel %d, output %d: got %v (%08x), want %v (%08x)", round, x, o, got,
						math.Float32bits(got), want, math.Float32bits(want))
				}
			}
		}
	}
}

// TestRoundWords: every set rounds as the definition has it, and writes nothing else.
func TestRoundWords(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 3))
	in := Padded(19, 40, 41, Border{0, 1, 1, 0}).At(3)
	out := Padded(19, 40, 41, Border{1, 0, 0, 2}).At(5)
	src := make([]float32, 3+in.Size())
	for i := range src {
		src[i] = math.Float32frombits(r.Uint32())
		switch i % 16 {
		case 3: // halfway between two
			src[i] = math.Float32frombits(r.Uint32()&^0xffff | 0x8000)
		case 7: // small, or a NaN
			src[i] = math.Float32frombits(r.Uint32() & 0x807fffff)
		case 11:
			src[i] = math.Float32frombits(r.Uint32() | 0x7f800000)
		}
	}
	src[in.Off], src[in.Off+1] = float32(math.Inf(1)), math.MaxFloat32
	var want []float32
	for _, set := range slices.Backward(Sets()) {
		got := fill(5 + out.Size())
		RoundBFloat16(set, got, out, src, in, 0, 2)
		RoundBFloat16(set, got, out, src, in, 2, 3)
		if want == nil {
			want = got
			for y := range in.H {
				for i := range in.W * Block {
					v, w := src[in.Off+in.Plane+y*in.Row+i], got[out.Off+out.Plane+y*out.Row+i]
					if math.Float32bits(w) != uint32(BFloat16(v))<<16 {
						t.Fatalf("%v became %v, want %v", v, w, widen(BFloat16(v)))
					}
				}
			}
		}
		if !slices.Equal(octets(got), octets(want)) {
			t.Error(fmt.Sprint(set), "rounds otherwise than plain Go")
		}
	}
}
