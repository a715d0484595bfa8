package kernel

//go:noescape
func winoProductWide1(p *winoProduct)

//go:noescape
func winoProductWide2(p *winoProduct)

//go:noescape
func winoProductWide3(p *winoProduct)

//go:noescape
func winoProductWide4(p *winoProduct)

//go:noescape
func winoProductWide5(p *winoProduct)

//go:noescape
func winoProductWide6(p *winoProduct)

//go:noescape
func winoProductWide7(p *winoProduct)

//go:noescape
func winoProductWide8(p *winoProduct)

//go:noescape
func winoProductWide9(p *winoProduct)

//go:noescape
func winoProductWide10(p *winoProduct)

//go:noescape
func winoProductWide11(p *winoProduct)

//go:noescape
func winoProductWide12(p *winoProduct)

//go:noescape
func winoProductWide13(p *winoProduct)

//go:noescape
func winoProductWide14(p *winoProduct)

//go:noescape
func winoProductWide15(p *winoProduct)

//go:noescape
func winoProductWide16(p *winoProduct)

// product multiplies groups of that many rows.
func (w *winograd) product(rows int, p *winoProduct) {
	switch w.level {
	case levelRef:
		p.productGo(rows)
	case levelAVX512:
		productWide(rows, p)
	default:
		productNarrow(rows, p)
	}
}

func productWide(rows int, p *winoProduct) {
	switch rows {
	case 1:
		winoProductWide1(p)
	case 2:
		winoProductWide2(p)
	case 3:
		winoProductWide3(p)
	case 4:
		winoProductWide4(p)
	case 5:
		winoProductWide5(p)
	case 6:
		winoProductWide6(p)
	case 7:
		winoProductWide7(p)
	case 8:
		winoProductWide8(p)
	case 9:
		winoProductWide9(p)
	case 10:
		winoProductWide10(p)
	case 11:
		winoProductWide11(p)
	case 12:
		winoProductWide12(p)
	case 13:
		winoProductWide13(p)
	case 14:
		winoProductWide14(p)
	case 15:
		winoProductWide15(p)
	case 16:
		winoProductWide16(p)
	}
}
