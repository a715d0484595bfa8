package inception

import "fmt"

// The network, one row a branch. Branches of one block read the same input and are concatenated
// along the channels in the order of their rows. Paths are torchvision's (models/inception.py); out
// is the shape [C,H,W] that the branch has at width 1 and 299x299, which TestTable holds it to.

// step is one thing that happens to a feature map: a convolution (with bias and ReLU), a pool, or a
// fork whose convolutions all read the same map and are concatenated.
type step struct {
	kind   kind
	path   string // of a convolution, below the block; empty in the stem, where the block is the convolution
	out    int    // a convolution's channels at width 1
	kernel [2]int // height, width
	stride int
	pad    [2]int // above and below, left and right
	fork   []step
}

type kind uint8

const (
	convolution kind = iota
	maxPool
	avgPool
	endPool // the pool of Mixed_7c: maximum in the flavours of 2015, average in all others
	forked
)

// row is one branch of a block.
type row struct {
	block string
	out   [3]int
	steps []step
}

// conv is an unpadded h x w convolution of stride s.
func conv(path string, out, h, w, s int) step {
	return step{kind: convolution, path: path, out: out, kernel: [2]int{h, w}, stride: s}
}

// same is an h x w convolution of stride 1, padded so that the map keeps its size.
func same(path string, out, h, w int) step {
	return step{kind: convolution, path: path, out: out, kernel: [2]int{h, w}, stride: 1, pad: [2]int{h / 2, w / 2}}
}

// fork feeds one map to several convolutions and concatenates their outputs.
func fork(steps ...step) step { return step{kind: forked, fork: steps} }

var (
	max2 = step{kind: maxPool, kernel: [2]int{3, 3}, stride: 2}                    // halves the map
	avg1 = step{kind: avgPool, kernel: [2]int{3, 3}, stride: 1, pad: [2]int{1, 1}} // keeps it
	end1 = step{kind: endPool, kernel: [2]int{3, 3}, stride: 1, pad: [2]int{1, 1}} // keeps it
)

// table returns the rows. It is a function so that nobody can change it.
func table() []row { //nolint:funlen // a table
	rows := []row{
		{"Conv2d_1a_3x3", [3]int{32, 149, 149}, []step{conv("", 32, 3, 3, 2)}},
		{"Conv2d_2a_3x3", [3]int{32, 147, 147}, []step{conv("", 32, 3, 3, 1)}},
		{"Conv2d_2b_3x3", [3]int{64, 147, 147}, []step{same("", 64, 3, 3)}},
		{"maxpool1", [3]int{64, 73, 73}, []step{max2}},
		{"Conv2d_3b_1x1", [3]int{80, 73, 73}, []step{conv("", 80, 1, 1, 1)}},
		{"Conv2d_4a_3x3", [3]int{192, 71, 71}, []step{conv("", 192, 3, 3, 1)}},
		{"maxpool2", [3]int{192, 35, 35}, []step{max2}},
	}
	for _, b := range []struct {
		name string
		pool int // channels behind the pool
	}{{"Mixed_5b", 32}, {"Mixed_5c", 64}, {"Mixed_5d", 64}} {
		rows = append(rows,
			row{b.name, [3]int{64, 35, 35}, []step{same("branch1x1", 64, 1, 1)}},
			row{b.name, [3]int{64, 35, 35}, []step{same("branch5x5_1", 48, 1, 1), same("branch5x5_2", 64, 5, 5)}},
			row{b.name, [3]int{96, 35, 35},
				[]step{same("branch3x3dbl_1", 64, 1, 1), same("branch3x3dbl_2", 96, 3, 3), same("branch3x3dbl_3", 96, 3, 3)}},
			row{b.name, [3]int{b.pool, 35, 35}, []step{avg1, same("branch_pool", b.pool, 1, 1)}},
		)
	}
	rows = append(rows,
		row{"Mixed_6a", [3]int{384, 17, 17}, []step{conv("branch3x3", 384, 3, 3, 2)}},
		row{"Mixed_6a", [3]int{96, 17, 17},
			[]step{same("branch3x3dbl_1", 64, 1, 1), same("branch3x3dbl_2", 96, 3, 3), conv("branch3x3dbl_3", 96, 3, 3, 2)}},
		row{"Mixed_6a", [3]int{288, 17, 17}, []step{max2}},
	)
	for _, b := range []struct {
		name string
		mid  int // channels inside the 7x7 branches
	}{{"Mixed_6b", 128}, {"Mixed_6c", 160}, {"Mixed_6d", 160}, {"Mixed_6e", 192}} {
		c := b.mid
		rows = append(rows,
			row{b.name, [3]int{192, 17, 17}, []step{same("branch1x1", 192, 1, 1)}},
			row{b.name, [3]int{192, 17, 17},
				[]step{same("branch7x7_1", c, 1, 1), same("branch7x7_2", c, 1, 7), same("branch7x7_3", 192, 7, 1)}},
			row{b.name, [3]int{192, 17, 17},
				[]step{same("branch7x7dbl_1", c, 1, 1), same("branch7x7dbl_2", c, 7, 1), same("branch7x7dbl_3", c, 1, 7),
					same("branch7x7dbl_4", c, 7, 1), same("branch7x7dbl_5", 192, 1, 7)}},
			row{b.name, [3]int{192, 17, 17}, []step{avg1, same("branch_pool", 192, 1, 1)}},
		)
	}
	rows = append(rows,
		row{"Mixed_7a", [3]int{320, 8, 8}, []step{same("branch3x3_1", 192, 1, 1), conv("branch3x3_2", 320, 3, 3, 2)}},
		row{"Mixed_7a", [3]int{192, 8, 8},
			[]step{same("branch7x7x3_1", 192, 1, 1), same("branch7x7x3_2", 192, 1, 7), same("branch7x7x3_3", 192, 7, 1),
				conv("branch7x7x3_4", 192, 3, 3, 2)}},
		row{"Mixed_7a", [3]int{768, 8, 8}, []step{max2}},
	)
	for _, b := range []struct {
		name string
		pool step
	}{{"Mixed_7b", avg1}, {"Mixed_7c", end1}} {
		rows = append(rows,
			row{b.name, [3]int{320, 8, 8}, []step{same("branch1x1", 320, 1, 1)}},
			row{b.name, [3]int{768, 8, 8},
				[]step{same("branch3x3_1", 384, 1, 1), fork(same("branch3x3_2a", 384, 1, 3), same("branch3x3_2b", 384, 3, 1))}},
			row{b.name, [3]int{768, 8, 8},
				[]step{same("branch3x3dbl_1", 448, 1, 1), same("branch3x3dbl_2", 384, 3, 3),
					fork(same("branch3x3dbl_3a", 384, 1, 3), same("branch3x3dbl_3b", 384, 3, 1))}},
			row{b.name, [3]int{192, 8, 8}, []step{b.pool, same("branch_pool", 192, 1, 1)}},
		)
	}
	return rows
}

// MinSize is the smallest side in pixels of an input that leaves one pixel for Mixed_7a.
const MinSize = 75

// maxSize bounds the input, and with it the memory that a file can ask for.
const maxSize = 4096

// Layer is one convolution of the network, as a loader of weights needs to know it.
type Layer struct {
	Path   string // torchvision's, "Mixed_5b.branch1x1"
	Shape  [4]int // of the weight: [O,I,KH,KW]
	Stride int    // both ways
	Pad    [2]int // above and below, left and right
	out    [2]int // height and width of the output for the size that was asked for
}

// Layers lists the 94 convolutions at the given width multiplier for a size x size input, in the
// order of the table, which is also the order in which Keras creates and numbers them.
func Layers(width float64, size int) ([]Layer, error) {
	var layers []Layer
	_, err := traceTable(width, size, func(l Layer) { layers = append(layers, l) }, nil)
	return layers, err
}

// features is the bottleneck's length: the channels of Mixed_7c.
func features(width float64) int {
	n := 0
	for _, c := range [...]int{320, 384, 384, 384, 384, 192} {
		n += scale(width, c)
	}
	return n
}

// scale is TF-slim's depth multiplier, max(int(m*d), 16).
func scale(width float64, channels int) int {
	if width == 1 {
		return channels
	}
	return max(int(width*float64(channels)), 16)
}

func checkWidth(width float64) error {
	if !(width > 0 && width <= maxWidth) {
		return fmt.Errorf("inception: width %g is out of range: want more than 0 and at most %d, 1 "+
			"being the published network", width, maxWidth)
	}
	return nil
}

// maxWidth bounds the width multiplier, and with it the memory that a file can ask for.
const maxWidth = 2

// traceTable goes through the table as the network would run: each is called for every convolution,
// done (which may be nil) for every row with its output shape [C,H,W]. It returns the shape of the
// last block.
func traceTable(width float64, size int, each func(Layer), done func(row, [3]int)) ([3]int, error) {
	if err := checkWidth(width); err != nil {
		return [3]int{}, err
	}
	if size < MinSize || size > maxSize {
		return [3]int{}, fmt.Errorf("inception: input size %d is out of range: want %d to %d pixels", size, MinSize, maxSize)
	}
	rows := table()
	in, out := [3]int{3, size, size}, [3]int{}
	for i, r := range rows {
		if i > 0 && rows[i-1].block != r.block {
			in, out = out, [3]int{}
		}
		shape := follow(r.block, r.steps, in, width, each)
		out = [3]int{out[0] + shape[0], shape[1], shape[2]}
		if done != nil {
			done(r, shape)
		}
	}
	return out, nil
}

// follow takes the shape in through the steps.
func follow(block string, steps []step, in [3]int, width float64, each func(Layer)) [3]int {
	for _, s := range steps {
		switch s.kind {
		case forked:
			channels := 0
			var shape [3]int
			for _, arm := range s.fork {
				shape = follow(block, []step{arm}, in, width, each)
				channels += shape[0]
			}
			in = [3]int{channels, shape[1], shape[2]}
		default:
			out := [3]int{in[0], s.reach(0, in[1]), s.reach(1, in[2])}
			if s.kind == convolution {
				out[0] = scale(width, s.out)
				each(Layer{
					Path: s.name(block), Shape: [4]int{out[0], in[0], s.kernel[0], s.kernel[1]},
					Stride: s.stride, Pad: s.pad, out: [2]int{out[1], out[2]},
				})
			}
			in = out
		}
	}
	return in
}

// reach is the length of the output along an axis of length n.
func (s step) reach(axis, n int) int { return (n+2*s.pad[axis]-s.kernel[axis])/s.stride + 1 }

// name is the step's path in the network.
func (s step) name(block string) string {
	if s.path == "" {
		return block
	}
	return block + "." + s.path
}

// TrunkFLOPs returns how many multiplications and additions the trunk at the given width multiplier
// takes for a size x size picture: 11.42e9 at width 1 and 299.
func TrunkFLOPs(width float64, size int) (int64, error) {
	c, err := trunkCost(width, size)
	return 2 * c.macs, err
}

// cost is what one picture takes.
type cost struct {
	macs       int64 // multiply-adds of the convolutions
	parameters int64 // weights and biases of the convolutions
	layers     int   // convolutions
}

func trunkCost(width float64, size int) (c cost, err error) {
	_, err = traceTable(width, size, func(l Layer) {
		weights := int64(l.Shape[0]) * int64(l.Shape[1]) * int64(l.Shape[2]) * int64(l.Shape[3])
		c.macs += weights * int64(l.out[0]) * int64(l.out[1])
		c.parameters += weights + int64(l.Shape[0])
		c.layers++
	}, nil)
	return c, err
}
