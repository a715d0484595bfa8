package kernel

//go:noescape
func winoForward4NEON(l *winoLines)

//go:noescape
func winoForward6NEON(l *winoLines)

//go:noescape
func winoForward7NEON(l *winoLines)

//go:noescape
func winoForward8NEON(l *winoLines)

//go:noescape
func winoForward10NEON(l *winoLines)

//go:noescape
func winoForward12NEON(l *winoLines)

//go:noescape
func winoInverse2x4NEON(l *winoLines)

//go:noescape
func winoInverse2x4LastNEON(l *winoLines)

//go:noescape
func winoInverse2x6NEON(l *winoLines)

//go:noescape
func winoInverse2x6LastNEON(l *winoLines)

//go:noescape
func winoInverse4x6NEON(l *winoLines)

//go:noescape
func winoInverse4x6LastNEON(l *winoLines)

//go:noescape
func winoInverse3x7NEON(l *winoLines)

//go:noescape
func winoInverse3x7LastNEON(l *winoLines)

//go:noescape
func winoInverse4x8NEON(l *winoLines)

//go:noescape
func winoInverse4x8LastNEON(l *winoLines)

//go:noescape
func winoInverse6x8NEON(l *winoLines)

//go:noescape
func winoInverse6x8LastNEON(l *winoLines)

//go:noescape
func winoInverse4x10NEON(l *winoLines)

//go:noescape
func winoInverse4x10LastNEON(l *winoLines)

//go:noescape
func winoInverse6x12NEON(l *winoLines)

//go:noescape
func winoInverse6x12LastNEON(l *winoLines)

//go:noescape
func winoProduct1NEON(p *winoProduct)

//go:noescape
func winoProduct2NEON(p *winoProduct)

//go:noescape
func winoProduct3NEON(p *winoProduct)

//go:noescape
func winoProduct4NEON(p *winoProduct)

//go:noescape
func winoProduct5NEON(p *winoProduct)

//go:noescape
func winoProduct6NEON(p *winoProduct)

//go:noescape
func winoExpand16NEON(e *winoExpand)

//go:noescape
func winoExpandNarrow16NEON(e *winoExpand)

// expand multiplies by a filter transform; the result is float32 if narrow.
func (w *winograd) expand(e *winoExpand, narrow bool) {
	switch {
	case w.level == levelRef && narrow:
		expandGo[float32](e)
	case w.level == levelRef:
		expandGo[float64](e)
	case narrow:
		winoExpandNarrow16NEON(e)
	default:
		winoExpand16NEON(e)
	}
}

// forward applies the input transform of side x.
func (w *winograd) forward(x *side, l *winoLines) {
	if w.level == levelRef {
		l.forwardGo(x.n)
		return
	}
	switch x.n {
	case 4:
		winoForward4NEON(l)
	case 6:
		winoForward6NEON(l)
	case stridedPoints:
		winoForward7NEON(l)
	case 8:
		winoForward8NEON(l)
	case 10:
		winoForward10NEON(l)
	case 12:
		winoForward12NEON(l)
	}
}

// inverse applies the output transform of side x; the last one of a
// convolution adds the bias and clamps.
func (w *winograd) inverse(x *side, last bool, l *winoLines) {
	if w.level == levelRef {
		l.inverseGo(x.m, x.n, last)
		return
	}
	switch [2]int{x.m, x.n} {
	case [2]int{2, 4}:
		if last {
			winoInverse2x4LastNEON(l)
		} else {
			winoInverse2x4NEON(l)
		}
	case [2]int{2, 6}:
		if last {
			winoInverse2x6LastNEON(l)
		} else {
			winoInverse2x6NEON(l)
		}
	case [2]int{4, 6}:
		if last {
			winoInverse4x6LastNEON(l)
		} else {
			winoInverse4x6NEON(l)
		}
	case [2]int{3, stridedPoints}:
		if last {
			winoInverse3x7LastNEON(l)
		} else {
			winoInverse3x7NEON(l)
		}
	case [2]int{4, 8}:
		if last {
			winoInverse4x8LastNEON(l)
		} else {
			winoInverse4x8NEON(l)
		}
	case [2]int{6, 8}:
		if last {
			winoInverse6x8LastNEON(l)
		} else {
			winoInverse6x8NEON(l)
		}
	case [2]int{4, 10}:
		if last {
			winoInverse4x10LastNEON(l)
		} else {
			winoInverse4x10NEON(l)
		}
	case [2]int{6, 12}:
		if last {
			winoInverse6x12LastNEON(l)
		} else {
			winoInverse6x12NEON(l)
		}
	}
}

// product multiplies groups of that many rows.
func (w *winograd) product(rows int, p *winoProduct) {
	if w.level == levelRef {
		p.productGo(rows)
		return
	}
	switch rows {
	case 1:
		winoProduct1NEON(p)
	case 2:
		winoProduct2NEON(p)
	case 3:
		winoProduct3NEON(p)
	case 4:
		winoProduct4NEON(p)
	case 5:
		winoProduct5NEON(p)
	case 6:
		winoProduct6NEON(p)
	}
}
