//go:build amd64 || arm64

package kernel

// momentsArgs is what the kernels of Moments are handed; the generators know its layout.
type momentsArgs struct {
	x, k    *float32 // the cell's first pixel; what is taken off, a value a lane
	out     *float32 // the sums, then those of the squares
	rows    int
	columns int
	row     int // bytes from the end of a row of the cell to its next row
}

//go:noescape
func moments(a *momentsArgs)

// sumsAsm is sumsGo.
func sumsAsm(sums *[2 * Block]float32, x []float32, k *[Block]float32, c *cell, row int) {
	moments(&momentsArgs{x: &x[0], k: &k[0], out: &sums[0], rows: c.rows, columns: c.columns,
		row: 4 * (row - c.columns*Block)})
}
