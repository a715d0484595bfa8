package kernel

// product multiplies groups of that many rows.
func (w *winograd) product(rows int, p *winoProduct) {
	if w.level == levelRef {
		p.productGo(rows)
		return
	}
	productNarrow(rows, p)
}
