package kernel

import (
	"fmt"
	"math"
)

// Moments summarises a tensor for nn.Moments, in one pass over its pixels. It is immutable.
//
// The plane is cut into up to three bands each way: what belongs to the first half only, the middle
// row or column of an odd length, what belongs to the second half only. Of each cell of that grid
// the sums of x-k and of (x-k)^2 are taken, k being the channel's first pixel, so that a channel
// that hardly varies loses no digits; sums of several cells then give the quarters and the whole.
type Moments struct {
	in       Tensor
	level    level
	channels int
	at       []int   // where each lane's channel is in a run of the result, -1 for none
	cells    [9]cell // of the grid, row by row; some may be empty
	blocks   int     // of channels, of the tensor
	split    int     // blocks a part
	step     float32 // of bytes
	pairs    bool    // of bfloat16
}

// cell is a part of a plane.
type cell struct{ top, left, rows, columns int }

func (c *cell) empty() bool { return c.rows == 0 || c.columns == 0 }

// NewMoments prepares the moments of a tensor of float32 whose channels lie in those lanes.
func NewMoments(set Set, in Tensor, lanes []int) *Moments {
	return newMoments(set, in, lanes, Block, 0)
}

// NewPairMoments prepares those of a tensor of bfloat16.
func NewPairMoments(set Set, in Tensor, lanes []int) *Moments {
	m := newMoments(set, in, lanes, PairBlock, 0)
	m.pairs = true
	return m
}

// NewByteMoments prepares those of a tensor of bytes; one of them is worth step. Its sums are
// integers, and the same on every set. A plane whose sums 32 bits have no room for is an error.
func NewByteMoments(set Set, in Tensor, lanes []int, step float32) (*Moments, error) {
	m := newMoments(set, in, lanes, ByteBlock, step)
	for _, c := range m.cells {
		if c.rows*c.columns > mostBytes {
			return nil, fmt.Errorf("kernel: moments: got planes of %d x %d bytes, whose quarters have more than %d", in.H, in.W,
				mostBytes)
		}
	}
	return m, nil
}

func newMoments(set Set, in Tensor, lanes []int, block int, step float32) *Moments {
	m := &Moments{in: in, level: set.level, channels: len(lanes), blocks: Blocks(in.C), step: step}
	m.at = make([]int, m.blocks*block)
	for i := range m.at {
		m.at[i] = -1
	}
	for c, lane := range lanes {
		m.at[lane] = c
	}
	rows, columns := bands(in.H), bands(in.W)
	for i, r := range rows {
		for j, c := range columns {
			m.cells[3*i+j] = cell{top: r[0], left: c[0], rows: r[1] - r[0], columns: c[1] - c[0]}
		}
	}
	m.split = max(1, 2048/(in.H*in.W)) // fine enough for a block to be shared by a few threads
	return m
}

// bands cuts n rows or columns into those of the first half only, of both and of the second only.
func bands(n int) [3][2]int { return [3][2]int{{0, n / 2}, {n / 2, (n + 1) / 2}, {(n + 1) / 2, n}} }

// Algorithm names the variant.
func (m *Moments) Algorithm() string {
	switch {
	case m.step != 0:
		return "int8 moments"
	case m.pairs:
		return "bfloat16 moments"
	}
	return "moments"
}

// Parts returns the number of independent parts of one image's work.
func (m *Moments) Parts() int { return (m.blocks + m.split - 1) / m.split }

// Scratch returns the floats of private scratch that Run needs.
func (m *Moments) Scratch() int {
	if m.pairs {
		return PairBlock * m.in.H * m.in.W
	}
	return 0
}

// Run computes one part of one image. out has ir.MomentRuns runs of as many values as there are
// channels.
func (m *Moments) Run(part int, out, in, scratch []float32) {
	for b := part * m.split; b < min((part+1)*m.split, m.blocks); b++ {
		switch {
		case m.step != 0 && m.level == levelRef:
			m.bytesGo(b, out, in)
		case m.step != 0:
			m.bytesAsm(b, out, in)
		case m.pairs && m.level != levelRef && m.pairsAsm(b, out, in):
		case m.pairs:
			widenBlock(scratch, in, m.in, b)
			t := Dense(PairBlock, m.in.H, m.in.W)
			m.floats(t, 0, m.at[b*PairBlock:][:Block], out, scratch)
			m.floats(t, 1, m.at[b*PairBlock+Block:][:Block], out, scratch)
		default:
			m.floats(m.in, b, m.at[b*Block:][:Block], out, in)
		}
	}
}

// floats computes channel block b of a tensor of float32, whose lanes belong at those places.
func (m *Moments) floats(t Tensor, b int, places []int, out, in []float32) {
	if m.level == levelRef {
		m.floatsGo(t, b, places, out, in)
	} else {
		m.floatsAsm(t, b, places, out, in)
	}
}

// floatsGo is floats in plain Go.
func (m *Moments) floatsGo(t Tensor, b int, places []int, out, in []float32) {
	base := t.Off + b*t.Plane
	first := [Block]float32(in[base:])
	var s [9][2 * Block]float32
	for i := range m.cells {
		if c := &m.cells[i]; !c.empty() {
			sumsGo(&s[i], in[base+c.top*t.Row+c.left*Block:], &first, c, t.Row)
		}
	}
	m.finish(&s, &first, places, out)
}

// shares are what sums over all pixels and over a quarter's are multiplied by to be means.
func (m *Moments) shares() (n, fourth float64) {
	return 1 / float64(m.in.H*m.in.W), 1 / float64((m.in.H+1)/2*((m.in.W+1)/2))
}

// finish makes moments of the sums of x-k of each cell, and of their squares.
func (m *Moments) finish(s *[9][2 * Block]float32, first *[Block]float32, places []int, out []float32) {
	n, fourth := m.shares()
	for l, at := range places {
		if at < 0 {
			continue
		}
		var v [9]float64
		square := 0.0
		for i := range v {
			v[i] = float64(s[i][l])
			square += float64(s[i][Block+l])
		}
		k := float64(first[l])
		mean := (v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7] + v[8]) * n
		to := out[at:]
		to[0] = float32(k + mean)
		to[m.channels] = float32(k + (v[0]+v[1]+v[3]+v[4])*fourth)
		to[2*m.channels] = float32(k + (v[1]+v[2]+v[4]+v[5])*fourth)
		to[3*m.channels] = float32(k + (v[3]+v[4]+v[6]+v[7])*fourth)
		to[4*m.channels] = float32(k + (v[4]+v[5]+v[7]+v[8])*fourth)
		to[5*m.channels] = float32(math.Sqrt(max(square*n-mean*mean, 0)))
	}
}

// sumsGo writes to sums, lane by lane, the sum of x-k over the rows and columns of a cell, which x
// starts at, and behind them those of (x-k)^2. A row is row floats long.
func sumsGo(sums *[2 * Block]float32, x []float32, k *[Block]float32, c *cell, row int) {
	*sums = [2 * Block]float32{}
	for y := range c.rows {
		for pixels := x[y*row:][:c.columns*Block]; len(pixels) >= Block; pixels = pixels[Block:] {
			for l, v := range pixels[:Block] {
				d := v - k[l]
				sums[l] += d
				sums[Block+l] += d * d
			}
		}
	}
}

// bytesGo computes channel block b of bytes, in plain Go. Its sums are exact, and what follows rounds as
// assembly does.
func (m *Moments) bytesGo(b int, out, in []float32) {
	base := m.in.Off + b*m.in.Plane
	var s [9][2 * ByteBlock]uint32
	for i := range m.cells {
		if c := &m.cells[i]; !c.empty() {
			byteSumsGo(&s[i], in[base+c.top*m.in.Row+c.left*Block:], c, m.in.Row)
		}
	}
	m.finishBytes(&s, m.at[b*ByteBlock:][:ByteBlock], out)
}

// finishBytes makes moments of the sums of the bytes of each cell, and of their squares.
func (m *Moments) finishBytes(s *[9][2 * ByteBlock]uint32, places []int, out []float32) {
	step := float64(m.step)
	n, fourth := m.shares()
	fourth *= step
	for l, at := range places {
		if at < 0 {
			continue
		}
		var v [9]uint64
		square := uint64(0)
		for i := range v {
			v[i] = uint64(s[i][l])
			square += uint64(s[i][ByteBlock+l])
		}
		mean := float64(v[0]+v[1]+v[2]+v[3]+v[4]+v[5]+v[6]+v[7]+v[8]) * n
		to := out[at:]
		to[0] = float32(mean * step)
		to[m.channels] = float32(float64(v[0]+v[1]+v[3]+v[4]) * fourth)
		to[2*m.channels] = float32(float64(v[1]+v[2]+v[4]+v[5]) * fourth)
		to[3*m.channels] = float32(float64(v[3]+v[4]+v[6]+v[7]) * fourth)
		to[4*m.channels] = float32(float64(v[4]+v[5]+v[7]+v[8]) * fourth)
		to[5*m.channels] = float32(math.Sqrt(max(float64(float64(square)*n)-float64(mean*mean), 0)) * step)
	}
}

// mostBytes is how many squares of bytes a sum of 32 bits has room for.
const mostBytes = (1<<32 - 1) / (255 * 255)

// byteSumsGo is sumsGo for the bytes themselves, 32 lanes.
func byteSumsGo(sums *[2 * ByteBlock]uint32, x []float32, c *cell, row int) {
	*sums = [2 * ByteBlock]uint32{}
	for y := range c.rows {
		for pixels := octets(x[y*row:][:c.columns*Block]); len(pixels) >= ByteBlock; pixels = pixels[ByteBlock:] {
			for l, v := range pixels[:ByteBlock] {
				sums[l] += uint32(v)
				sums[ByteBlock+l] += uint32(v) * uint32(v)
			}
		}
	}
}
