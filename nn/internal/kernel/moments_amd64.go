package kernel

import (
	"unsafe"

	"github.com/c236555e/rehead/nn/internal/ir"
)

// planeArgs is what the kernels that make moments of a plane are handed; the generators know its layout.
type planeArgs struct {
	x     *float32 // the first pixel's eight channels
	cells *[9]cell // of the plane
	sums  *float32 // room for the cells' sums, and behind them those of the squares; of bytes the sums
	out   *float32 // the channels' first run
	row   int      // bytes from a row of pixels to the next
	run   int      // bytes from a run to the next
	n     float64  // 1 / pixels
	part  float64  // 1 / pixels of a quarter; of bytes, step / pixels of a quarter
	step  float64  // of bytes
}

//go:noescape
func planeMoments(a *planeArgs)

//go:noescape
func planeMomentsPairs(a *planeArgs)

//go:noescape
func finishBytes(a *planeArgs)

// momentsArgs is what the kernel that sums one cell is handed; the generators know its layout.
type momentsArgs struct {
	x       *float32 // the cell's first pixel
	_       *float32
	out     *float32 // the sums, then those of the squares
	rows    int
	columns int
	row     int // bytes from the end of a row of the cell to its next row
}

// eight is where a kernel writes the moments of eight lanes, and how many bytes its runs are apart: where they
// belong if these are eight channels in a row.
func (m *Moments) eight(values *[ir.MomentRuns * Block]float32, places []int, out []float32) (to *float32, run int) {
	first := places[0]
	for i, at := range places {
		if at != first+i || first < 0 {
			return &values[0], 4 * Block
		}
	}
	return &out[:first+(ir.MomentRuns-1)*m.channels+Block][first], 4 * m.channels
}

// spread writes to where they belong the moments that a kernel has written elsewhere.
func (m *Moments) spread(to *float32, values *[ir.MomentRuns * Block]float32, places []int, out []float32) {
	if to != &values[0] {
		return
	}
	for l, at := range places {
		for r := 0; r < ir.MomentRuns && at >= 0; r++ {
			out[r*m.channels+at] = values[r*Block+l]
		}
	}
}

// floatsAsm is floatsGo.
func (m *Moments) floatsAsm(t Tensor, b int, places []int, out, in []float32) {
	base := t.Off + b*t.Plane
	plane := in[base : base+(t.H-1)*t.Row+t.W*Block]
	var sums [11 * Block]float32
	var values [ir.MomentRuns * Block]float32
	to, run := m.eight(&values, places, out)
	n, fourth := m.shares()
	planeMoments(&planeArgs{x: &plane[0], cells: &m.cells, sums: &sums[0], out: to, row: 4 * t.Row, run: run, n: n,
		part: fourth})
	m.spread(to, &values, places, out)
}

// pairsAsm computes channel block b of bfloat16, where there is assembly for that.
func (m *Moments) pairsAsm(b int, out, in []float32) bool {
	base := m.in.Off + b*m.in.Plane
	plane := in[base : base+(m.in.H-1)*m.in.Row+m.in.W*Block]
	n, fourth := m.shares()
	var sums [11 * Block]float32
	var values [ir.MomentRuns * Block]float32
	for half := range 2 {
		places := m.at[b*PairBlock+half*Block:][:Block]
		to, run := m.eight(&values, places, out)
		planeMomentsPairs(&planeArgs{x: &plane[half*Block/2], cells: &m.cells, sums: &sums[0], out: to, row: 4 * m.in.Row,
			run: run, n: n, part: fourth})
		m.spread(to, &values, places, out)
	}
	return true
}

// bytesAsm is bytesGo.
func (m *Moments) bytesAsm(b int, out, in []float32) {
	base := m.in.Off + b*m.in.Plane
	var s [9][2 * ByteBlock]uint32
	for i := range m.cells {
		if c := &m.cells[i]; !c.empty() {
			byteSumsAsm(&s[i], in[base+c.top*m.in.Row+c.left*Block:], c, m.in.Row)
		}
	}
	n, fourth := m.shares()
	step := float64(m.step)
	var values [ir.MomentRuns * Block]float32
	for first := 0; first < ByteBlock; first += Block {
		places := m.at[b*ByteBlock+first:][:Block]
		to, run := m.eight(&values, places, out)
		finishBytes(&planeArgs{sums: (*float32)(unsafe.Pointer(&s[0][first])), out: to, run: run, n: n, part: step * fourth,
			step: step})
		m.spread(to, &values, places, out)
	}
}
