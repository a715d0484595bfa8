package inception

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/c236555e/rehead/nn"
)

// Trunk is the network up to what a head reads of it, compiled; safe for concurrent use. Without
// Features that is the bottleneck, which then is what "features" means everywhere below.
type Trunk struct {
	weights  *Weights  // without its tensors: the program has packed them
	features *Features // nil: the bottleneck
	// its outputs: the bottleneck; the moments of the blocks that it was compiled for, of none where that
	// was the bottleneck; those blocks themselves, the last one there
	program *nn.Program
	places  int       // of its outputs
	blocks  []tap     // of features, in that order
	reads   []stretch // where the features are among the outputs, in order; none where features is nil
	length  int       // of a picture's features: telling it from the network's table takes a millisecond
	buffers sync.Pool
	lent    bool // the program is another trunk's
}

// tap is a block of the compiled network.
type tap struct {
	name           string
	channels, side int // of [channels,side,side]
	moments, plane int // the outputs that have its moments, 0 for none, and the block itself
}

// stretch is neighbouring values of an output of the program, and what to multiply them with.
type stretch struct {
	output, from, to int32
	scale            float32
}

// NewTrunk compiles the network up to the bottleneck for pictures of w.Recipe.Size, with the
// precision of w, not of cfg. It keeps nothing of w's tensors, so a caller that drops w frees
// them. Errors name the recipe's field, the input's size or the device that will not do.
func NewTrunk(w *Weights, cfg nn.Config) (*Trunk, error) { return NewTrunkOf(w, nil, cfg) }

// NewTrunkOf is NewTrunk for a head that reads f, of which nil is the bottleneck.
func NewTrunkOf(w *Weights, f *Features, cfg nn.Config) (*Trunk, error) {
	if w == nil {
		return nil, errors.New("inception: trunk: got no weights")
	}
	if err := f.Validate(w.Width); err != nil {
		return nil, err
	}
	if err := checkRecipe(w.Recipe); err != nil {
		return nil, fmt.Errorf("inception: trunk: %w", err)
	}
	net, err := Build(nn.NewGraph(), w.TrunkOnly(), w.Recipe.Size, 1)
	if err != nil {
		return nil, err
	}
	described := *w
	described.Tensors = nil
	t := newTrunk(&described, f)
	outputs := []*nn.Node{net.Bottleneck}
	tapped := []string{lastBlock()}
	if f != nil && !f.Foreign() {
		tapped = f.Blocks
		moments, err := f.moments(net)
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, moments...)
	}
	withMoments := len(outputs) > 1
	for i, name := range tapped {
		s := net.taps[name].Shape()
		b := tap{name: name, channels: s[1], side: s[2], plane: len(outputs)}
		if withMoments {
			b.moments = 1 + i
		}
		t.blocks, outputs = append(t.blocks, b), append(outputs, net.taps[name])
	}
	t.places = len(outputs)
	if side := t.blocks[0].side; f.Foreign() && f.Statistics[0] == Cells && f.Side != side {
		return nil, fmt.Errorf("inception: trunk: the head reads %d pixels a side of the last block, which has %d for "+
			"pictures of %d: keep the recipe's size as it was", f.Side, side, w.Recipe.Size)
	}
	t.place()
	cfg.Precision, cfg.Ranges = w.Precision(), w.Ranges
	levels := w.Recipe.Levels()
	cfg.Levels = levels[:]
	if t.program, err = nn.Compile(cfg, net.Input, outputs...); err != nil {
		return nil, err
	}
	return t, nil
}

// newTrunk is one without its program.
func newTrunk(w *Weights, f *Features) *Trunk {
	t := &Trunk{weights: w, features: f}
	t.buffers.New = func() any { return new([]float32) }
	return t
}

// reading is a trunk that reads f on the program of t, which t closes; nil where t's program does not
// give that.
func (t *Trunk) reading(f *Features) *Trunk {
	out := newTrunk(t.weights, f)
	out.program, out.places, out.lent = t.program, t.places, true
	wanted := []string{lastBlock()}
	switch {
	case f.Equal(t.features):
		out.blocks, out.reads, out.length = t.blocks, t.reads, t.length
		return out
	case f.Foreign() || f.Validate(t.weights.Width) != nil:
		return nil
	case f != nil:
		wanted = f.Blocks
	}
	for _, name := range wanted {
		i := slices.IndexFunc(t.blocks, func(b tap) bool { return b.name == name })
		if i < 0 || f != nil && t.blocks[i].moments == 0 {
			return nil
		}
		out.blocks = append(out.blocks, t.blocks[i])
	}
	out.place()
	return out
}

// lastBlock is the block whose mean the bottleneck is.
func lastBlock() string {
	names := blocks()
	return names[len(names)-1]
}

// place finds where the features are, and how many.
func (t *Trunk) place() {
	t.length = t.features.Length(t.weights.Width)
	at := map[string]int{}
	for i, b := range t.blocks {
		at[b.name] = i
	}
	if t.features.Foreign() {
		return // they are read from the block itself
	}
	for _, v := range t.features.Values(t.weights.Width) {
		block := t.blocks[at[v.Block]]
		output := block.moments
		first, _ := v.Statistic.runs()
		index := (first+v.Run)*block.channels + v.Channel
		if v.Block == lastBlock() && v.Statistic == Mean { // to the bit what the bottleneck is
			output, index = 0, v.Channel
		}
		s := stretch{int32(output), int32(index), int32(index + 1), v.Scale}
		if n := len(t.reads); n > 0 {
			if l := &t.reads[n-1]; l.output == s.output && l.to == s.from && l.scale == s.scale {
				l.to = s.to
				continue
			}
		}
		t.reads = append(t.reads, s)
	}
}

// Features returns F, the number of values of a picture: the length of a bottleneck, or what the
// trunk's Features are.
func (t *Trunk) Features() int { return t.length }

// Reads returns what the trunk gives of a picture; nil for the bottleneck.
func (t *Trunk) Reads() *Features { return t.features }

// Size returns the side of the input in pixels.
func (t *Trunk) Size() int { return t.weights.Recipe.Size }

// Weights describes the weights that the trunk was made from: all but their tensors.
func (t *Trunk) Weights() *Weights { return t.weights }

// Program returns the compiled network, for its description (device, kernel, threads).
func (t *Trunk) Program() *nn.Program { return t.program }

// DecodersBeside is how many of so many decoders find a processor while forward passes run, so many
// at once: those that the network leaves idle, which are all but one where a GPU computes.
func (t *Trunk) DecodersBeside(decoders, passes int) int {
	return min(decoders, max(runtime.GOMAXPROCS(0)-t.program.Threads()*passes, 0))
}

// pixels is the number of values of one input.
func (t *Trunk) pixels() int { return 3 * t.Size() * t.Size() }

// Embed turns n pictures, pixels [n,3,Size,Size] as the recipe makes them, into features
// [n,Features]. Both slices stay the caller's. A picture's result depends on nothing but the
// picture: not on n, its neighbours or the threads.
func (t *Trunk) Embed(ctx context.Context, n int, pixels, features []float32) error {
	if n < 1 || len(pixels) != n*t.pixels() || len(features) != n*t.Features() {
		return fmt.Errorf("inception: embed: got %d pictures, %d input and %d output values, want at least 1 picture "+
			"with %d and %d values each",
			n, len(pixels), len(features), t.pixels(), t.Features())
	}
	if t.features == nil && t.places == 2 {
		return t.program.Run(ctx, n, pixels, features, nil)
	}
	if t.features == nil {
		out := make([][]float32, t.places)
		out[0] = features
		return t.program.Run(ctx, n, pixels, out...)
	}
	buffer := t.buffers.Get().(*[]float32)
	defer t.buffers.Put(buffer)
	if t.features.Foreign() { // which no program but its own gives
		block := room(buffer, n*t.blocks[0].size())
		if err := t.program.Run(ctx, n, pixels, nil, block); err != nil {
			return err
		}
		t.readBlock(n, block, features)
		return nil
	}
	out := t.outputs(n, buffer)
	if err := t.program.Run(ctx, n, pixels, out...); err != nil {
		return err
	}
	t.gather(n, out, features)
	return nil
}

// outputs returns room for what the features are made from, for n pictures; blocks are not wanted.
func (t *Trunk) outputs(n int, buffer *[]float32) [][]float32 {
	sizes := make([]int, t.places)
	sizes[0] = t.weights.Features()
	total := n * sizes[0]
	for _, b := range t.blocks {
		sizes[b.moments] = nn.MomentRuns * b.channels
		total += n * sizes[b.moments]
	}
	rest := room(buffer, total)
	out := make([][]float32, t.places)
	for i, s := range sizes {
		if s > 0 {
			out[i], rest = rest[:n*s], rest[n*s:]
		}
	}
	return out
}

// room is n values of a buffer, which grows if it has to.
func room(buffer *[]float32, n int) []float32 {
	if cap(*buffer) < n {
		*buffer = make([]float32, n)
	}
	return (*buffer)[:n]
}

// size is the number of a block's values.
func (b tap) size() int { return b.channels * b.side * b.side }

// readBlock writes the features [n,Features] of n pictures that are those of the block [n,channels,
// side,side] itself.
func (t *Trunk) readBlock(n int, block, features []float32) {
	b := t.blocks[0]
	cells := b.side * b.side
	for i := range n {
		row := features[i*t.Features() : (i+1)*t.Features()]
		for c := range b.channels {
			plane := block[(i*b.channels+c)*cells:][:cells]
			for k, s := range t.features.Statistics {
				switch s {
				case Maximum:
					row[k*b.channels+c] = slices.Max(plane)
				case Mean:
					row[k*b.channels+c] = meanOf(plane)
				default:
					for p, v := range plane {
						row[p*b.channels+c] = v
					}
				}
			}
		}
	}
}

func meanOf(plane []float32) float32 {
	sum := 0.0
	for _, v := range plane {
		sum += float64(v)
	}
	return float32(sum / float64(len(plane)))
}

// gather writes the features [n,Features] of n pictures.
func (t *Trunk) gather(n int, out [][]float32, features []float32) {
	of := make([][]float32, len(out)) // the picture's part of each output
	for i := range n {
		for o, v := range out {
			of[o] = v[i*(len(v)/n) : (i+1)*(len(v)/n)]
		}
		for _, s := range t.reads {
			from := of[s.output][s.from:s.to]
			to := features[:len(from)]
			features = features[len(from):]
			for j, v := range from {
				to[j] = v * s.scale
			}
		}
	}
}

// embedBlocks is Embed for one picture, with the blocks that the features are made from, each
// [channels,side,side].
func (t *Trunk) embedBlocks(ctx context.Context, pixels []float32) (features []float32, blocks [][]float32, err error) {
	for _, b := range t.blocks {
		blocks = append(blocks, make([]float32, b.channels*b.side*b.side))
	}
	features = make([]float32, t.Features())
	if t.features == nil {
		out := make([][]float32, t.places)
		out[0], out[t.blocks[0].plane] = features, blocks[0]
		return features, blocks, t.program.Run(ctx, 1, pixels, out...)
	}
	if t.features.Foreign() {
		if err := t.program.Run(ctx, 1, pixels, nil, blocks[0]); err != nil {
			return nil, nil, err
		}
		t.readBlock(1, blocks[0], features)
		return features, blocks, nil
	}
	var buffer []float32
	out := t.outputs(1, &buffer)
	for i, b := range t.blocks {
		out[b.plane] = blocks[i]
	}
	if err := t.program.Run(ctx, 1, pixels, out...); err != nil {
		return nil, nil, err
	}
	t.gather(1, out, features)
	return features, blocks, nil
}

// Close waits for the calls under way and releases the compiled program. Later calls fail with
// [nn.ErrClosed].
func (t *Trunk) Close() error {
	if t.lent {
		return nil
	}
	return t.program.Close()
}
