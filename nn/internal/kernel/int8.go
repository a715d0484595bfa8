package kernel

import (
	"fmt"
	"math"
	"unsafe"
)

// Activations of bytes lie in the same tensors as those of float32: a word of
// 32 bits then holds four neighbouring channels of one pixel, the lowest first,
// and a channel block 32 channels. C of a [Tensor] still counts words. Kernels of
// bytes are integer but for one multiplication and one addition of float32 at
// the end, so that every set computes the same bytes.
const (
	// WordChannels is the number of channels of bytes in a word.
	WordChannels = 4
	// ByteBlock is the number of channels of bytes in a channel block.
	ByteBlock = Block * WordChannels
)

// Thin returns the tensor of one word a pixel, h x w pixels inside a halo: how
// pictures of up to four channels lie. A pixel takes one word, not eight. The
// slice it lives in starts with the halo and is Plane floats long.
func Thin(h, w int, halo Border) Tensor {
	pitch := w + max(halo.Left, halo.Right)
	return Tensor{
		C: 1, H: h, W: w, Row: pitch, Halo: halo,
		Plane: (h+halo.Top+halo.Bottom)*pitch + halo.Left,
		Off:   halo.Top*pitch + halo.Left,
	}
}

// A ByteSpec is a convolution of bytes to prepare:
//
//	acc[o,y,x] = sum_{i,kh,kw} filter[o,i,kh,kw] *
//	             in[i, y*StrideH - PadTop + kh, x*StrideW - PadLeft + kw]
//	out[o,y,x] = min(max(round(float32(acc)*Scale[o] + Shift[o]), 0), 255)
//
// with round half to even. The input's halo spells the border out, in the bytes that stand for zero
// there.
type ByteSpec struct {
	In, Out          Tensor // C in words
	KH, KW           int
	StrideH, StrideW int
	PadTop, PadLeft  int
	Thin             bool      // In is made by Thin
	Channels         int       // of the input, lanes counted in bytes
	Filter           []int8    // [outputs, Channels, KH, KW], read while preparing only; see PairLimit
	Scale, Shift     []float32 // [outputs], finite
	Alloc            func(n int) []float32
	Threads          int // that compute, 0 for one: how the tile unit's work is divided
}

// PairLimit bounds the sum of two weights that are multiplied with neighbouring
// channels 2j and 2j+1 at one place of the window, as a sum of those of one sign: AVX2 adds two
// products with bytes of up to 255 in 16 bits, and 255*128 is what fits.
const PairLimit = 128

// byteConv is a convolution of bytes. It is immutable once made.
type byteConv struct {
	by           byteUnit
	depth        int // words a tap
	sizes        sizes
	taps         []int
	panels       []bytePanel
	w            []int8
	start        []int32 // of each output's sum, where its kernel takes 128 off the input's bytes
	scale, shift []float32
	in, out      int // indices of the first elements
	src, dst     []int32
	parts        []part
}

// A bytePanel is a group of outputs that share a micro-kernel call.
type bytePanel struct {
	width, first int    // outputs, a multiple of 16, and the first of them
	w            int    // index of its weights, [taps][depth][width][4]
	groups       [3]int // bytes from a pixel's place to each 16 outputs
}

// A byteUnit is what multiplies bytes in a convolution.
type byteUnit uint8

const (
	byGo byteUnit = iota
	byMaddubs
	byVNNI
	bySDOT
	byUSMMLA
)

func (b byteUnit) String() string {
	return [...]string{"plain", "maddubs", "vnni", "sdot", "usmmla"}[b]
}

// byteUnit returns what multiplies bytes in s: AVX-512 without its dot products of bytes does no better
// than AVX2, and NEON without its own has none.
func (s Set) byteUnit() byteUnit {
	switch {
	case s.level == levelAVX512 && hasVNNI():
		return byVNNI
	case s.level == levelAVX512 || s.level == levelAVX2:
		return byMaddubs
	case s.unit == unitDot:
		return bySDOT
	case s.unit == unitBytes || s.unit == unitBoth:
		return byUSMMLA
	}
	return byGo
}

// byteShapes returns the micro-kernels of a unit.
func byteShapes(b byteUnit) (tiles sizes, widths []int) {
	switch b {
	case byVNNI:
		return sizes{5, 8}, []int{48, 32, 16}
	case bySDOT, byUSMMLA:
		return sizes{4, 6}, []int{16}
	}
	return sizes{4, 5}, []int{16}
}

// NewByteConv prepares the convolution of s, and more that differ from it in weights and outputs alone, which
// are such that the set computes them [ByteSpec.Together].
func NewByteConv(set Set, s ByteSpec, more ...ByteSpec) (Conv, error) {
	all := append([]ByteSpec{s}, more...)
	for i := range all {
		if err := all[i].validate(); err != nil {
			return nil, err
		}
	}
	if set.unit == unitTiles && s.tilesDo() {
		return newTiledBytes(all), nil
	}
	if len(more) > 0 {
		return nil, errTogether
	}
	c := &byteConv{by: set.byteUnit(), depth: Block / 2}
	if s.Thin {
		c.depth = 1
	}
	var widths []int
	c.sizes, widths = byteShapes(c.by)
	c.tables(&s)
	c.pack(&s, widths)
	c.split(&s)
	return c, nil
}

// validate reports what is wrong with s.
func (s *ByteSpec) validate() error {
	spec := Spec{In: s.In, Out: s.Out, KH: s.KH, KW: s.KW, StrideH: s.StrideH, StrideW: s.StrideW, PadTop: s.PadTop,
		PadLeft: s.PadLeft}
	if err := spec.validateHalo(); err != nil {
		return err
	}
	outs := len(s.Scale)
	if want := outs * s.Channels * s.KH * s.KW; len(s.Filter) != want || len(s.Shift) != outs || outs == 0 {
		return fmt.Errorf("kernel: convolution of bytes: got %d weights, %d scales and %d shifts, want "+
			"%dx%dx%dx%d = %d weights",
			len(s.Filter), outs, len(s.Shift), outs, s.Channels, s.KH, s.KW, want)
	}
	if most := WordChannels * s.In.C; s.Channels > most || outs > WordChannels*s.Out.C {
		return fmt.Errorf("kernel: convolution of bytes: got %d input and %d output channels, want at most %d and %d",
			s.Channels, outs, most, WordChannels*s.Out.C)
	}
	return nil
}

// tables lists the taps of a pixel and the places of the pixels. A tap is half
// a channel block, so that 16 or 48 channels waste nothing.
func (c *byteConv) tables(s *ByteSpec) {
	pixel, steps := Block, (s.Channels+ByteBlock/2-1)/(ByteBlock/2)
	if s.Thin {
		pixel, steps = 1, 1
	}
	for half := range steps {
		for y := range s.KH {
			for x := range s.KW {
				c.taps = append(c.taps, 4*(half/2*s.In.Plane+y*s.In.Row+x*pixel+half%2*Block/2))
			}
		}
	}
	c.in, c.out = s.In.Off-s.PadTop*s.In.Row-s.PadLeft*pixel, s.Out.Off
	n := s.Out.H*s.Out.W + c.sizes.most
	c.src, c.dst = make([]int32, 0, n), make([]int32, 0, n)
	for y := range s.Out.H {
		for x := range s.Out.W {
			c.src = append(c.src, int32(4*(y*s.StrideH*s.In.Row+x*s.StrideW*pixel)))
			c.dst = append(c.dst, int32(4*(y*s.Out.Row+x*Block)))
		}
	}
	for len(c.src) < n { // for a last tile that is not full
		c.src = append(c.src, c.src[len(c.src)-1])
		c.dst = append(c.dst, c.dst[len(c.dst)-1])
	}
}

// pack lays weights, scales and shifts out as the micro-kernels read them.
func (c *byteConv) pack(s *ByteSpec, widths []int) {
	outs := (len(s.Scale) + 15) / 16 * 16
	words := len(c.taps) * c.depth
	at := 0
	for first := 0; first < outs; {
		p := bytePanel{width: byteWidth(widths, outs-first), first: first, w: at}
		for g := range p.width / 16 {
			sixteen := first/16 + g
			p.groups[g] = 4 * (sixteen/2*s.Out.Plane + sixteen%2*Block/2)
		}
		c.panels = append(c.panels, p)
		first += p.width
		at += p.width * words * WordChannels
	}
	if s.Alloc == nil {
		s.Alloc = aligned
	}
	c.w = int8s(s.Alloc(at / 4))
	c.scale, c.shift = make([]float32, outs), make([]float32, outs)
	copy(c.scale, s.Scale)
	copy(c.shift, s.Shift)
	if c.by == bySDOT {
		c.start = make([]int32, outs)
	}
	area := s.KH * s.KW
	side := 1 // words of an output that lie side by side
	if c.by == byUSMMLA && c.depth > 1 {
		side = 2
	}
	for _, p := range c.panels {
		for o := range min(p.width, len(s.Scale)-p.first) {
			row := s.Filter[(p.first+o)*s.Channels*area:][:s.Channels*area]
			for i := range s.Channels {
				// Half a block is area taps of depth words each.
				half, word := i/(ByteBlock/2), i%(ByteBlock/2)/WordChannels
				for t := range area {
					k := (half*area+t)*c.depth + word
					at := (k/side*p.width+o)*side + k%side
					c.w[p.w+at*WordChannels+i%WordChannels] = row[i*area+t]
				}
			}
			if c.start != nil {
				for _, v := range row {
					c.start[p.first+o] += 128 * int32(v)
				}
			}
		}
	}
}

// byteWidth chooses the next panel's width when left outputs remain.
func byteWidth(widths []int, left int) int {
	for i, w := range widths {
		if w > left || w < left && i+1 < len(widths) && left == 2*widths[i+1] {
			continue // two of the next width rather than a wide and a narrow one
		}
		return w
	}
	return widths[len(widths)-1]
}

// split divides the work as direct.split does.
func (c *byteConv) split(s *ByteSpec) {
	const (
		input = 512 << 10 // bytes of input that should stay in the second-level cache
		least = 8 << 20   // operations worth handing out
		most  = 16        // parts to aim for
	)
	pixels := s.Out.H * s.Out.W
	ops := 2 * len(c.taps) * c.depth * WordChannels * len(c.scale) // of a pixel
	want := max(1, min(most, pixels*ops/least))
	blocks := (4*s.In.C*s.In.H*s.In.W + input - 1) / input
	if len(c.w) < input {
		blocks = max(blocks, want) // all panels fit beside the input
	}
	blocks = max(1, min(blocks, pixels/(2*c.sizes.most)))
	groups := min(len(c.panels), (want+blocks-1)/blocks)
	for b := range blocks {
		first := b * pixels / blocks / c.sizes.most * c.sizes.most
		end := (b + 1) * pixels / blocks / c.sizes.most * c.sizes.most
		if b+1 == blocks {
			end = pixels
		}
		runs := c.sizes.cover(first, end-first)
		for g := range groups {
			p0, p1 := g*len(c.panels)/groups, (g+1)*len(c.panels)/groups
			c.parts = append(c.parts, part{runs, p0, p1 - p0})
		}
	}
}

func (c *byteConv) Algorithm() string {
	return fmt.Sprintf("int8 %v %dx%d", c.by, c.sizes.most, c.panels[0].width)
}
func (c *byteConv) Parts() int   { return len(c.parts) }
func (c *byteConv) Scratch() int { return 0 }

func (c *byteConv) Run(i int, out, in, _ []float32) {
	p := c.parts[i]
	for _, q := range c.panels[p.panel : p.panel+p.panels] {
		if c.by == byGo {
			c.tileGo(p, q, out, in)
		} else {
			c.tileAsm(p, q, out, in)
		}
	}
}

// toByte rounds half to even and holds to 0..255.
func toByte(v float32) byte {
	return byte(math.RoundToEven(float64(min(max(v, 0), 255))))
}

// octets views words as the bytes that they hold.
func octets(words []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 4*len(words))
}

// int8s views words as the signed bytes that they hold.
func int8s(words []float32) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(words))), 4*len(words))
}
