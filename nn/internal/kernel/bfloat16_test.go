package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// pairBed is a convolution or a pool in bfloat16 and the same in float32, whose lanes change places.
type pairBed struct {
	pairs, floats   Spec
	inP, inF        []float32
	outP, outF      []float32
	channels, outsP int
}

// newPairBed makes both from x, [in][h][w].
func newPairBed(c conformCase, r *rand.Rand, x []float32) *pairBed {
	oh, ow := c.win.Out(c.h, c.w)
	area := c.win.KH * c.win.KW
	inW, outW := (c.in+1)/2, (c.out+1)/2
	ins, outs := 2*inW, 2*outW
	if c.planar {
		ins = c.in
	}
	b := &pairBed{channels: c.out, outsP: outs}
	s := Spec{KH: c.win.KH, KW: c.win.KW, StrideH: c.win.StrideH, StrideW: c.win.StrideW, PadTop: c.win.Top,
		PadLeft: c.win.Left, ReLU: c.relu, Planar: c.planar}
	b.pairs, b.floats = s, s
	b.pairs.Pairs = true
	b.pairs.Filter, b.pairs.Bias = make([]float32, outs*ins*area), make([]float32, outs)
	b.floats.Filter, b.floats.Bias = make([]float32, outs*ins*area), make([]float32, outs)
	lane := PairLane
	if c.planar {
		lane = func(i int) int { return i }
	}
	for o := range c.out {
		v := r.Float32() - 0.5
		b.pairs.Bias[o], b.floats.Bias[PairLane(o)] = v, v
		for i := range c.in {
			for t := range area {
				v := roundBFloat16(r.Float32() - 0.5)
				b.pairs.Filter[(o*ins+i)*area+t] = v
				b.floats.Filter[(PairLane(o)*ins+lane(i))*area+t] = v
			}
		}
	}
	if c.planar {
		t := Tensor{C: c.in, H: c.h, W: c.w, Row: c.w, Plane: c.h * c.w}
		b.pairs.In, b.floats.In, b.inP, b.inF = t, t, x, x
	} else {
		halo := Border{c.win.Top, c.win.Bottom, c.win.Left, c.win.Right}
		b.pairs.In, b.floats.In = Padded(inW, c.h, c.w, halo), Padded(ins, c.h, c.w, halo)
		b.inP, b.inF = aligned(b.pairs.In.Size()), aligned(b.floats.In.Size())
		UnpackPairs(b.inP, b.pairs.In, x, c.in)
		for i := range c.in {
			for y := range c.h {
				for j, v := range x[(i*c.h+y)*c.w:][:c.w] {
					b.inF[b.floats.In.Index(PairLane(i), y, j)] = roundBFloat16(v)
				}
			}
		}
	}
	wholeP, wholeF := Padded(8*(Blocks(outW)+3), oh, ow, Border{1, 0, 2, 1}), Padded(outs, oh, ow, Border{})
	b.pairs.Out, b.floats.Out = wholeP.Slice(1, outW), wholeF
	b.outP, b.outF = fill(wholeP.Size()), fill(wholeF.Size())
	return b
}

// compare runs both and wants the same bits, and nothing else written.
func (b *pairBed) compare(t *testing.T, what string, p, f Conv) {
	t.Helper()
	clean := slices.Clone(b.outP)
	run := func(c Conv, out, in []float32) {
		scratch := make([]float32, c.Scratch())
		for i := range scratch {
			scratch[i] = float32(math.NaN())
		}
		for i := c.Parts() - 1; i >= 0; i-- {
			c.Run(i, out, in, scratch)
		}
	}
	run(p, b.outP, b.inP)
	run(f, b.outF, b.inF)
	h := halves(b.outP)
	bad := 0
	for c := range b.channels {
		for y := range b.pairs.Out.H {
			for x := range b.pairs.Out.W {
				at := PairChannels*(b.pairs.Out.Off+c/PairBlock*b.pairs.Out.Plane+y*b.pairs.Out.Row+x*Block) + c%PairBlock
				got, want := h[at], BFloat16(b.outF[b.floats.Out.Index(PairLane(c), y, x)])
				if math.IsNaN(float64(widen(got))) && math.IsNaN(float64(widen(want))) {
					continue
				}
				if got != want {
					if bad++; bad < 4 {
						t.Errorf("%s: channel %d at %d,%d: got %v (%04x), want %v", what, c, y, x, widen(got), got, widen(want))
					}
				}
			}
		}
	}
	b.checkOutside(t, what, clean)
	copy(b.outP, clean)
}

// checkOutside wants the words that are not the output's to be as they were.
func (b *pairBed) checkOutside(t *testing.T, what string, clean []float32) {
	t.Helper()
	o := b.pairs.Out
	for k := range Blocks(o.C) {
		for y := range o.H {
			copy(clean[o.Off+k*o.Plane+y*o.Row:][:o.W*Block], b.outP[o.Off+k*o.Plane+y*o.Row:][:o.W*Block])
		}
	}
	for i, v := range b.outP {
		if math.Float32bits(v) != math.Float32bits(clean[i]) {
			t.Fatalf("%s: word %d outside the output was written", what, i)
		}
	}
	for i := range clean {
		clean[i] = sentinel
	}
}

// pairSets returns the sets with kernels of bfloat16, and those of float32 in assembly.
func pairSets(t *testing.T) (pairs, floats []Set) {
	t.Helper()
	for _, s := range levels() {
		if s.Pairs() {
			pairs = append(pairs, s)
		}
		if s != Ref {
			floats = append(floats, s)
		}
	}
	if len(pairs) == 0 {
		t.Skip("this processor has no dot products of bfloat16 (AVX512_BF16)")
	}
	return pairs, floats
}

// TestPairsAgree: convolutions of bfloat16 have the bits of those of float32, rounded.
func TestPairsAgree(t *testing.T) {
	pairs, floats := pairSets(t)
	cases := append(slices.Clone(conformCases),
		conformCase{in: 33, h: 9, w: 14, out: 48, win: conformCases[7].win, relu: true})
	strange := []float32{float32(math.Inf(1)), float32(math.NaN()), 3e38, float32(math.Copysign(0, -1)), 1e-30}
	for _, c := range cases {
		for _, odd := range []bool{false, true} {
			r := rand.New(rand.NewPCG(7, 3))
			x := random(r, c.in*c.h*c.w)
			if odd {
				for i, v := range strange {
					x[(i*37+5)%len(x)] = v
				}
			}
			b := newPairBed(c, r, x)
			for _, sp := range pairs {
				for _, sf := range floats {
					what := fmt.Sprintf("%v strange=%v %v/%v", c, odd, sp, sf)
					p, err := NewDirect(sp, b.pairs)
					if err != nil {
						t.Fatal(err)
					}
					f, err := NewDirect(sf, b.floats)
					if err != nil {
						t.Fatal(err)
					}
					b.compare(t, what+" direct", p, f)
					for _, tiling := range Tilings(&b.pairs) {
						if p, err = NewWinograd(sp, b.pairs, tiling, 3); err != nil {
							t.Fatal(err)
						}
						if f, err = NewWinograd(sf, b.floats, tiling, 3); err != nil {
							t.Fatal(err)
						}
						b.compare(t, fmt.Sprintf("%s %v", what, tiling), p, f)
					}
				}
			}
		}
	}
}

// TestPairsOfFloatsAgree: convolutions of a float32 input that write bfloat16 have the bits of those of
// float32, rounded; those that cannot are refused.
func TestPairsOfFloatsAgree(t *testing.T) {
	pairs, floats := pairSets(t)
	for _, c := range conformCases {
		if c.planar {
			continue
		}
		r := rand.New(rand.NewPCG(11, 3))
		x := random(r, c.in*c.h*c.w)
		b := newPairBed(c, r, x)
		b.pairs.Floats, b.pairs.In = true, b.floats.In
		b.inP = make([]float32, b.pairs.In.Size())
		for i := range c.in {
			for y := range c.h {
				for j, v := range x[(i*c.h+y)*c.w:][:c.w] {
					b.inP[b.pairs.In.Index(i, y, j)], b.inF[b.floats.In.Index(PairLane(i), y, j)] = v, v
				}
			}
		}
		if _, err := NewDirect(pairs[0], b.pairs); err == nil {
			t.Errorf("%v: the direct convolution took float32, want an error", c)
		}
		if c.win.KH == 1 || c.win.KW == 1 {
			if list := Tilings(&b.pairs); len(list) > 0 {
				t.Errorf("%v: got tilings %v of float32, want none", c, list)
			}
		}
		for _, tiling := range Tilings(&b.pairs) {
			for _, sf := range floats {
				p, err := NewWinograd(pairs[0], b.pairs, tiling, 3)
				if err != nil {
					t.Fatal(err)
				}
				f, err := NewWinograd(sf, b.floats, tiling, 3)
				if err != nil {
					t.Fatal(err)
				}
				b.compare(t, fmt.Sprintf("%v %v %v/%v", c, tiling, pairs[0], sf), p, f)
			}
		}
	}
}

// TestPairPoolsAgree: pools of bfloat16 have the bits of those of float32, rounded.
func TestPairPoolsAgree(t *testing.T) {
	pairs, floats := pairSets(t)
	for _, c := range conformCases {
		if c.planar || c.in == 300 {
			continue
		}
		c.out = c.in
		r := rand.New(rand.NewPCG(8, 3))
		x := random(r, c.in*c.h*c.w)
		x[3], x[len(x)/2] = float32(math.NaN()), float32(math.Inf(-1))
		b := newPairBed(c, r, x)
		for _, largest := range []bool{true, false} {
			spec := func(s Spec) PoolSpec {
				p := PoolSpec{In: s.In, Out: s.Out, KH: s.KH, KW: s.KW, StrideH: s.StrideH, StrideW: s.StrideW, PadTop: s.PadTop,
					PadLeft: s.PadLeft, Max: largest, ReLU: s.ReLU && !largest, Pairs: s.Pairs}
				if !largest {
					p.Bias = s.Bias
				}
				return p
			}
			for _, sp := range pairs {
				for _, sf := range floats {
					p, err := NewPool(sp, spec(b.pairs))
					if err != nil {
						t.Logf("%v: %v", c, err)
						continue
					}
					f, err := NewPool(sf, spec(b.floats))
					if err != nil {
						t.Fatal(err)
					}
					b.compare(t, fmt.Sprintf("%v largest=%v %v/%v", c, largest, sp, sf), p, f)
				}
			}
		}
	}
}

// dotPair is what the processor adds to sum for a pair of products: the odd one first, each rounded
// once; numbers below 2^-126 are zero before and after.
func dotPair(sum float32, a, b [2]uint16) float32 {
	for _, i := range [2]int{1, 0} {
		product := float64(flush32(widen(a[i]))) * float64(flush32(widen(b[i]))) // exact
		sum = flush32(roundSum(product, float64(flush32(sum))))
	}
	return sum
}

// flush32 returns v, or a zero of its sign where it is below 2^-126.
func flush32(v float32) float32 {
	if math.Float32bits(v)&0x7f800000 == 0 {
		return math.Float32frombits(math.Float32bits(v) & (1 << 31))
	}
	return v
}

// roundSum returns a + b rounded once to float32. The sum in float64 is rounded to odd where it is
// not exact, so that rounding it again does no harm.
func roundSum(a, b float64) float32 {
	s := a + b
	if math.IsInf(s, 0) || s != s {
		return float32(s)
	}
	t := s - a
	rest := (a - (s - t)) + (b - t)
	if rest != 0 && math.Float64bits(s)&1 == 0 {
		if (rest > 0) == (s > 0) {
			s = math.Float64frombits(math.Float64bits(s) + 1)
		} else {
			s = math.Float64frombits(math.Float64bits(s) - 1)
		}
	}
	return float32(s)
}

// TestDotPair holds the instruction to the model above, whole range and all.
func TestDotPair(t *testing.T) {
	pairs, _ := pairSets(t)
	r := rand.New(rand.NewPCG(9, 3))
	const n, outs, rounds = 8, 16, 4000
	word := func(span int) uint16 { // of about 1, or anything
		h := uint16(r.Uint32())
		if span > 0 {
			h = h&0x807f | uint16(127-span+r.IntN(2*span))<<7
		}
		return h
	}
	for round := range rounds {
		span := []int{0, 4, 12, 60}[round%4]
		s := Spec{In: Dense(1, 1, n), Out: Dense(outs/2, 1, n), KH: 1, KW: 1, StrideH: 1, StrideW: 1, Pairs: true,
			Filter: make([]float32, outs*2), Bias: make([]float32, outs)}
		for i := range s.Filter {
			s.Filter[i] = widen(word(span))
		}
		for i := range s.Bias {
			s.Bias[i] = math.Float32frombits(uint32(word(span))<<16 | r.Uint32()&0xffff)
		}
		in, out := make([]float32, s.In.Size()), make([]float32, s.Out.Size())
		for x := range n {
			halves(in)[x*PairBlock], halves(in)[x*PairBlock+1] = word(span), word(span)
		}
		c, err := NewDirect(pairs[0], s)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Parts() {
			c.Run(i, out, in, nil)
		}
		for x := range n {
			for o := range outs {
				a := [2]uint16(halves(in)[x*PairBlock:])
				b := [2]uint16{BFloat16(s.Filter[2*o]), BFloat16(s.Filter[2*o+1])}
				// The other pairs of the block are zeros, which leave a sum as it is, but for a
				// flushed or a negative zero.
				sum := dotPair(s.Bias[o], a, b)
				for range Block/2 - 1 {
					sum = dotPair(sum, [2]uint16{}, [2]uint16{})
				}
				got, want := halves(out)[x*PairBlock+o], BFloat16(sum)
				if got != want && !(widen(got) != widen(got) && widen(want) != widen(want)) {
					t.Fatalf("round %d: %v + %04x*%04x: got %04x, want %04x", round, s.Bias[o], a, b, got, want)
				}
			}
		}
	}
}

// TestBFloat16Rounds holds the rounding to the definition: the nearest, of two the even one.
func TestBFloat16Rounds(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 3))
	for range 200000 {
		v := math.Float32frombits(r.Uint32())
		switch got := BFloat16(v); {
		case v != v:
			if w := widen(got); w == w {
				t.Fatalf("%v: got %v, want NaN", v, w)
			}
		case math.Abs(float64(v)) < 0x1p-126:
			if got&0x7fff != 0 {
				t.Fatalf("%v: got %04x, want a zero", v, got)
			}
		default:
			low := uint16(math.Float32bits(v) >> 16)
			down, up := float64(widen(low)), float64(widen(low+1))
			if math.IsInf(up, 0) {
				continue
			}
			want := low
			if a, b := math.Abs(float64(v)-down), math.Abs(up-float64(v)); a > b || a == b && low&1 == 1 {
				want = low + 1
			}
			if got != want {
				t.Fatalf("%v: got %04x, want %04x", v, got, want)
			}
		}
	}
}

func TestPairsRefused(t *testing.T) {
	b := newPairBed(conformCases[1], rand.New(rand.NewPCG(1, 1)), make([]float32, 19*5*7))
	if _, err := NewDirect(Ref, b.pairs); err == nil {
		t.Error("plain Go took a convolution of bfloat16, want an error")
	}
	pool := PoolSpec{In: b.pairs.In, Out: b.pairs.In, KH: 1, KW: 1, StrideH: 1, StrideW: 1, Pairs: true}
	if _, err := NewPool(Ref, pool); err == nil {
		t.Error("plain Go took a pool of bfloat16, want an error")
	}
}
