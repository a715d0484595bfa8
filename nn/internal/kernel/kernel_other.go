//go:build !amd64 && !arm64

package kernel

func supported() []Set { return nil }

func (d *direct) tileAsm(p part, q panel, out, in []float32) { d.tileGo(p, q, out, in) }

func (p *pool) runAsm(b int, g *poolGroup, out, in []float32) { p.runGo(b, g, out, in) }

func (m *Moments) floatsAsm(t Tensor, b int, places []int, out, in []float32) {
	m.floatsGo(t, b, places, out, in)
}

func roundRow([]float32, []float32) {}
