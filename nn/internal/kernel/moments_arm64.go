package kernel

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
