package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// byteCase is a convolution of bytes: extents never coincide.
type byteCase struct {
	in, out, h, w            int
	kh, kw, sh, sw, top, lft int
	thin                     bool
}

func (c byteCase) String() string {
	return fmt.Sprintf("%dx%dx%d_%dx%d_%dx%d_%d_thin=%v", c.in, c.h, c.w, c.kh, c.kw, c.sh, c.sw, c.out, c.thin)
}

func byteCases() []byteCase {
	return []byteCase{
		{in: 1, out: 1, h: 1, w: 1, kh: 1, kw: 1, sh: 1, sw: 1},
		{in: 16, out: 48, h: 5, w: 7, kh: 3, kw: 3, sh: 1, sw: 1, top: 1, lft: 1},
		{in: 33, out: 17, h: 6, w: 9, kh: 1, kw: 7, sh: 1, sw: 1, lft: 3},
		{in: 48, out: 64, h: 9, w: 5, kh: 5, kw: 5, sh: 1, sw: 1, top: 2, lft: 2},
		{in: 80, out: 192, h: 7, w: 8, kh: 3, kw: 3, sh: 1, sw: 1},
		{in: 64, out: 96, h: 11, w: 13, kh: 3, kw: 3, sh: 2, sw: 2},
		{in: 130, out: 33, h: 4, w: 19, kh: 7, kw: 1, sh: 1, sw: 1, top: 3},
		{in: 96, out: 160, h: 8, w: 6, kh: 1, kw: 1, sh: 1, sw: 1},
		{in: 3, out: 32, h: 19, w: 23, kh: 3, kw: 3, sh: 2, sw: 2, thin: true},
		{in: 4, out: 50, h: 10, w: 7, kh: 3, kw: 5, sh: 1, sw: 2, top: 1, lft: 2, thin: true},
		{in: 1, out: 7, h: 3, w: 6, kh: 2, kw: 1, sh: 1, sw: 1, thin: true},
	}
}

// made is a convolution with everything that it reads, and room for its output
// between sentinels.
type made struct {
	byteCase
	spec    ByteSpec
	input   []float32
	channel func(c, y, x int) int // index of an input byte
}

const poison = 0xa5

func (c byteCase) make(r *rand.Rand, extreme bool) made {
	m := made{byteCase: c}
	oh, ow := (c.h+2*c.top-c.kh)/c.sh+1, (c.w+2*c.lft-c.kw)/c.sw+1
	halo := Border{Top: c.top, Bottom: c.top, Left: c.lft, Right: c.lft}
	in := Padded((c.in+3)/4, c.h, c.w, halo)
	size, pixel := in.Size(), Block
	if c.thin {
		in = Thin(c.h, c.w, halo)
		size, pixel = in.Plane, 1
	}
	in = in.At(3)
	m.input = make([]float32, size+3)
	m.channel = func(ch, y, x int) int {
		return 4*(in.Off+ch/ByteBlock*in.Plane+y*in.Row+x*pixel) + ch%ByteBlock
	}
	bytes := octets(m.input)
	for i := range bytes {
		bytes[i] = byte(r.Uint32())
		if extreme {
			bytes[i] = 255
		}
	}
	if !c.thin {
		in.ZeroHalo(m.input)
	}
	m.spec = ByteSpec{
		In: in, Out: Padded((c.out+3)/4, oh, ow, Border{Left: 1, Bottom: 1}).At(5), KH: c.kh, KW: c.kw, StrideH: c.sh,
		StrideW: c.sw,
		PadTop:  c.top, PadLeft: c.lft, Thin: c.thin, Channels: c.in,
	}
	area := c.kh * c.kw
	for o := range c.out {
		row := make([]int8, c.in*area)
		for i := range row {
			row[i] = int8(r.IntN(129) - 64)
			if extreme { // as large as a pair may be, of either sign
				row[i] = int8(127 - 126*(i/area%2))
				if o%2 == 1 {
					row[i] = -row[i]
				}
			}
		}
		m.spec.Filter = append(m.spec.Filter, row...)
		m.spec.Scale = append(m.spec.Scale, r.Float32()*0.01)
		m.spec.Shift = append(m.spec.Shift, r.Float32()*100-20)
	}
	return m
}

// want computes output o of pixel y, x from the definition.
func (m *made) want(o, y, x int) byte {
	acc := 0
	for i := range m.in {
		for ky := range m.kh {
			for kx := range m.kw {
				b := octets(m.input)[m.channel(i, y*m.sh-m.top+ky, x*m.sw-m.lft+kx)]
				acc += int(b) * int(m.spec.Filter[((o*m.in+i)*m.kh+ky)*m.kw+kx])
			}
		}
	}
	v := float32(float32(acc)*m.spec.Scale[o]) + m.spec.Shift[o]
	return byte(math.RoundToEven(math.Min(math.Max(float64(v), 0), 255)))
}

// TestByteConv compares every set with the definition, byte for byte, and
// asserts that nothing but the output's blocks is written.
func TestByteConv(t *testing.T) {
	for _, c := range byteCases() {
		for _, extreme := range []bool{false, true} {
			m := c.make(rand.New(rand.NewPCG(uint64(c.in), uint64(c.out))), extreme)
			out := m.spec.Out
			var first []byte
			for _, set := range Sets() {
				if set != Ref && set.byteUnit() == byGo {
					continue
				}
				conv, err := NewByteConv(set, m.spec)
				if err != nil {
					t.Fatal(c, err)
				}
				words := make([]float32, 5+out.Size())
				bytes := octets(words)
				for i := range bytes {
					bytes[i] = poison
				}
				for p := range conv.Parts() {
					conv.Run(p, words, m.input, make([]float32, conv.Scratch()))
				}
				written := make([]bool, len(bytes))
				for y := range out.H {
					for x := range out.W {
						for o := range (m.out + 15) / 16 * 16 {
							at := 4*(out.Off+o/ByteBlock*out.Plane+y*out.Row+x*Block) + o%ByteBlock
							written[at] = true
							if o >= m.out {
								continue
							}
							if want := m.want(o, y, x); bytes[at] != want {
								t.Fatalf("%v %v extreme=%v: output %d,%d,%d is %d, want %d", c, set, extreme, o, y, x, bytes[at], want)
							}
						}
					}
				}
				for i, b := range bytes {
					if !written[i] && b != poison {
						t.Fatalf("%v %v: byte %d was written", c, set, i)
					}
				}
				if first == nil {
					first = bytes
				} else if string(first) != string(bytes) {
					t.Errorf("%v: %v differs from %v", c, set, Sets()[0])
				}
			}
		}
	}
}

// TestByteConvErrors asserts that a convolution that does not fit is refused.
func TestByteConvErrors(t *testing.T) {
	ok := ByteSpec{
		In: Dense(8, 4, 5), Out: Dense(8, 4, 5), KH: 1, KW: 1, StrideH: 1, StrideW: 1, Channels: 32,
		Filter: make([]int8, 32), Scale: make([]float32, 1), Shift: make([]float32, 1),
	}
	if _, err := NewByteConv(Ref, ok); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*ByteSpec){
		"filter":   func(s *ByteSpec) { s.Filter = s.Filter[1:] },
		"shift":    func(s *ByteSpec) { s.Shift = nil },
		"halo":     func(s *ByteSpec) { s.PadTop = 1 },
		"channels": func(s *ByteSpec) { s.Channels, s.Filter = 33, make([]int8, 33) },
		"no output": func(s *ByteSpec) {
			s.Filter, s.Scale, s.Shift = nil, nil, nil
		},
	} {
		s := ok
		spoil(&s)
		if _, err := NewByteConv(Ref, s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestBytePool compares the pools of every set with the definition.
type bytePoolCase struct {
	words, h, w, k, stride, pad int
	max, border                 bool
	rescale                     float32
}

// want computes channel ch of pixel y, x from the definition.
func (c bytePoolCase) want(input []byte, in Tensor, ch, y, x int) byte {
	sum, n, top := 0, 0, 0
	for ky := range c.k {
		for kx := range c.k {
			iy, ix := y*c.stride-c.pad+ky, x*c.stride-c.pad+kx
			if iy < 0 || iy >= c.h || ix < 0 || ix >= c.w {
				continue
			}
			b := int(input[4*(ch/ByteBlock*in.Plane+iy*in.Row+ix*Block)+ch%ByteBlock])
			sum, n, top = sum+b, n+1, max(top, b)
		}
	}
	if c.border {
		n = c.k * c.k
	}
	scale := float32(1/float32(n)) * c.rescale
	v := float32(sum) * scale
	if c.max {
		if v = float32(top); c.rescale != 1 {
			v *= c.rescale
		}
	}
	return byte(math.RoundToEven(math.Min(float64(v), 255)))
}

func TestBytePool(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 9))
	for _, c := range []bytePoolCase{
		{words: 9, h: 7, w: 11, k: 3, stride: 2, max: true, rescale: 1},
		{words: 16, h: 8, w: 5, k: 3, stride: 2, max: true, rescale: 0.37},
		{words: 8, h: 5, w: 6, k: 3, stride: 1, pad: 1, max: true, rescale: 1.5},
		{words: 24, h: 9, w: 4, k: 3, stride: 1, pad: 1, rescale: 1.2},
		{words: 5, h: 6, w: 9, k: 3, stride: 1, pad: 1, border: true, rescale: 1},
		{words: 8, h: 40, w: 41, k: 33, stride: 1, rescale: 1.9},
	} {
		oh, ow := (c.h+2*c.pad-c.k)/c.stride+1, (c.w+2*c.pad-c.k)/c.stride+1
		in, out := Dense(c.words, c.h, c.w), Padded(c.words, oh, ow, Border{Top: 1, Right: 2}).At(3)
		input := make([]float32, in.Size())
		for i := range octets(input) {
			octets(input)[i] = byte(r.Uint32())
		}
		for _, set := range Sets() {
			pool, err := NewBytePool(set, PoolSpec{
				In: in, Out: out, KH: c.k, KW: c.k, StrideH: c.stride, StrideW: c.stride,
				PadTop: c.pad, PadLeft: c.pad, Max: c.max, CountBorder: c.border,
			}, c.rescale)
			if err != nil {
				t.Fatal(err)
			}
			words := make([]float32, 3+out.Size())
			for i := range octets(words) {
				octets(words)[i] = poison
			}
			for p := range pool.Parts() {
				pool.Run(p, words, input, nil)
			}
			for y := range oh {
				for x := range ow {
					for ch := range 4 * c.words {
						at := 4*(out.Off+ch/ByteBlock*out.Plane+y*out.Row+x*Block) + ch%ByteBlock
						if got, want := octets(words)[at], c.want(octets(input), in, ch, y, x); got != want {
							t.Fatalf("%+v %v: channel %d of %d,%d is %d, want %d", c, set, ch, y, x, got, want)
						}
					}
				}
			}
			if octets(words)[4*3-1] != poison {
				t.Errorf("%+v %v: wrote before the output", c, set)
			}
		}
	}
}

// TestQuantize asserts rounding, limits and what a NaN becomes, and that bytes
// turn back into what they stand for.
func TestQuantize(t *testing.T) {
	q := Quantized{Step: 0.5, Zero: 10}
	nan := float32(math.NaN())
	for v, want := range map[float32]byte{0: 10, 0.5: 11, 0.25: 10, 0.75: 12, -5: 0, -6: 0, -1e30: 0, 122.5: 255,
		1e30: 255} {
		thin := Thin(1, 1, Border{Left: 1})
		words := make([]float32, thin.Plane)
		Quantize(Sets()[0], words, thin, []float32{v, nan}, 2, 0, 1, q)
		if got := octets(words)[4*thin.Off:]; got[0] != want || got[1] != 0 || got[2] != 0 {
			t.Errorf("%v: got % d, want %d 0 0", v, got[:4], want)
		}
		FillThinHalo(words, thin, q)
		for i, b := range octets(words) {
			if inside := i/4 == thin.Off; !inside && b != q.Zero || inside && i%4 == 0 && b != want {
				t.Errorf("fill: byte %d: got %d", i, b)
			}
		}
	}
	src := Dense(9, 2, 3)
	words := make([]float32, src.Size())
	for i := range octets(words) {
		octets(words)[i] = byte(i * 7)
	}
	got := make([]float32, 2*2*3)
	Dequantize(got, words, src, []int{1, 34}, 0.25)
	means := make([]float32, 64)
	MeanBytes(Sets()[0], means, Dense(64, 1, 1), words, src, 0, 2, 0.25/6)
	for i, lane := range []int{1, 34} {
		sum := float32(0)
		for p := range 6 {
			want := 0.25 * float32(octets(words)[4*(lane/32*src.Plane+p*Block)+lane%32])
			if sum += want; got[i*6+p] != want {
				t.Errorf("lane %d, pixel %d: got %v, want %v", lane, p, got[i*6+p], want)
			}
		}
		if d := means[lane] - sum/6; !(math.Abs(float64(d)) < 1e-4) {
			t.Errorf("lane %d: mean %v, want %v", lane, means[lane], sum/6)
		}
	}
}

func BenchmarkByteConv(b *testing.B) {
	for _, c := range []byteCase{
		{in: 64, out: 96, h: 35, w: 35, kh: 3, kw: 3, sh: 1, sw: 1, top: 1, lft: 1},
		{in: 768, out: 192, h: 17, w: 17, kh: 1, kw: 1, sh: 1, sw: 1},
		{in: 192, out: 192, h: 17, w: 17, kh: 1, kw: 7, sh: 1, sw: 1, lft: 3},
		{in: 448, out: 384, h: 8, w: 8, kh: 3, kw: 3, sh: 1, sw: 1, top: 1, lft: 1},
	} {
		m := c.make(rand.New(rand.NewPCG(1, 2)), false)
		for _, set := range Sets() {
			if set == Ref {
				continue
			}
			b.Run(fmt.Sprint(c, "/", set), func(b *testing.B) {
				conv, err := NewByteConv(set, m.spec)
				if err != nil {
					b.Fatal(err)
				}
				words := make([]float32, 5+m.spec.Out.Size())
				for b.Loop() {
					for p := range conv.Parts() {
						conv.Run(p, words, m.input, make([]float32, conv.Scratch()))
					}
				}
				ops := 2 * float64(c.in*c.kh*c.kw*c.out*m.spec.Out.H*m.spec.Out.W) * float64(b.N)
				b.ReportMetric(ops/b.Elapsed().Seconds()/1e9, "Gop/s")
			})
		}
	}
}

// TestQuantizeSets asserts that every set turns pictures into the same bytes, and writes nothing else.
func TestQuantizeSets(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	q := Quantized{Step: 0.0131, Zero: 77}
	for _, w := range []int{1, 7, 8, 9, 16, 29} {
		for c := 1; c <= WordChannels; c++ {
			const h = 5
			src := make([]float32, c*h*w)
			for i := range src {
				src[i] = float32(r.NormFloat64()) * 2
			}
			src[len(src)/2], src[len(src)/3] = float32(math.NaN()), float32(math.Inf(1))
			thin := Thin(h, w, Border{Top: 1, Bottom: 2, Left: 2, Right: 1})
			var want []float32
			for i, set := range slices.Backward(Sets()) {
				words := fill(thin.Plane)
				Quantize(set, words, thin, src, c, 1, 4, q)
				if want == nil {
					want = words
				}
				if !slices.Equal(octets(words), octets(want)) {
					t.Errorf("%dx%dx%d: set %d, %v, differs from plain Go", c, h, w, i, set)
				}
			}
		}
	}
}

// TestWideBytePool asserts that a mean over more taps than sums of 16 bits hold is right.
func TestWideBytePool(t *testing.T) {
	for _, side := range []int{16, 17} { // 256 and 289 taps
		in, out := Dense(8, side, side), Dense(8, 1, 1)
		words := make([]float32, in.Size())
		for i := range octets(words) {
			octets(words)[i] = 255
		}
		for _, set := range Sets() {
			pool, err := NewBytePool(set, PoolSpec{In: in, Out: out, KH: side, KW: side, StrideH: 1, StrideW: 1}, 1)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float32, out.Size())
			pool.Run(0, got, words, nil)
			if b := octets(got); slices.Min(b) != 255 {
				t.Errorf("%v, %d taps: got a mean of %d of bytes that are all 255", set, side*side, slices.Min(b))
			}
		}
	}
}

// TestByteUnits: each set multiplies bytes by what its name says, pictures included.
func TestByteUnits(t *testing.T) {
	want := map[string]string{"avx2": "int8 maddubs 5x16", "bf16": "int8 usmmla 6x16", "i8mm": "int8 usmmla 6x16",
		"dotprod": "int8 sdot 6x16", "neon": "int8 plain 5x16", "ref": "int8 plain 5x16"}
	for _, i := range []int{4, 8} {
		m := byteCases()[i].make(rand.New(rand.NewPCG(1, 2)), false)
		for _, set := range Sets() {
			c, err := NewByteConv(set, m.spec)
			if err != nil {
				t.Fatal(err)
			}
			if w, ok := want[set.String()]; ok && c.Algorithm() != w {
				t.Errorf("%v: got %q, want %q", set, c.Algorithm(), w)
			}
			if named, err := Select(set.String()); err != nil || named != set {
				t.Errorf("%v: got %v, %v by its name", set, named, err)
			}
		}
	}
}

// TestTiles: where there is a tile unit, the set that uses it is taken by itself.
func TestTiles(t *testing.T) {
	if _, err := Select("amx"); err != nil {
		t.Skip("no tile unit here (AMX), or the kernel permits none")
	}
	set, err := Select("")
	if err != nil || set.String() != "amx" {
		t.Fatalf("got %v, %v as the best set, want amx", set, err)
	}
	m := byteCases()[4].make(rand.New(rand.NewPCG(1, 2)), false)
	c, err := NewByteConv(set, m.spec)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Algorithm(); got != "int8 tiles 32x32" {
		t.Errorf("got algorithm %q, want tiles", got)
	}
}
