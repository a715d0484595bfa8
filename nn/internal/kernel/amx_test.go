package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// eachTiled calls each for every pixel that a kernel of the tile unit stores: its place in out, the sixteenth
// of outputs, and the bytes of each step's pixel and weights.
func eachTiled(a *tileUnit, wide int, each func(out unsafe.Pointer, sixteen int, x func(step int) unsafe.Pointer,
	w func(step int) unsafe.Pointer)) {
	steps := unsafe.Slice(a.steps, a.nsteps)
	for p, place := range unsafe.Slice(a.dst, tilePixels*(2*a.tiles+a.lone)) {
		if place < 0 {
			continue
		}
		for k := range wide {
			each(unsafe.Add(unsafe.Pointer(a.out), a.outs[k]+int(place)), k, func(i int) unsafe.Pointer {
				return unsafe.Add(unsafe.Pointer(a.x), tileRow*p+steps[i])
			}, func(i int) unsafe.Pointer {
				return unsafe.Add(unsafe.Pointer(a.w), (i*wide+k)*tileBytes)
			})
		}
	}
}

// modelTiles is what the tile unit's kernels do, in plain Go.
var modelTiles = tileModel{func(a *tileUnit, kind tileKind, wide int) {
	switch kind {
	case tilesOfBytes:
		modelBytes(a, wide+1)
	case tilesOfFloats:
		modelFloats(a, wide+1)
	default:
		modelPairs(a, wide+1)
	}
}, func(j *tileJoin, kind tileKind) {
	switch kind {
	case tilesOfHalves:
		splitGo(j)
	case tilesOfFloats:
		splitFloatsGo(j)
	default:
		joinGo(j)
	}
}}

// modelBytes is what those of bytes do.
func modelBytes(a *tileUnit, wide int) {
	scale, shift := unsafe.Slice(a.scale, 2*tileOutputs), unsafe.Slice(a.shift, 2*tileOutputs)
	eachTiled(a, wide, func(to unsafe.Pointer, k int, x, w func(int) unsafe.Pointer) {
		for o, out := 0, unsafe.Slice((*byte)(to), tileOutputs); o < tileOutputs; o++ {
			sum := int32(0)
			for i := range a.nsteps {
				weights := unsafe.Slice((*int8)(w(i)), tileBytes)
				for c, v := range unsafe.Slice((*byte)(x(i)), tileRow) {
					sum += int32(v) * int32(weights[c/WordChannels*tileRow+o*WordChannels+c%WordChannels])
				}
			}
			out[o] = toByte(float32(float32(sum)*scale[k*tileOutputs+o]) + shift[k*tileOutputs+o])
		}
	})
}

// TestTilesModel holds what surrounds the tile unit's kernel to plain Go, byte for byte, with a model in
// the kernel's place, so that it is tested where there is no tile unit.
func TestTilesModel(t *testing.T) {
	for _, c := range byteCases() {
		for _, extreme := range []bool{false, true} {
			m := c.make(rand.New(rand.NewPCG(uint64(c.in), uint64(c.out))), extreme)
			if !m.spec.tilesDo() {
				continue
			}
			plain, err := NewByteConv(Ref, m.spec)
			if err != nil {
				t.Fatal(err)
			}
			m.spec.Threads = 1 + len(c.String())%3
			tiles := newTiledBytes([]ByteSpec{m.spec})
			tiles.model = &modelTiles
			size := m.spec.Out.Off + m.spec.Out.Size()
			want, got := fill(size), fill(size)
			scratch := make([]float32, tiles.Scratch())
			for i := range scratch {
				scratch[i] = -1e30
			}
			for i := range plain.Parts() {
				plain.Run(i, want, m.input, nil)
			}
			for i := tiles.Parts() - 1; i >= 0; i-- {
				tiles.Run(i, got, m.input, scratch)
			}
			if !slices.Equal(octets(got), octets(want)) {
				t.Errorf("%v extreme=%v: the tiles' bytes are not those of plain Go", c, extreme)
			}
		}
	}
}

// addPairs adds a step's products of bfloat16 for output o: the even products among themselves, and the odd ones,
// each rounded once, then both sums, and that to what there is; numbers below 2^-126 are zero before and after.
func addPairs(sum float32, x, w unsafe.Pointer, o int) float32 {
	weights := unsafe.Slice((*uint16)(w), tileBytes/2)
	var parts [2]float32
	for c, v := range unsafe.Slice((*uint16)(x), tileRow/2) {
		h := weights[c/2*tileRow/2+o*2+c%2]
		product := float64(flush32(widen(v))) * float64(flush32(widen(h)))
		parts[c%2] = flush32(roundSum(product, float64(parts[c%2])))
	}
	return flush32(sum + flush32(parts[0]+parts[1]))
}

// modelPairs is what the kernels of bfloat16 do.
func modelPairs(a *tileUnit, wide int) {
	floor, bias := unsafe.Slice(a.scale, 2*tileOutputs), unsafe.Slice(a.shift, 2*tileOutputs)
	eachTiled(a, wide, func(to unsafe.Pointer, k int, x, w func(int) unsafe.Pointer) {
		for o, out := 0, unsafe.Slice((*uint16)(to), tileOutputs); o < tileOutputs; o++ {
			sum := float32(0)
			for i := range a.nsteps {
				sum = addPairs(sum, x(i), w(i), o)
			}
			v := sum + bias[k*tileOutputs+o]
			if f := floor[k*tileOutputs+o]; v < f {
				v = f
			}
			out[o] = BFloat16(v)
		}
	})
}

// modelFloats is what those of float32 do: the parts of pixels and weights, the largest being 0, in this order.
func modelFloats(a *tileUnit, wide int) {
	floor, bias := unsafe.Slice(a.scale, 2*tileOutputs), unsafe.Slice(a.shift, 2*tileOutputs)
	eachTiled(a, wide, func(to unsafe.Pointer, k int, x, _ func(int) unsafe.Pointer) {
		for o := range tileOutputs {
			sum := float32(0)
			for i := range a.nsteps {
				for _, parts := range [][2]int{{0, 2}, {0, 1}, {1, 1}, {1, 0}, {2, 0}, {0, 0}} {
					w := unsafe.Add(unsafe.Pointer(a.w), ((3*i+parts[1])*wide+k)*tileBytes)
					sum = addPairs(sum, unsafe.Add(x(i), parts[0]*a.apart), w, o)
				}
			}
			v := sum + bias[k*tileOutputs+o]
			if f := floor[k*tileOutputs+o]; v < f {
				v = f
			}
			*(*float32)(unsafe.Add(to, o/Block*a.plane+4*(o%Block))) = v
		}
	})
}

// joinGo is what those that copy pixels do.
func joinGo(j *tileJoin) {
	to, from := unsafe.Slice(j.to, 2*Block*j.n), unsafe.Slice(j.from, j.n)
	for i, at := range from {
		pixel := to[2*Block*i:][:2*Block]
		copy(pixel, pixelAt(j.even, at))
		if j.odd != nil {
			copy(pixel[Block:], pixelAt(j.odd, at))
		} else {
			clear(pixel[Block:])
		}
	}
}

// pixelAt is the eight words that many bytes from p.
func pixelAt(p *float32, bytes int32) []float32 {
	return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(p), int(bytes))), Block)
}

// splitGo is the same of sixteen channels of float32: each as the nearest bfloat16, then what that left.
func splitGo(j *tileJoin) {
	to, from := halves(unsafe.Slice(j.to, 2*Block*j.n)), unsafe.Slice(j.from, j.n)
	for i, at := range from {
		pixel := to[2*PairBlock*i:][:2*PairBlock]
		for c := range PairBlock {
			v := float32(0)
			if c < Block {
				v = pixelAt(j.even, at)[c]
			} else if j.odd != nil {
				v = pixelAt(j.odd, at)[c-Block]
			}
			h := BFloat16(v)
			pixel[c], pixel[PairBlock+c] = h, BFloat16(v-widen(h))
		}
	}
}

// splitFloatsGo is the same of 32 channels, and of what that leaves once more.
func splitFloatsGo(j *tileJoin) {
	for i, at := range unsafe.Slice(j.from, j.n) {
		for c := range 2 * PairBlock {
			v := pixelAt(j.even, at+int32(c/Block*j.plane))[c%Block]
			for part := range 3 {
				h := BFloat16(v)
				*(*uint16)(unsafe.Add(unsafe.Pointer(j.to), part*j.apart+tileRow*i+2*c)) = h
				v -= widen(h)
			}
		}
	}
}

// tileBeds calls do with convolutions of bfloat16 that the tile unit computes, and the same in float32.
func tileBeds(t *testing.T, do func(c conformCase, b *pairBed)) {
	t.Helper()
	n := 0
	strange := []float32{float32(math.Inf(1)), float32(math.NaN()), 3e38, float32(math.Copysign(0, -1)), 1e-30}
	for _, c := range conformCases {
		if c.planar {
			continue
		}
		for _, odd := range []bool{false, true} {
			r := rand.New(rand.NewPCG(uint64(c.in), uint64(c.out)))
			x := random(r, c.in*c.h*c.w)
			if odd {
				for i, v := range strange {
					x[(i*37+5)%len(x)] = v
				}
			}
			b := newPairBed(c, r, x)
			if b.pairs.tilesDo() {
				do(c, b)
				n++
			}
		}
	}
	if n < 10 {
		t.Errorf("got %d convolutions for the tile unit, want 10 or more", n)
	}
}

// runTiled computes b with the given kernel and wants nothing outside the output written.
func (b *pairBed) runTiled(t *testing.T, what string, model *tileModel) []float32 {
	t.Helper()
	b.pairs.Threads = 1 + len(what)%3
	c := newTiledPairs([]Spec{b.pairs})
	c.model = model
	clean := slices.Clone(b.outP)
	scratch := make([]float32, c.Scratch())
	for i := range scratch {
		scratch[i] = float32(math.NaN())
	}
	for i := c.Parts() - 1; i >= 0; i-- {
		c.Run(i, b.outP, b.inP, scratch)
	}
	got := slices.Clone(b.outP)
	b.checkOutside(t, what, slices.Clone(clean))
	copy(b.outP, clean)
	return got
}

// TestPairTilesModel holds what surrounds the tile unit's kernel of bfloat16 to the definition, with a model
// in the kernel's place, so that it is tested where there is no tile unit.
func TestPairTilesModel(t *testing.T) {
	tileBeds(t, func(c conformCase, b *pairBed) {
		got := halves(b.runTiled(t, c.String(), &modelTiles))
		plain, err := NewDirect(Ref, b.floats)
		if err != nil {
			t.Fatal(err)
		}
		for i := range plain.Parts() {
			plain.Run(i, b.outF, b.inF, nil)
		}
		o := b.pairs.Out
		for ch := range c.out {
			for y := range o.H {
				for x := range o.W {
					v := widen(got[PairChannels*(o.Off+ch/PairBlock*o.Plane+y*o.Row+x*Block)+ch%PairBlock])
					want := roundBFloat16(b.outF[b.floats.Out.Index(PairLane(ch), y, x)])
					if v != v && want != want || v == want {
						continue
					}
					if d := math.Abs(float64(v - want)); !(d <= 0x1p-7*math.Abs(float64(want))+1e-4) {
						t.Fatalf("%v: channel %d at %d,%d: got %v, want about %v", c, ch, y, x, v, want)
					}
				}
			}
		}
	})
}

// TestPairTiles holds the tile unit's kernel of bfloat16 to its model, bit for bit.
func TestPairTiles(t *testing.T) {
	if _, err := Select("amx"); err != nil || !hasPairTiles() {
		t.Skip("no tile unit for bfloat16 here (AMX_BF16), or the kernel permits none")
	}
	tileBeds(t, func(c conformCase, b *pairBed) {
		got, want := halves(b.runTiled(t, c.String(), nil)), halves(b.runTiled(t, c.String(), &modelTiles))
		for i, v := range got {
			if w := want[i]; v != w && !(widen(v) != widen(v) && widen(w) != widen(w)) {
				t.Fatalf("%v: value %d is %v (%04x), want %v (%04x)", c, i, widen(v), v, widen(w), w)
			}
		}
	})
	set, err := Select("amx")
	if err != nil {
		t.Fatal(err)
	}
	b := newPairBed(conformCases[6], rand.New(rand.NewPCG(1, 2)), make([]float32, 20*11*6))
	conv, err := NewDirect(set, b.pairs)
	if err != nil {
		t.Fatal(err)
	}
	if got := conv.Algorithm(); got != "bfloat16 tiles 32x32" {
		t.Errorf("got algorithm %q, want tiles", got)
	}
}

// TestApart: convolutions of float32 by the tile unit, several at once, are about as near to the exact sums as
// float32's own; the kernels give the bits of their model.
func TestApart(t *testing.T) {
	for _, c := range []struct{ in, h, w, threads, kh, kw, stride int }{
		{32, 1, 2, 1, 1, 1, 1}, {64, 5, 9, 3, 1, 1, 1}, {288, 17, 17, 2, 1, 1, 1}, {96, 9, 31, 4, 1, 1, 1},
		{32, 8, 8, 2, 3, 3, 1}, {64, 8, 7, 1, 1, 3, 1}, {64, 17, 17, 2, 3, 3, 2}, {32, 9, 12, 1, 3, 1, 2},
	} {
		rng := rand.New(rand.NewPCG(uint64(c.in), 7))
		in := Padded(c.in, c.h, c.w, Border{1, 1, 2, 1})
		oh, ow := (c.h+2-c.kh)/c.stride+1, (c.w+2-c.kw)/c.stride+1
		if c.kh*c.kw == 1 {
			oh, ow = c.h, c.w
		}
		x := make([]float32, in.Size())
		for i := range x {
			x[i] = float32(rng.NormFloat64() * math.Exp(3*rng.NormFloat64()))
		}
		var specs []Spec
		var outs [][]float32
		size := 0
		for k, n := range []int{48, 16, 80} {
			s := Spec{In: in, Out: Padded(n, oh, ow, Border{0, 0, k, k}).At(size), KH: c.kh, KW: c.kw, StrideH: c.stride,
				StrideW: c.stride, Filter: random(rng, n*c.in*c.kh*c.kw), Bias: random(rng, n), ReLU: k == 1, Threads: c.threads}
			if c.kh*c.kw > 1 {
				s.PadTop, s.PadLeft = 1, 1
			}
			size += s.Out.Size() + k*Block
			specs = append(specs, s)
		}
		tiles := newTiledFloats(specs)
		run := func(model *tileModel) []float32 {
			tiles.model = model
			out, scratch := fill(size), make([]float32, tiles.Scratch())
			for i := tiles.Parts() - 1; i >= 0; i-- {
				tiles.Run(i, out, x, scratch)
			}
			return out
		}
		outs = append(outs, run(&modelTiles))
		if set, err := Select("amx"); err == nil && specs[0].Apart(set) {
			outs = append(outs, run(nil))
			if !slices.Equal(outs[0], outs[1]) {
				t.Errorf("%+v: the kernels' bits are not their model's", c)
			}
		}
		off, offPlain := 0.0, 0.0 // squares
		for _, s := range specs {
			direct, err := NewDirect(Ref, s)
			if err != nil {
				t.Fatal(err)
			}
			plain := make([]float32, size)
			for i := range direct.Parts() {
				direct.Run(i, plain, x, nil)
			}
			for o := range s.Out.C {
				for y := range oh {
					for xx := range ow {
						sum, all := float64(s.Bias[o]), math.Abs(float64(s.Bias[o]))
						for i := range c.in {
							for tap := range c.kh * c.kw {
								iy, ix := y*c.stride-s.PadTop+tap/c.kw, xx*c.stride-s.PadLeft+tap%c.kw
								p := float64(s.Filter[(o*c.in+i)*c.kh*c.kw+tap]) * float64(x[in.Index(0, 0, 0)+i/Block*in.Plane+iy*in.Row+ix*Block+i%Block])
								sum, all = sum+p, all+math.Abs(p)
							}
						}
						if s.ReLU {
							sum = max(sum, 0)
						}
						d := math.Abs(float64(outs[0][s.Out.Index(o, y, xx)])-sum) / all
						e := math.Abs(float64(plain[s.Out.Index(o, y, xx)])-sum) / all
						if off, offPlain = off+d*d, offPlain+e*e; d > float64(c.in*c.kh*c.kw/8+4)*0x1p-24 {
							t.Fatalf("%+v: output %d at %d,%d is off by %.3g of the sum of magnitudes", c, o, y, xx, d)
						}
					}
				}
			}
		}
		if ratio := math.Sqrt(off / offPlain); !(ratio < 4) {
			t.Errorf("%+v: off by %.2f times what plain float32 is, want less than 4", c, ratio)
		} else {
			t.Logf("%+v: off by %.2f times what plain float32 is", c, ratio)
		}
		// Nothing else is written.
		clean := fill(size)
		for _, s := range specs {
			for o := range s.Out.C {
				for y := range oh {
					for xx := range ow {
						clean[s.Out.Index(o, y, xx)] = outs[0][s.Out.Index(o, y, xx)]
					}
				}
			}
		}
		if !slices.Equal(octets(clean), octets(outs[0])) {
			t.Errorf("%+v: wrote outside the outputs", c)
		}
	}
}

// TestTilesReadInside: what lies around the input reaches no result, whichever blocks and taps are paired, and
// float32 that becomes two bfloat16 keeps 16 bits.
func TestTilesReadInside(t *testing.T) {
	for _, c := range []struct {
		in, kh, kw, stride int
		floats             bool
	}{
		{8, 3, 3, 1, true}, {24, 3, 3, 1, true}, {32, 3, 3, 2, true}, {16, 3, 3, 1, false}, {48, 1, 7, 1, false},
		{48, 7, 1, 1, false}, {16, 5, 5, 1, false}, {80, 3, 3, 2, false}, {16, 1, 1, 1, false},
	} {
		const h, w, outs = 9, 11, 32
		rng := rand.New(rand.NewPCG(uint64(c.in), uint64(c.kh)))
		words := c.in
		if !c.floats {
			words /= PairChannels
		}
		top, left := (c.kh-1)/2, (c.kw-1)/2
		in := Padded(words, h, w, Border{top, top, left, left})
		around := 3 * in.Size()
		x := make([]float32, in.Size()+2*around)
		for i := range x {
			x[i] = float32(math.NaN())
		}
		clear(x[around:][:in.Size()])
		in = in.At(around)
		var at func(ch, y, xx int) float64
		if c.floats {
			for ch := range c.in {
				for y := range h {
					for xx := range w {
						x[in.Index(ch, y, xx)] = rng.Float32()
					}
				}
			}
			at = func(ch, y, xx int) float64 { return float64(x[in.Index(ch, y, xx)]) }
		} else {
			index := func(ch, y, xx int) int {
				return PairChannels*(in.Off+ch/PairBlock*in.Plane+y*in.Row+xx*Block) + ch%PairBlock
			}
			for ch := range c.in {
				for y := range h {
					for xx := range w {
						halves(x)[index(ch, y, xx)] = BFloat16(rng.Float32())
					}
				}
			}
			at = func(ch, y, xx int) float64 { return float64(widen(halves(x)[index(ch, y, xx)])) }
		}
		oh, ow := (h-1)/c.stride+1, (w-1)/c.stride+1
		s := Spec{In: in, Out: Dense(outs/PairChannels, oh, ow), KH: c.kh, KW: c.kw, StrideH: c.stride, StrideW: c.stride,
			PadTop: top, PadLeft: left, Filter: random(rng, outs*c.in*c.kh*c.kw), Pairs: true, Floats: c.floats, Fine: true}
		models := []*tileModel{&modelTiles}
		if hasPairTiles() {
			models = append(models, nil)
		}
		for _, model := range models {
			tiles := newTiledPairs([]Spec{s})
			tiles.model = model
			out, scratch := make([]float32, s.Out.Size()), make([]float32, tiles.Scratch())
			for i := range scratch {
				scratch[i] = float32(math.NaN())
			}
			for i := range tiles.Parts() {
				tiles.Run(i, out, x, scratch)
			}
			for o := range outs {
				for y := range oh {
					for xx := range ow {
						sum, all := 0.0, 0.0
						for ch := range c.in {
							for k := range c.kh * c.kw {
								iy, ix := y*c.stride-top+k/c.kw, xx*c.stride-left+k%c.kw
								if iy >= 0 && iy < h && ix >= 0 && ix < w {
									p := float64(s.Filter[(o*c.in+ch)*c.kh*c.kw+k]) * at(ch, iy, ix)
									sum, all = sum+p, all+math.Abs(p)
								}
							}
						}
						got := float64(widen(halves(out)[PairChannels*(o/PairBlock*s.Out.Plane+y*s.Out.Row+xx*Block)+o%PairBlock]))
						if !(math.Abs(got-sum) <= math.Abs(sum)*0x1p-8+all*0x1p-14) {
							t.Fatalf("%+v: output %d at %d,%d: got %g, want %g", c, o, y, xx, got, sum)
						}
					}
				}
			}
		}
	}
}
