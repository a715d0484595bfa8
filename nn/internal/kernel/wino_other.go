//go:build !amd64 && !arm64

package kernel

func (w *winograd) forward(x *side, l *winoLines) { l.forwardGo(x.n) }

func (w *winograd) inverse(x *side, last bool, l *winoLines) { l.inverseGo(x.m, x.n, last) }

func (w *winograd) product(rows int, p *winoProduct) { p.productGo(rows) }

func (w *winograd) expand(e *winoExpand, narrow bool) {
	if narrow {
		expandGo[float32](e)
	} else {
		expandGo[float64](e)
	}
}
