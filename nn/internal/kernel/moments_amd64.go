package kernel

import "unsafe"

//go:noescape
func byteMomentsAVX2(a *momentsArgs)

// byteSumsAsm is byteSumsGo.
func byteSumsAsm(sums *[2 * ByteBlock]uint32, x []float32, c *cell, row int) {
	byteMomentsAVX2(&momentsArgs{x: &x[0], out: (*float32)(unsafe.Pointer(&sums[0])), rows: c.rows, columns: c.columns,
		row: 4 * (row - c.columns*Block)})
}
