//go:build amd64 || arm64

package kernel

// momentsArgs is what the kernels that sum one cell are handed; the generators know its layout.
type momentsArgs struct {
	x, k    *float32 // the cell's first pixel; what is taken off, a value a lane
	out     *float32 // the sums, then those of the squares
	rows    int
	columns int
	row     int // bytes from the end of a row of the cell to its next row
}
