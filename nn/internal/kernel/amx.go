package kernel

import "unsafe"

// tiled is a convolution of bytes by the tile unit, which multiplies 16 pixels by 16 outputs by 64
// channels at once. It is immutable once made.
//
// Pixels are copied to scratch memory, 64 channels side by side, together with what lies between the
// rows of a plane: all pixels are then the same distance apart, and so are those that a tap reads. What
// is computed for those between the rows is left out.
type tiled struct {
	byteConv             // where things lie; not its weights' order
	steps        []int   // bytes in the scratch memory from a pixel to each step's channels
	places       []int32 // bytes from out to each pixel, those between rows included, -1 for these
	plane        int     // of in
	blocks       int     // channel blocks of in
	last         int     // pixels that are read
	outs         []int   // bytes from a pixel in out to each 16 outputs
	pitch, reach int     // pixels from one row to the next, and that a tap reads ahead
	held         int     // pixels in the scratch memory, of each 64 channels
	panel        int     // bytes of the weights of 16 outputs
	cuts         []tilePart
	run          func(*tileUnit)
}

// tileUnit is what a kernel of the tile unit is handed; the generator knows its layout. The kernels
// move dst on and count tiles down.
type tileUnit struct {
	x            *byte // the first pixel's first 64 channels; pixels lie 64 bytes apart
	w            [2]*int8
	scale, shift *float32 // of 32 outputs
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
	tilePixels   = 32      // that a kernel computes at once,
	tileOutputs  = 32      // and outputs
	tileChannels = 64      // of a step
	tileBytes    = 16 * 64 // of a tile
	tileWords    = 4 * tileBytes / 4
	leastTiles   = 4 // groups of pixels of a part, if there are as many
)

// tilesDo reports whether the tile unit computes s: it reads neighbouring pixels.
func (s *ByteSpec) tilesDo() bool {
	return !s.Thin && s.StrideH == 1 && s.StrideW == 1 && s.Out.W <= s.In.Row/Block
}

// newTiled prepares c, whose places and scales are there, for the tile unit.
func newTiled(c *byteConv, s *ByteSpec) Conv {
	t := &tiled{byteConv: *c, plane: s.In.Plane, run: runTiles, blocks: Blocks(s.In.C), pitch: s.In.Row / Block}
	t.reach = (s.KH-1)*t.pitch + s.KW - 1
	for y := range s.Out.H {
		for x := range t.pitch {
			at := int32(-1)
			if x < s.Out.W {
				at = c.dst[y*s.Out.W+x]
			}
			t.places = append(t.places, at)
		}
	}
	t.places = t.places[:(s.Out.H-1)*t.pitch+s.Out.W]
	t.last = len(t.places) + t.reach
	t.cut((len(s.Scale) + tileOutputs - 1) / tileOutputs)
	for len(t.places)%tilePixels != 0 {
		t.places = append(t.places, -1)
	}
	for g := range (s.Channels + tileChannels - 1) / tileChannels {
		for y := range s.KH {
			for x := range s.KW {
				t.steps = append(t.steps, tileChannels*(g*t.held+y*t.pitch+x))
			}
		}
	}
	t.pack(s)
	return t
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

// pack lays the weights out, [16 outputs][steps][16 words][16][4], and pads scales and shifts.
func (t *tiled) pack(s *ByteSpec) {
	outs, area := len(s.Scale), s.KH*s.KW
	groups := (outs + tileOutputs - 1) / tileOutputs
	t.panel = len(t.steps) * tileBytes
	if s.Alloc == nil {
		s.Alloc = aligned
	}
	t.w = int8s(s.Alloc(2 * groups * t.panel / 4))
	for o := 0; o < outs; o += 16 {
		t.outs = append(t.outs, 4*(o/16/2*s.Out.Plane+o/16%2*Block/2))
	}
	if len(t.outs)%2 == 1 {
		t.outs = append(t.outs, -1)
	}
	for o := range outs {
		row := s.Filter[o*s.Channels*area:][:s.Channels*area]
		panel := t.w[o/16*t.panel:][:t.panel]
		for i := range s.Channels {
			g, word, byte := i/tileChannels, i%tileChannels/WordChannels, i%WordChannels
			for k := range area {
				panel[(g*area+k)*tileBytes+(word*16+o%16)*WordChannels+byte] = row[i*area+k]
			}
		}
	}
	t.scale, t.shift = make([]float32, groups*tileOutputs), make([]float32, groups*tileOutputs)
	copy(t.scale, s.Scale)
	copy(t.shift, s.Shift)
}

func (t *tiled) Algorithm() string { return "int8 tiles 32x32" }
func (t *tiled) Parts() int        { return len(t.cuts) }

// Scratch has room for the pixels and a group's sums.
func (t *tiled) Scratch() int {
	return (t.blocks+1)/2*t.held*tileChannels/4 + tileWords + 16
}

// gather copies the pixels of part p to x, 64 channels of each side by side.
func (t *tiled) gather(p tilePart, in, x []float32) {
	const words = tileChannels / 4
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
