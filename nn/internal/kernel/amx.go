package kernel

import "unsafe"

// tiled is a convolution by the tile unit, which multiplies 16 pixels by 16 outputs by 64 bytes of each at
// once: 64 channels, or 32 of bfloat16. It is immutable once made.
//
// Pixels are copied to scratch memory, 64 bytes side by side, together with what lies between the
// rows of a plane: all pixels are then the same distance apart, and so are those that a tap reads. What
// is computed for those between the rows is left out.
type tiled struct {
	name         string
	in, out      int // indices of the first elements
	w            []int8
	scale, shift []float32 // of bfloat16: the least result, and what is added
	steps        []int     // bytes in the scratch memory from a pixel to each step's channels
	places       []int32   // bytes from out to each pixel, those between rows included, -1 for these
	plane        int       // of in
	blocks       int       // channel blocks of in
	last         int       // pixels that are read
	outs         []int     // bytes from a pixel in out to each 16 outputs
	pitch, reach int       // pixels from one row to the next, and that a tap reads ahead
	held         int       // pixels in the scratch memory, of each 64 bytes
	panel        int       // bytes of the weights of 16 outputs
	cuts         []tilePart
	run          func(*tileUnit)
}

// tileUnit is what a kernel of the tile unit is handed; the generator knows its layout. The kernels
// move dst on and count tiles down.
type tileUnit struct {
	x            *byte // the first pixel's first 64 channels; pixels lie 64 bytes apart
	w            [2]*int8
	scale, shift *float32 // of 32 outputs, as tiled has them
	out          *float32 // channel block 0, row 0, column 0
	steps        *int     // bytes from x to each step's channels
	nsteps       int
	dst          *int32 // bytes from out to each pixel, negative for those to leave out
	tiles        int    // groups of 32 pixels
	groups       [2]int // bytes from a pixel in out to each 16 outputs, negative to leave them out
	sums         *byte  // 4 KB
	shape        *[64]byte
}

// tileShape configures eight tiles of 16 rows of 64 bytes.
var tileShape = func() (s [64]byte) {
	s[0] = 1 // palette
	for t := range 8 {
		s[16+2*t], s[48+t] = 64, 16
	}
	return s
}()

// A tilePart is some pixels, those between rows included, for some groups of 32 outputs.
type tilePart struct{ pixel, pixels, group, groups int }

const (
	tilePixels   = 32 // that a kernel computes at once,
	tileOutputs  = 32 // and outputs
	tileChannels = 64 // of bytes, of a step
	tileHalves   = 32 // of bfloat16
	tileRow      = 64 // bytes
	tileBytes    = 16 * tileRow
	tileWords    = 4 * tileBytes / 4
	leastTiles   = 4 // groups of pixels of a part, if there are as many
)

// tilesDo reports whether the tile unit computes s: it reads neighbouring pixels.
func (s *ByteSpec) tilesDo() bool {
	return !s.Thin && s.StrideH == 1 && s.StrideW == 1 && s.Out.W <= s.In.Row/Block
}

// tilesDo is the same of a convolution of bfloat16.
func (s *Spec) tilesDo() bool {
	return s.Pairs && !s.Planar && s.StrideH == 1 && s.StrideW == 1 && s.Out.W <= s.In.Row/Block
}

// newTiledBytes prepares s for the tile unit.
func newTiledBytes(s *ByteSpec) *tiled {
	t := &tiled{name: "int8 tiles 32x32", run: runTiles}
	outs := len(s.Scale)
	for o := 0; o < outs; o += 16 {
		t.outs = append(t.outs, 4*(o/16/2*s.Out.Plane+o/16%2*Block/2))
	}
	t.lay(&Spec{In: s.In, Out: s.Out, KH: s.KH, KW: s.KW, PadTop: s.PadTop, PadLeft: s.PadLeft, Alloc: s.Alloc})
	copy(t.scale, s.Scale)
	copy(t.shift, s.Shift)
	area := s.KH * s.KW
	for o := range outs {
		row := s.Filter[o*s.Channels*area:][:s.Channels*area]
		for i := range s.Channels {
			for k := range area {
				at := t.weight(o, i/tileChannels*area+k, i%tileChannels/WordChannels)
				t.w[at+i%WordChannels] = row[i*area+k]
			}
		}
	}
	return t
}

// newTiledPairs prepares s, of bfloat16, for the tile unit.
func newTiledPairs(s *Spec) *tiled {
	t := &tiled{name: "bfloat16 tiles 32x32", run: runPairTiles}
	for b := range Blocks(s.Out.C) {
		t.outs = append(t.outs, 4*b*s.Out.Plane)
	}
	t.lay(s)
	copy(t.shift, s.Bias)
	if !s.ReLU {
		for i := range t.scale {
			t.scale[i] = negInf
		}
	}
	ins, area := s.ins(), s.KH*s.KW
	for o := range s.outs() {
		row := s.Filter[o*ins*area:][:ins*area]
		for i := range ins {
			for k := range area {
				at := t.weight(o, i/tileHalves*area+k, i%tileHalves/PairChannels)
				h := BFloat16(row[i*area+k])
				at += 2 * (i % PairChannels)
				t.w[at], t.w[at+1] = int8(h), int8(h>>8)
			}
		}
	}
	return t
}

// lay finds out where s, whose weights are not looked at, reads and writes, and makes room for weights.
func (t *tiled) lay(s *Spec) {
	t.in, t.out = s.In.Off-s.PadTop*s.In.Row-s.PadLeft*Block, s.Out.Off
	t.plane, t.blocks, t.pitch = s.In.Plane, Blocks(s.In.C), s.In.Row/Block
	t.reach = (s.KH-1)*t.pitch + s.KW - 1
	for y := range s.Out.H {
		for x := range t.pitch {
			at := int32(-1)
			if x < s.Out.W {
				at = int32(4 * (y*s.Out.Row + x*Block))
			}
			t.places = append(t.places, at)
		}
	}
	t.places = t.places[:(s.Out.H-1)*t.pitch+s.Out.W]
	t.last = len(t.places) + t.reach
	if len(t.outs)%2 == 1 {
		t.outs = append(t.outs, -1)
	}
	groups := len(t.outs) / 2
	t.cut(groups)
	for len(t.places)%tilePixels != 0 {
		t.places = append(t.places, -1)
	}
	for g := range (t.blocks + 1) / 2 {
		for y := range s.KH {
			for x := range s.KW {
				t.steps = append(t.steps, tileRow*(g*t.held+y*t.pitch+x))
			}
		}
	}
	t.panel = len(t.steps) * tileBytes
	t.w = int8s(s.alloc(2 * groups * t.panel / 4))
	t.scale, t.shift = make([]float32, groups*tileOutputs), make([]float32, groups*tileOutputs)
}

// weight is where a word of output o's weights lies: [16 outputs][steps][16 words][16].
func (t *tiled) weight(o, step, word int) int {
	return o/16*t.panel + step*tileBytes + word*tileRow + o%16*4
}

// cut divides the work: first pixels, then groups of outputs.
func (t *tiled) cut(groups int) {
	tiles := (len(t.places) + tilePixels - 1) / tilePixels
	blocks := max(1, min(partCount/4, tiles/leastTiles))
	split := max(1, min(groups, partCount/4/blocks))
	for b := range blocks {
		first, end := b*tiles/blocks, (b+1)*tiles/blocks
		t.held = max(t.held, (end-first)*tilePixels+t.reach)
		for g := range split {
			g0, g1 := g*groups/split, (g+1)*groups/split
			t.cuts = append(t.cuts, tilePart{first * tilePixels, (end - first) * tilePixels, g0, g1 - g0})
		}
	}
}

func (t *tiled) Algorithm() string { return t.name }
func (t *tiled) Parts() int        { return len(t.cuts) }

// Scratch has room for the pixels and a group's sums.
func (t *tiled) Scratch() int {
	return (t.blocks+1)/2*t.held*tileRow/4 + tileWords + 16
}

// gather copies the pixels of part p to x, 64 bytes of each side by side.
func (t *tiled) gather(p tilePart, in, x []float32) {
	const words = tileRow / 4
	n := min(p.pixels+t.reach, t.last-p.pixel)
	for g := range (t.blocks + 1) / 2 {
		even := in[t.in+2*g*t.plane+p.pixel*Block:]
		var odd []float32
		if 2*g+1 < t.blocks {
			odd = even[t.plane:]
		}
		joinBlocks(x[g*t.held*words:], even, odd, n)
	}
}

func (t *tiled) Run(i int, out, in, scratch []float32) {
	p := t.cuts[i]
	s := scratch[alignment(scratch):]
	sums, x := s[:tileWords], s[tileWords:]
	t.gather(p, in, x)
	a := tileUnit{
		steps: &t.steps[0], nsteps: len(t.steps), out: &out[t.out], shape: &tileShape,
		sums: (*byte)(unsafe.Pointer(&sums[0])),
	}
	for g := p.group; g < p.group+p.groups; g++ {
		a.x, a.dst, a.tiles = (*byte)(unsafe.Pointer(&x[0])), &t.places[p.pixel], p.pixels/tilePixels
		for k := range a.w {
			a.w[k], a.groups[k] = &t.w[(2*g+k)*t.panel], t.outs[2*g+k]
		}
		a.scale, a.shift = &t.scale[g*tileOutputs], &t.shift[g*tileOutputs]
		t.run(&a)
	}
}
