package kernel

import "fmt"

// NewDirect prepares the direct convolution of s: every output's sum is
// computed in registers, block of input channels by block, tap by tap.
func NewDirect(set Set, s Spec, more ...Spec) (Conv, error) {
	all := append([]Spec{s}, more...)
	for i := range all {
		if err := all[i].validateDirect(set); err != nil {
			return nil, err
		}
	}
	if set.PairTiles() && s.tilesDo() {
		return newTiledPairs(all), nil
	}
	if s.Floats {
		return nil, errFloats
	}
	if len(more) > 0 {
		return nil, errTogether
	}
	d := &direct{level: set.level, pairs: s.Pairs, block: s.block(), depth: Block}
	switch {
	case s.Planar:
		d.depth = 1
	case s.Pairs:
		d.depth = pairWords
	case s.Rounded && set.Rounds():
		d.matrix, d.depth = true, Block/PairChannels
	}
	if s.ReLU {
		d.flags = flagReLU
	}
	tiles, widths := shapes(set.level, s.Planar)
	d.sizes = tiles
	d.taps = tapOffsets(&s)
	d.pack(&s, widths)
	d.tables(&s)
	d.split(&s)
	return d, nil
}

// validateDirect reports why the set cannot convolve s directly.
func (s *Spec) validateDirect(set Set) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if err := s.validateHalo(); err != nil {
		return err
	}
	return s.validatePairs(set)
}

// flagReLU makes a kernel clamp at zero.
const flagReLU = 1

// direct is a direct convolution. It is immutable once made.
type direct struct {
	level  level
	flags  int
	pairs  bool
	matrix bool // matrix products of bfloat16
	block  int  // lanes of a channel block of the output
	depth  int  // words of weights a tap: of Block channels, of half as many pairs, pairWords, or 1 for planar input
	sizes  sizes
	taps   []int
	panels []panel
	w      []float32
	bias   []float32
	in     int     // index of the input's first element
	out    int     // index of the output's first element
	plane  int     // floats from one output channel block to the next
	src    []int32 // bytes from in to the first tap of each output pixel
	dst    []int32 // bytes from out to each output pixel
	parts  []part
}

// A panel is a group of outputs that share a micro-kernel call.
type panel struct {
	width int // outputs: a multiple of 8, or 4 in plain Go
	w     int // index of its weights
	first int // its first output
	plane int // floats to the next channel block, 0 to drop a surplus one
}

// A part is some pixels of some panels.
type part struct {
	runs          []run
	panel, panels int
}

// A run is tiles of one size, one after the other.
type run struct{ first, pixels, tiles int }

// sizes are the tiles that there are micro-kernels for: least to most pixels.
type sizes struct{ least, most int }

// cover returns runs that cover n pixels from first on: tiles of the largest size and at the end
// some smaller ones, so that every pixel is done once. A few pixels that no sizes add up to are
// covered with some to spare.
func (z sizes) cover(first, n int) []run {
	var runs []run
	add := func(pixels, tiles int) {
		if tiles > 0 {
			runs = append(runs, run{first, pixels, tiles})
			first += pixels * tiles
		}
	}
	full, rest := n/z.most, n%z.most
	tiles := 0 // smaller ones, at the end
	if rest > 0 {
		tiles = 1
		for tiles*z.least > rest && full > 0 && tiles < 5 {
			full--
			rest += z.most
			tiles++
		}
		if tiles*z.least > rest {
			full, rest, tiles = n/z.most, z.least, 1
			rest = max(rest, n%z.most)
		}
	}
	add(z.most, full)
	if tiles > 0 {
		small := rest / tiles
		add(small+1, rest%tiles)
		add(small, tiles-rest%tiles)
	}
	return runs
}

// shapes returns the micro-kernels of a level: the sizes of tiles and the widths
// of the panels, widest first.
func shapes(l level, planar bool) (tiles sizes, widths []int) {
	switch {
	case l == levelAVX512 && planar:
		return sizes{8, 8}, []int{32, 16}
	case l == levelAVX512:
		return sizes{5, 8}, []int{48, 32, 16}
	case l != levelRef && planar:
		return sizes{6, 6}, []int{16}
	case l != levelRef:
		return sizes{4, 6}, []int{16}
	}
	return sizes{4, 4}, []int{4}
}

// tapOffsets returns the bytes from a pixel's first tap to each of its taps, in
// the order in which the sum is taken.
func tapOffsets(s *Spec) []int {
	steps, pixel := Blocks(s.In.C), Block
	halves := s.Pairs && !s.Planar // half a channel block at a time, so that 8 or 24 channels waste nothing
	switch {
	case s.Planar:
		steps, pixel = s.In.C, 1
	case halves:
		steps = (s.ins() + PairBlock/2 - 1) / (PairBlock / 2)
	}
	taps := make([]int, 0, steps*s.KH*s.KW)
	for b := range steps {
		base := b * s.In.Plane
		if halves {
			base = b/2*s.In.Plane + b%2*Block/2
		}
		for y := range s.KH {
			for x := range s.KW {
				at := base + y*s.In.Row + x*pixel
				taps = append(taps, 4*at)
				if halves {
					taps = append(taps, 4*(at+pairWords))
				}
			}
		}
	}
	return taps
}

// tables lists where each output pixel reads and writes. The last pixel is
// repeated, for a last tile that is not full, and to keep a pointer past it
// inside the table.
func (d *direct) tables(s *Spec) {
	pixel := Block
	if s.Planar {
		pixel = 1
	}
	d.in = s.In.Off - s.PadTop*s.In.Row - s.PadLeft*pixel
	d.out, d.plane = s.Out.Off, s.Out.Plane
	n := s.Out.H*s.Out.W + d.sizes.most
	d.src, d.dst = make([]int32, 0, n), make([]int32, 0, n)
	for y := range s.Out.H {
		for x := range s.Out.W {
			d.src = append(d.src, int32(4*(y*s.StrideH*s.In.Row+x*s.StrideW*pixel)))
			d.dst = append(d.dst, int32(4*(y*s.Out.Row+x*Block)))
		}
	}
	for len(d.src) < n {
		d.src = append(d.src, d.src[len(d.src)-1])
		d.dst = append(d.dst, d.dst[len(d.dst)-1])
	}
}

// pack lays the weights out in the order in which the micro-kernels read them:
// panel, input channel block, tap, channel in the block, output.
func (d *direct) pack(s *Spec, widths []int) {
	outs := Blocks(s.Out.C) * d.block
	for first := 0; first < outs; {
		p := panel{width: panelWidth(widths, outs-first, len(d.taps)*d.depth), first: first, w: d.size(), plane: s.Out.Plane}
		if p.first+p.width > outs {
			p.plane = 0
		}
		d.panels = append(d.panels, p)
		first += p.width
	}
	d.w = s.alloc(d.size())
	last := d.panels[len(d.panels)-1]
	d.bias = make([]float32, last.first+last.width)
	copy(d.bias, s.Bias)
	for _, p := range d.panels {
		switch {
		case d.matrix:
			d.packRounded(s, p)
		case d.pairs && !s.Planar:
			d.packPairs(s, p)
		default:
			d.packPanel(s, p)
		}
	}
}

// packPanel lays out one panel. Outputs are done eight at a time: that many
// rows of the filter are read side by side.
func (d *direct) packPanel(s *Spec, p panel) {
	area, total := s.KH*s.KW, s.outs()
	k := s.In.C * area
	for first := p.first; first < min(p.first+p.width, total); first += 8 {
		outs := min(8, p.first+p.width-first, total-first)
		rows := s.Filter[first*k:][:outs*k]
		for i := range s.In.C {
			at := p.w + first - p.first + (i/d.depth*area*d.depth+i%d.depth)*p.width
			for t := range area {
				to := d.w[at+t*d.depth*p.width:][:outs]
				from := rows[i*area+t:]
				for o := range to {
					to[o] = from[o*k]
				}
			}
		}
	}
}

// size returns the floats that the panels so far take.
func (d *direct) size() int {
	n := 0
	for _, p := range d.panels {
		n += p.width * len(d.taps) * d.depth
	}
	return n
}

// panelWidth chooses the next panel's width when left outputs remain and each
// is a sum of k products.
func panelWidth(widths []int, left, k int) int {
	for i, w := range widths {
		switch {
		case w > left:
			continue
		case i+1 < len(widths) && left-w == widths[len(widths)-1] && left == 2*widths[i+1]:
			continue // two of the next width rather than a wide and a narrow one
		case w == 48 && k*w*4 > 224<<10:
			continue // too much for the second-level cache
		}
		return w
	}
	return widths[len(widths)-1]
}

const (
	partInput = 320 << 10 // bytes of input that should stay in the second-level cache
	partFlops = 1 << 20   // the least work worth handing out
	partCount = 32        // and the parts to aim for
)

// split divides the work: pixels first, as far as the cache asks for it, then
// groups of panels.
func (d *direct) split(s *Spec) {
	pixels := s.Out.H * s.Out.W
	flops := 2 * len(d.taps) * d.depth * len(d.bias) // of a pixel
	want := max(1, min(partCount, pixels*flops/partFlops))
	input := 4 * s.In.C * s.In.H * s.In.W
	blocks := (input + partInput - 1) / partInput
	if 4*len(d.w) < partInput {
		blocks = max(blocks, want) // all panels fit beside the input
	}
	blocks = max(1, min(blocks, pixels/(2*d.sizes.most)))
	groups := min(len(d.panels), (want+blocks-1)/blocks)
	for b := range blocks {
		// Blocks start at whole tiles, so that only the last has smaller ones.
		first := b * pixels / blocks / d.sizes.most * d.sizes.most
		end := (b + 1) * pixels / blocks / d.sizes.most * d.sizes.most
		if b+1 == blocks {
			end = pixels
		}
		runs := d.sizes.cover(first, end-first)
		for g := range groups {
			p0, p1 := g*len(d.panels)/groups, (g+1)*len(d.panels)/groups
			d.parts = append(d.parts, part{runs, p0, p1 - p0})
		}
	}
}

func (d *direct) Algorithm() string {
	if d.pairs || d.matrix {
		return fmt.Sprintf("bfloat16 direct %dx%d", d.sizes.most, d.panels[0].width)
	}
	return fmt.Sprintf("direct %dx%d", d.sizes.most, d.panels[0].width)
}
func (d *direct) Parts() int   { return len(d.parts) }
func (d *direct) Scratch() int { return 0 }

func (d *direct) Run(i int, out, in, _ []float32) {
	p := d.parts[i]
	for _, q := range d.panels[p.panel : p.panel+p.panels] {
		if d.level == levelRef {
			d.tileGo(p, q, out, in)
		} else {
			d.tileAsm(p, q, out, in)
		}
	}
}
