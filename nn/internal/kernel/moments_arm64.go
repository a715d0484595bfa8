package kernel

// momentsArgs is what the kernel that sums one cell is handed; the generators know its layout.
type momentsArgs struct {
	x, k    *float32 // the cell's first pixel; what is taken off, a value a lane
	out     *float32 // the sums, then those of the squares
	rows    int
	columns int
	row     int // bytes from the end of a row of the cell to its next row
}

//go:noescape
func moments(a *momentsArgs)

// floatsAsm is floatsGo.
func (m *Moments) floatsAsm(t Tensor, b int, places []int, out, in []float32) {
	base := t.Off + b*t.Plane
	first := [Block]float32(in[base:])
	var s [9][2 * Block]float32
	for i := range m.cells {
		if c := &m.cells[i]; !c.empty() {
			moments(&momentsArgs{x: &in[base+c.top*t.Row+c.left*Block], k: &first[0], out: &s[i][0], rows: c.rows,
				columns: c.columns, row: 4 * (t.Row - c.columns*Block)})
		}
	}
	m.finish(&s, &first, places, out)
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
	m.finishBytes(&s, m.at[b*ByteBlock:][:ByteBlock], out)
}

func (m *Moments) pairsAsm(int, []float32, []float32) bool { return false }
