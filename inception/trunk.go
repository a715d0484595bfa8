package inception

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/c236555e/rehead/nn"
)

// Trunk is the network up to the bottleneck, compiled; safe for concurrent use.
type Trunk struct {
	weights *Weights    // without its tensors: the program has packed them
	program *nn.Program // its outputs: the bottleneck, and the block before the pooling
	cells   int         // of that block, along each side
}

// NewTrunk compiles the network up to the bottleneck for pictures of w.Recipe.Size, with the
// precision of w, not of cfg. It keeps nothing of w's tensors, so a caller that drops w frees
// them. Errors name the recipe's field, the input's size or the device that will not do.
func NewTrunk(w *Weights, cfg nn.Config) (*Trunk, error) {
	if w == nil {
		return nil, errors.New("inception: trunk: got no weights")
	}
	if err := checkRecipe(w.Recipe); err != nil {
		return nil, fmt.Errorf("inception: trunk: %w", err)
	}
	net, err := Build(nn.NewGraph(), w.TrunkOnly(), w.Recipe.Size, 1)
	if err != nil {
		return nil, err
	}
	blocks := blocks()
	last := net.taps[blocks[len(blocks)-1]]
	cfg.Precision, cfg.Ranges = w.Precision(), w.Ranges
	program, err := nn.Compile(cfg, net.Input, net.Bottleneck, last)
	if err != nil {
		return nil, err
	}
	described := *w
	described.Tensors = nil
	return &Trunk{weights: &described, program: program, cells: last.Shape()[2]}, nil
}

// Features returns F, the length of a bottleneck.
func (t *Trunk) Features() int { return t.weights.Features() }

// Size returns the side of the input in pixels.
func (t *Trunk) Size() int { return t.weights.Recipe.Size }

// Weights describes the weights that the trunk was made from: all but their tensors.
func (t *Trunk) Weights() *Weights { return t.weights }

// Program returns the compiled network, for its description (device, kernel, threads).
func (t *Trunk) Program() *nn.Program { return t.program }

// DecodersBeside is how many of so many decoders find a processor while forward passes run, so many
// at once: those that the network leaves idle, or all where it runs on a device of its own.
func (t *Trunk) DecodersBeside(decoders, passes int) int {
	if t.program.Device() != "cpu" {
		return decoders
	}
	return min(decoders, max(runtime.GOMAXPROCS(0)-t.program.Threads()*passes, 0))
}

// pixels is the number of values of one input.
func (t *Trunk) pixels() int { return 3 * t.Size() * t.Size() }

// Embed turns n pictures, pixels [n,3,Size,Size] as the recipe makes them, into bottlenecks
// [n,Features]. Both slices stay the caller's. A picture's result depends on nothing but the
// picture: not on n, its neighbours or the threads.
func (t *Trunk) Embed(ctx context.Context, n int, pixels, bottlenecks []float32) error {
	if n < 1 || len(pixels) != n*t.pixels() || len(bottlenecks) != n*t.Features() {
		return fmt.Errorf("inception: embed: got %d pictures, %d input and %d output values, want at least 1 picture "+
			"with %d and %d values each",
			n, len(pixels), len(bottlenecks), t.pixels(), t.Features())
	}
	return t.program.Run(ctx, n, pixels, bottlenecks, nil)
}

// embedBlock is Embed for one picture, with the block before the pooling, [F,cells,cells], whose
// cells' means are the bottleneck.
func (t *Trunk) embedBlock(ctx context.Context, pixels []float32) (bottleneck, block []float32, err error) {
	bottleneck, block = make([]float32, t.Features()), make([]float32, t.Features()*t.cells*t.cells)
	return bottleneck, block, t.program.Run(ctx, 1, pixels, bottleneck, block)
}

// Close releases the compiled program.
func (t *Trunk) Close() error { return t.program.Close() }
