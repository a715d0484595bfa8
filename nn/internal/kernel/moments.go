package kernel

import (
	"math"

	"github.com/c236555e/rehead/nn/internal/ir"
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
	at       []int  // where each lane's channel is in a run of the result, -1 for none
	cells    []cell // of the grid that are not empty
	blocks   int    // of channels, of the tensor
	split    int    // blocks a part
	step     float32
}

// cell is a part of a plane.
type cell struct {
	top, left, rows, columns int
	quarters                 []int // that it belongs to
}

// NewMoments prepares the moments of a tensor of float32 whose channels lie in those lanes.
func NewMoments(set Set, in Tensor, lanes []int) *Moments {
	return newMoments(set, in, lanes, Block, 0)
}

// NewByteMoments prepares those of a tensor of bytes; one of them is worth step. Its sums are
// integers, and the same on every set.
func NewByteMoments(set Set, in Tensor, lanes []int, step float32) *Moments {
	return newMoments(set, in, lanes, ByteBlock, step)
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
			if r[0] == r[1] || c[0] == c[1] {
				continue
			}
			x := cell{top: r[0], left: c[0], rows: r[1] - r[0], columns: c[1] - c[0]}
			for q := range 4 {
				if i != 2-2*(q/2) && j != 2-2*(q%2) {
					x.quarters = append(x.quarters, q)
				}
			}
			m.cells = append(m.cells, x)
		}
	}
	m.split = max(1, 8192/(in.H*in.W)) // about as many vectors as a part of a pool
	return m
}

// bands cuts n rows or columns into those of the first half only, of both and of the second only.
func bands(n int) [3][2]int { return [3][2]int{{0, n / 2}, {n / 2, (n + 1) / 2}, {(n + 1) / 2, n}} }

// Algorithm names the variant.
func (m *Moments) Algorithm() string {
	if m.step != 0 {
		return "int8 moments"
	}
	return "moments"
}

// Parts returns the number of independent parts of one image's work.
func (m *Moments) Parts() int { return (m.blocks + m.split - 1) / m.split }

// Run computes one part of one image. out has ir.MomentRuns runs of as many values as there are
// channels.
func (m *Moments) Run(part int, out, in []float32) {
	for b := part * m.split; b < min((part+1)*m.split, m.blocks); b++ {
		if m.step != 0 {
			m.bytes(b, out, in)
		} else {
			m.floats(b, out, in)
		}
	}
}

// floats computes channel block b of float32.
func (m *Moments) floats(b int, out, in []float32) {
	base := m.in.Off + b*m.in.Plane
	first := [Block]float32(in[base:])
	var whole, squares [Block]float64
	var quarter [4][Block]float64
	var sums [2 * Block]float32
	for i := range m.cells {
		c := &m.cells[i]
		if m.level == levelRef {
			sumsGo(&sums, in[base+c.top*m.in.Row+c.left*Block:], &first, c, m.in.Row)
		} else {
			sumsAsm(&sums, in[base+c.top*m.in.Row+c.left*Block:], &first, c, m.in.Row)
		}
		for l := range Block {
			s := float64(sums[l])
			whole[l] += s
			squares[l] += float64(sums[Block+l])
			for _, q := range c.quarters {
				quarter[q][l] += s
			}
		}
	}
	n := 1 / float64(m.in.H*m.in.W)
	fourth := 1 / float64((m.in.H+1)/2*((m.in.W+1)/2))
	for l, at := range m.at[b*Block : (b+1)*Block] {
		if at < 0 {
			continue
		}
		k, mean := float64(first[l]), whole[l]*n
		out[at] = float32(k + mean)
		for q := range quarter {
			out[(1+q)*m.channels+at] = float32(k + quarter[q][l]*fourth)
		}
		out[(ir.MomentRuns-1)*m.channels+at] = float32(math.Sqrt(max(squares[l]*n-mean*mean, 0)))
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

// bytes computes channel block b of bytes.
func (m *Moments) bytes(b int, out, in []float32) {
	base := m.in.Off + b*m.in.Plane
	var whole, squares [ByteBlock]uint64
	var quarter [4][ByteBlock]uint64
	var sums [2 * ByteBlock]uint32
	for i := range m.cells {
		for part := m.cells[i]; part.rows > 0; {
			c := part
			c.rows = max(1, min(c.rows, mostBytes/c.columns))
			plane := in[base+c.top*m.in.Row+c.left*Block:]
			if m.level == levelRef {
				byteSumsGo(&sums, plane, &c, m.in.Row)
			} else {
				byteSumsAsm(&sums, plane, &c, m.in.Row)
			}
			for l := range ByteBlock {
				s := uint64(sums[l])
				whole[l] += s
				squares[l] += uint64(sums[ByteBlock+l])
				for _, q := range c.quarters {
					quarter[q][l] += s
				}
			}
			part.top, part.rows = part.top+c.rows, part.rows-c.rows
		}
	}
	step := float64(m.step)
	n, fourth := 1/float64(m.in.H*m.in.W), step/float64((m.in.H+1)/2*((m.in.W+1)/2))
	for l, at := range m.at[b*ByteBlock : (b+1)*ByteBlock] {
		if at < 0 {
			continue
		}
		mean := float64(whole[l]) * n
		out[at] = float32(mean * step)
		for q := range quarter {
			out[(1+q)*m.channels+at] = float32(float64(quarter[q][l]) * fourth)
		}
		out[(ir.MomentRuns-1)*m.channels+at] = float32(math.Sqrt(max(float64(squares[l])*n-mean*mean, 0)) * step)
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
