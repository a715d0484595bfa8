//go:build !amd64

package kernel

const flagReLU = 1

func supported() level { return levelRef }

func (d *direct) tileAsm(p part, q panel, out, in []float32) { d.tileGo(p, q, out, in) }

func (p *pool) runAsm(b int, g *poolGroup, out, in []float32) { p.runGo(b, g, out, in) }

func hasVNNI() bool { return false }

func (c *byteConv) tileAsm(p part, q bytePanel, out, in []float32) { c.tileGo(p, q, out, in) }

func poolBytesAsm(g *poolGroup, largest bool, out, in []float32) { poolBytesGo(g, largest, out, in) }
