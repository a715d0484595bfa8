// Package kernels has the kernels of package cuda: CUDA C++ compiled to PTX, and how each is
// launched. The .cu and .h files beside this one need neither NVIDIA's headers nor its compiler;
// go generate compiles them with clang-19, and a test compares what is committed with what that
// writes.
//
// Layout: images are [N,H,W,lanes], lanes a multiple of [Lanes], of the precision's element;
// vectors are [N,lanes] of float32. Addresses are the device's, of a value's first lane. Kernels
// write whole groups of Lanes lanes; lanes without a channel must hold zeros. Every sum has one
// order, which depends on neither the batch nor the tile.
//
// The structs here are laid out as the kernels' own. Everything is read-only and safe for
// concurrent use.
package kernels

//go:generate go test -run ^TestCompiled$ -update .

import (
	"compress/gzip"
	"embed"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn/internal/device"
)

// Lanes is how many channels of a pixel are read and written together.
const Lanes = 8

//go:embed *.ptx.gz
var compiled embed.FS

// Precision is what convolutions multiply; all sums are float32.
type Precision struct {
	Name string
	// Store names the precision whose other kernels go with it, as it stores the same elements.
	Store string
	Size  int // bytes of an element
}

// Precisions lists them, the most exact first.
func Precisions() []Precision {
	return []Precision{
		{device.Float32, device.Float32, 4}, {device.TF32, device.Float32, 4}, {device.Float16, device.Float16, 2},
		{device.BFloat16, device.BFloat16, 2},
	}
}

// PTX returns the kernels of the precision of that name: its convolutions, and where Store is
// itself, all others too.
func PTX(name string) ([]byte, error) {
	f, err := compiled.Open(name + ".ptx.gz")
	if err != nil {
		return nil, fmt.Errorf("kernels: precision %q: %w", name, err)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("kernels: precision %q: %w", name, err)
	}
	return io.ReadAll(z)
}

// Append appends float32 numbers as elements of a precision, each rounded to the nearest, ties to
// even. A number that has none is an error.
func (p Precision) Append(to []byte, numbers ...float32) ([]byte, error) {
	if p.Store == device.Float32 {
		return safetensors.PutFloat32(to, numbers), nil
	}
	for _, v := range numbers {
		h, ok := safetensors.Half(v)
		if p.Store == device.BFloat16 {
			h = uint16((math.Float32bits(v) + 1<<15 - 1 + math.Float32bits(v)>>16&1) >> 16)
			ok = h&0x7f80 != 0x7f80
		}
		if !ok {
			return nil, fmt.Errorf("kernels: %v is no number of %s", v, p.Name)
		}
		to = binary.LittleEndian.AppendUint16(to, h)
	}
	return to, nil
}

// Launch is a kernel made ready: a grid of blocks of one dimension.
type Launch struct {
	Kernel string
	Grid   [2]int
	Block  int
	Params []byte
}

// block is the threads of a block of all kernels but convolutions and softmax.
const block = 128

// each is a launch with a thread for each of n elements.
func each(kernel string, n int, params any) Launch {
	return Launch{kernel, [2]int{(n + block - 1) / block, 1}, block, encode(params)}
}

func encode(params any) []byte {
	b, err := binary.Append(nil, binary.LittleEndian, params)
	if err != nil {
		panic(err) // a struct of something other than numbers
	}
	return b
}

// Conv is a convolution with bias and perhaps ReLU. C and O are multiples of Lanes.
type Conv struct {
	X, W, Bias, Y                        uint64
	N, H, Width, C                       int32
	OH, OW, O, KH, KW, SH, SW, Top, Left int32
	LDX, LDY                             int32 // lanes of a pixel of the buffers
	ReLU                                 int32
}

// Tile is a shape of a convolution's blocks.
type Tile struct {
	Kernel  string
	Side    int // outputs and channels of a block
	Threads int
}

// Tiles lists a precision's tiles.
func (p Precision) Tiles() []Tile {
	large := 128
	if p.Name == device.Float32 {
		large = 256
	}
	return []Tile{{"conv64", 64, 128}, {"conv128", 128, large}}
}

// Choose picks the tile that takes a GPU of so many multiprocessors the fewest turns, by what it
// computes in a turn: a larger one loads less for each product.
func (c Conv) Choose(p Precision, multiprocessors int) Tile {
	cost := func(t Tile, efficiency float64) float64 {
		l := c.Launch(t)
		turns := (l.Grid[0]*l.Grid[1] + multiprocessors - 1) / multiprocessors
		return float64(turns*t.Side*t.Side) / efficiency
	}
	tiles := p.Tiles()
	if cost(tiles[1], 1) < cost(tiles[0], 0.65) {
		return tiles[1]
	}
	return tiles[0]
}

// Launch is the convolution by one of the precision's tiles.
func (c Conv) Launch(t Tile) Launch {
	up := func(n int32) int { return (int(n) + t.Side - 1) / t.Side }
	return Launch{t.Kernel, [2]int{up(c.N * c.OH * c.OW), up(c.O)}, t.Threads, encode(c)}
}

// Pool is a max or an average pool. C is a multiple of Lanes.
type Pool struct {
	X, Y                              uint64
	N, H, Width, C                    int32
	OH, OW, KH, KW, SH, SW, Top, Left int32
	LDX, LDY                          int32
	Border                            int32 // an average's divisor is the whole window
	_                                 int32
}

// Max and Average are the two pools.
func (p Pool) Max() Launch     { return p.launch("maxpool") }
func (p Pool) Average() Launch { return p.launch("avgpool") }

func (p Pool) launch(kernel string) Launch { return each(kernel, int(p.N*p.OH*p.OW*(p.C/Lanes)), p) }

// Affine is x*scale + shift by lane, or a copy where Scale is 0, and then perhaps ReLU.
type Affine struct {
	X, Scale, Shift, Y           uint64
	Pixels, C, LDX, LDY, ReLU, _ int32
}

// Launch is the step.
func (a Affine) Launch() Launch { return each("affine", int(a.Pixels*(a.C/Lanes)), a) }

// Mean is each lane's mean, as float32; Moments makes six runs of C values of it.
type Mean struct {
	X, Y                                 uint64
	N, H, Width, C, LDX, LDY, Moments, _ int32
}

// Launch is the step.
func (m Mean) Launch() Launch { return each("mean", int(m.N*m.C), m) }

// Unpack is [N,C,H,W] of float32 to lanes.
type Unpack struct {
	X, Y            uint64
	N, C, Area, LDY int32
}

// Launch is the step.
func (u Unpack) Launch() Launch { return each("unpack", int(u.N*u.Area*((u.C+Lanes-1)/Lanes)), u) }

// Levels is Unpack of bytes [N,C,H,W]: byte b of channel c stands for Of[c][b], of [C,256] float32.
type Levels struct {
	X, Of, Y        uint64
	N, C, Area, LDY int32
}

// Launch is the step.
func (l Levels) Launch() Launch { return each("levels", int(l.N*l.Area*((l.C+Lanes-1)/Lanes)), l) }

// Pack is lanes to [N,C,H,W] of float32. Lanes [C] of int32 is where the channels are.
type Pack struct {
	X, Lanes, Y     uint64
	N, C, Area, LDX int32
}

// Launch is the step.
func (p Pack) Launch() Launch { return each("pack", int(p.N*p.C*p.Area), p) }

// Softmax is that of the lanes of which Used [C] of int32 is not 0; the others become 0.
type Softmax struct {
	X, Used, Y     uint64
	N, C, LDX, LDY int32
}

// Launch is the step. It is a kernel of float32.
func (s Softmax) Launch() Launch {
	return Launch{"softmax", [2]int{int(s.N), 1}, 32, encode(s)}
}
