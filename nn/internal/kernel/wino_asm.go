//go:build amd64 || arm64

package kernel

//go:noescape
func winoForward4(l *winoLines)

//go:noescape
func winoForward6(l *winoLines)

//go:noescape
func winoForward7(l *winoLines)

//go:noescape
func winoForward8(l *winoLines)

//go:noescape
func winoForward10(l *winoLines)

//go:noescape
func winoForward12(l *winoLines)

//go:noescape
func winoInverse2x4(l *winoLines)

//go:noescape
func winoInverse2x4Last(l *winoLines)

//go:noescape
func winoInverse2x6(l *winoLines)

//go:noescape
func winoInverse2x6Last(l *winoLines)

//go:noescape
func winoInverse4x6(l *winoLines)

//go:noescape
func winoInverse4x6Last(l *winoLines)

//go:noescape
func winoInverse3x7(l *winoLines)

//go:noescape
func winoInverse3x7Last(l *winoLines)

//go:noescape
func winoInverse4x8(l *winoLines)

//go:noescape
func winoInverse4x8Last(l *winoLines)

//go:noescape
func winoInverse6x8(l *winoLines)

//go:noescape
func winoInverse6x8Last(l *winoLines)

//go:noescape
func winoInverse4x10(l *winoLines)

//go:noescape
func winoInverse4x10Last(l *winoLines)

//go:noescape
func winoInverse6x12(l *winoLines)

//go:noescape
func winoInverse6x12Last(l *winoLines)

//go:noescape
func winoProduct1(p *winoProduct)

//go:noescape
func winoProduct2(p *winoProduct)

//go:noescape
func winoProduct3(p *winoProduct)

//go:noescape
func winoProduct4(p *winoProduct)

//go:noescape
func winoProduct5(p *winoProduct)

//go:noescape
func winoProduct6(p *winoProduct)

//go:noescape
func winoExpand16(e *winoExpand)

//go:noescape
func winoExpandNarrow16(e *winoExpand)

// expand multiplies by a filter transform; the result is float32 if narrow.
func (w *winograd) expand(e *winoExpand, narrow bool) {
	switch {
	case w.level == levelRef && narrow:
		expandGo[float32](e)
	case w.level == levelRef:
		expandGo[float64](e)
	case narrow:
		winoExpandNarrow16(e)
	default:
		winoExpand16(e)
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
		winoForward4(l)
	case 6:
		winoForward6(l)
	case stridedPoints:
		winoForward7(l)
	case 8:
		winoForward8(l)
	case 10:
		winoForward10(l)
	case 12:
		winoForward12(l)
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
			winoInverse2x4Last(l)
		} else {
			winoInverse2x4(l)
		}
	case [2]int{2, 6}:
		if last {
			winoInverse2x6Last(l)
		} else {
			winoInverse2x6(l)
		}
	case [2]int{4, 6}:
		if last {
			winoInverse4x6Last(l)
		} else {
			winoInverse4x6(l)
		}
	case [2]int{3, stridedPoints}:
		if last {
			winoInverse3x7Last(l)
		} else {
			winoInverse3x7(l)
		}
	case [2]int{4, 8}:
		if last {
			winoInverse4x8Last(l)
		} else {
			winoInverse4x8(l)
		}
	case [2]int{6, 8}:
		if last {
			winoInverse6x8Last(l)
		} else {
			winoInverse6x8(l)
		}
	case [2]int{4, 10}:
		if last {
			winoInverse4x10Last(l)
		} else {
			winoInverse4x10(l)
		}
	case [2]int{6, 12}:
		if last {
			winoInverse6x12Last(l)
		} else {
			winoInverse6x12(l)
		}
	}
}

// productNarrow multiplies groups of that many rows, at most 6.
func productNarrow(rows int, p *winoProduct) {
	switch rows {
	case 1:
		winoProduct1(p)
	case 2:
		winoProduct2(p)
	case 3:
		winoProduct3(p)
	case 4:
		winoProduct4(p)
	case 5:
		winoProduct5(p)
	case 6:
		winoProduct6(p)
	}
}
