//go:build !amd64 && !arm64

package kernel

func hasVNNI() bool { return false }

func (c *byteConv) tileAsm(p part, q bytePanel, out, in []float32) { c.tileGo(p, q, out, in) }

func poolBytesAsm(g *poolGroup, largest bool, out, in []float32) { poolBytesGo(g, largest, out, in) }

func quantizeRow([]float32, []float32, int, float32, float32) int { return 0 }

func byteSumsAsm(sums *[2 * ByteBlock]uint32, x []float32, c *cell, row int) {
	byteSumsGo(sums, x, c, row)
}

func (m *Moments) bytesAsm(b int, out, in []float32) { m.bytesGo(b, out, in) }

func (m *Moments) pairsAsm(int, []float32, []float32) bool { return false }
