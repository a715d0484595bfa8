package inception

import (
	"math"
	"slices"
)

// mapper makes the class activation maps of one picture.
type mapper struct {
	trunk  *Trunk
	blocks [][]float32 // of the trunk, each [channels,side,side]
	values []Value     // what the head reads; none: the mean of the one block
	at     map[string]int
	curved bool // some value is not linear in its block
}

func newMapper(t *Trunk, blocks [][]float32) *mapper {
	m := &mapper{trunk: t, blocks: blocks, values: t.features.Values(t.weights.Width), at: map[string]int{}}
	for i, b := range t.blocks {
		m.at[b.name] = i
	}
	m.curved = slices.ContainsFunc(m.values, func(v Value) bool {
		return v.Statistic == Deviation || v.Statistic == Maximum
	})
	return m
}

// activation is a class's map [side][side] on the cells of the finest block: what the weights, those
// of the logit for each value that the head reads, make of each cell.
func (m *mapper) activation(weights []float64) [][]float32 {
	sums := make([][]float64, len(m.blocks))
	for i, b := range m.trunk.blocks {
		sums[i] = make([]float64, b.side*b.side)
	}
	if m.values == nil {
		for c, w := range weights {
			for i, v := range m.plane(0, c) {
				sums[0][i] += w * float64(v)
			}
		}
	}
	for i, v := range m.values {
		b := m.at[v.Block]
		m.add(sums[b], m.plane(b, v.Channel), v, weights[i]*float64(v.Scale))
	}
	fine := m.trunk.blocks[0]
	total := sums[0]
	for i, b := range m.trunk.blocks[1:] {
		spread(total, fine, sums[1+i], b)
	}
	rows := make([][]float32, fine.side)
	for i := range rows {
		rows[i] = make([]float32, fine.side)
		for j := range rows[i] {
			rows[i][j] = float32(total[i*fine.side+j])
		}
	}
	return rows
}

// plane is a channel of a block.
func (m *mapper) plane(b, channel int) []float32 {
	n := m.trunk.blocks[b].side * m.trunk.blocks[b].side
	return m.blocks[b][channel*n:][:n]
}

// add adds w times a value's share of every cell to sums, so that their mean is w times the value.
// A deviation s of n cells x of mean a is sum((x-a) x / (n s)): each cell times its gradient.
func (m *mapper) add(sums []float64, plane []float32, v Value, w float64) {
	n := len(plane)
	side := m.trunk.blocks[m.at[v.Block]].side
	switch v.Statistic {
	case Quarters:
		half, top, left := (side+1)/2, v.Run/2*(side/2), v.Run%2*(side/2)
		share := w * float64(n) / float64(half*half)
		for y := top; y < top+half; y++ {
			for x := left; x < left+half; x++ {
				sums[y*side+x] += share * float64(plane[y*side+x])
			}
		}
	case Maximum: // it is the value of one cell, whatever small changes do to the others
		at := 0
		for i, x := range plane {
			if x > plane[at] {
				at = i
			}
		}
		sums[at] += w * float64(n) * float64(plane[at])
	case Cells:
		sums[v.Run] += w * float64(n) * float64(plane[v.Run])
	case Deviation:
		mean, square := 0.0, 0.0
		for _, x := range plane {
			mean += float64(x) / float64(n)
		}
		for _, x := range plane {
			square += (float64(x) - mean) * (float64(x) - mean)
		}
		if square == 0 {
			return
		}
		w /= math.Sqrt(square / float64(n))
		for i, x := range plane {
			sums[i] += w * (float64(x) - mean) * float64(x)
		}
	default:
		for i, x := range plane {
			sums[i] += w * float64(x)
		}
	}
}

// spread adds a block's map to that of a finer one: linear between the centres of the receptive
// fields, each coarse cell shared out among the fine ones about it so that the mean of the map
// stays.
func spread(total []float64, fine tap, sums []float64, coarse tap) {
	share := shares(fine, coarse)
	for y := range coarse.side {
		for x := range coarse.side {
			v := sums[y*coarse.side+x]
			for _, down := range share[y] {
				for _, right := range share[x] {
					total[down.cell*fine.side+right.cell] += v * down.part * right.part
				}
			}
		}
	}
}

// shared is the part of a coarse cell that a fine one gets.
type shared struct {
	cell int
	part float64
}

// shares returns, for each cell of a coarse block along one side, the fine cells that it is shared
// among. The parts add up to how many fine cells there are for a coarse one.
func shares(fine, coarse tap) [][]shared {
	first, step := fieldCentres(fine.name)
	start, stride := fieldCentres(coarse.name)
	out := make([][]shared, coarse.side)
	for c := range out {
		sum := 0.0
		for f := range fine.side {
			if near := 1 - math.Abs(first+step*float64(f)-start-stride*float64(c))/stride; near > 0 {
				out[c] = append(out[c], shared{f, near})
				sum += near
			}
		}
		for i := range out[c] {
			out[c][i].part *= float64(fine.side) / float64(coarse.side) / sum
		}
	}
	return out
}

// MapSide is how many cells along each side the maps of the model's explanations have: 8 for a head
// on the bottleneck and 35 for one that reads every block, at 299 pixels. 0 for a model that is not
// valid.
func (m *Model) MapSide() int {
	if m == nil {
		return 0
	}
	finest := lastBlock()
	if m.Reads != nil && len(m.Reads.Blocks) > 0 {
		finest = m.Reads.Blocks[0]
	}
	if checkWidth(m.Width) != nil {
		return 0
	}
	return sideOf(finest, m.Recipe.Size)
}

// sideOf is how many cells along each side a block has of pictures of that size; 0 for a size that is
// out of range.
func sideOf(block string, size int) int {
	side := 0
	_, err := traceTable(1, size, func(Layer) {}, func(r row, shape [3]int) {
		if r.block == block {
			side = shape[1]
		}
	})
	if err != nil {
		return 0
	}
	return side
}
