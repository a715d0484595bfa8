//go:build !amd64 && !arm64

package kernel

func supported() []Set { return nil }

func (d *direct) tileAsm(p part, q panel, out, in []float32) { d.tileGo(p, q, out, in) }

func (p *pool) runAsm(b int, g *poolGroup, out, in []float32) { p.runGo(b, g, out, in) }

func sumsAsm(sums *[2 * Block]float32, x []float32, k *[Block]float32, c *cell, row int) {
	sumsGo(sums, x, k, c, row)
}

func roundRow([]float32, []float32) {}
