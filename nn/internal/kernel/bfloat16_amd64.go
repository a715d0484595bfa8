package kernel

import "golang.org/x/sys/cpu"

//go:noescape
func tile8x48x2Pairs(a *tileArgs)

//go:noescape
func tile7x48x2Pairs(a *tileArgs)

//go:noescape
func tile6x48x2Pairs(a *tileArgs)

//go:noescape
func tile5x48x2Pairs(a *tileArgs)

//go:noescape
func tile8x32x2Pairs(a *tileArgs)

//go:noescape
func tile7x32x2Pairs(a *tileArgs)

//go:noescape
func tile6x32x2Pairs(a *tileArgs)

//go:noescape
func tile5x32x2Pairs(a *tileArgs)

//go:noescape
func tile8x16x2Pairs(a *tileArgs)

//go:noescape
func tile7x16x2Pairs(a *tileArgs)

//go:noescape
func tile6x16x2Pairs(a *tileArgs)

//go:noescape
func tile5x16x2Pairs(a *tileArgs)

//go:noescape
func tile8x32x1Pairs(a *tileArgs)

//go:noescape
func tile8x16x1Pairs(a *tileArgs)

//go:noescape
func poolMaxPairs(a *poolArgs)

//go:noescape
func poolAvgPairs(a *poolArgs)

//go:noescape
func winoForwardPairs4(l *winoLines)

//go:noescape
func winoForwardPairs6(l *winoLines)

//go:noescape
func winoForwardPairs8(l *winoLines)

//go:noescape
func winoForwardPairs10(l *winoLines)

//go:noescape
func winoForwardPairs12(l *winoLines)

//go:noescape
func winoForwardWide4(l *winoLines)

//go:noescape
func winoForwardWide6(l *winoLines)

//go:noescape
func winoForwardWide8(l *winoLines)

//go:noescape
func winoForwardWide10(l *winoLines)

//go:noescape
func winoForwardWide12(l *winoLines)

//go:noescape
func winoInverseWide2x4(l *winoLines)

//go:noescape
func winoInverseWide2x4Last(l *winoLines)

//go:noescape
func winoInverseWide4x6(l *winoLines)

//go:noescape
func winoInverseWide4x6Last(l *winoLines)

//go:noescape
func winoInverseWide4x8(l *winoLines)

//go:noescape
func winoInverseWide4x8Last(l *winoLines)

//go:noescape
func winoInverseWide6x8(l *winoLines)

//go:noescape
func winoInverseWide6x8Last(l *winoLines)

//go:noescape
func winoInverseWide4x10(l *winoLines)

//go:noescape
func winoInverseWide4x10Last(l *winoLines)

//go:noescape
func winoInverseWide6x12(l *winoLines)

//go:noescape
func winoInverseWide6x12Last(l *winoLines)

//go:noescape
func winoProductPairs1(p *winoProduct)

//go:noescape
func winoProductPairs2(p *winoProduct)

//go:noescape
func winoProductPairs3(p *winoProduct)

//go:noescape
func winoProductPairs4(p *winoProduct)

//go:noescape
func winoProductPairs5(p *winoProduct)

//go:noescape
func winoProductPairs6(p *winoProduct)

//go:noescape
func winoProductPairs7(p *winoProduct)

//go:noescape
func winoProductPairs8(p *winoProduct)

//go:noescape
func winoProductPairs9(p *winoProduct)

//go:noescape
func winoProductPairs10(p *winoProduct)

//go:noescape
func winoProductPairs11(p *winoProduct)

//go:noescape
func winoProductPairs12(p *winoProduct)

//go:noescape
func winoProductPairs13(p *winoProduct)

//go:noescape
func winoProductPairs14(p *winoProduct)

//go:noescape
func winoProductPairs15(p *winoProduct)

//go:noescape
func winoProductPairs16(p *winoProduct)

// hasDotPairs reports whether the processor adds products of pairs of bfloat16.
func hasDotPairs() bool { return cpu.X86.HasAVX512BF16 }

// tilePairs runs the micro-kernel for so many pixels, outputs and words a tap.
func tilePairs(pixels, outs, depth int, a *tileArgs) {
	switch outs*16 + pixels + depth/2*8 {
	case 32*16 + 8:
		tile8x32x1Pairs(a)
	case 16*16 + 8:
		tile8x16x1Pairs(a)
	case 48*16 + 8 + 8:
		tile8x48x2Pairs(a)
	case 48*16 + 8 + 7:
		tile7x48x2Pairs(a)
	case 48*16 + 8 + 6:
		tile6x48x2Pairs(a)
	case 48*16 + 8 + 5:
		tile5x48x2Pairs(a)
	case 32*16 + 8 + 8:
		tile8x32x2Pairs(a)
	case 32*16 + 8 + 7:
		tile7x32x2Pairs(a)
	case 32*16 + 8 + 6:
		tile6x32x2Pairs(a)
	case 32*16 + 8 + 5:
		tile5x32x2Pairs(a)
	case 16*16 + 8 + 8:
		tile8x16x2Pairs(a)
	case 16*16 + 8 + 7:
		tile7x16x2Pairs(a)
	case 16*16 + 8 + 6:
		tile6x16x2Pairs(a)
	case 16*16 + 8 + 5:
		tile5x16x2Pairs(a)
	}
}

// poolPairs takes the largest or the mean of each pixel's taps.
func poolPairs(largest bool, a *poolArgs) {
	if largest {
		poolMaxPairs(a)
	} else {
		poolAvgPairs(a)
	}
}

// forwardPairs applies the input transform of n points, to a tensor of bfloat16 or to what is half
// transformed.
func forwardPairs(n int, tensor bool, l *winoLines) {
	if tensor {
		n += 16
	}
	switch n {
	case 4:
		winoForwardWide4(l)
	case 16 + 4:
		winoForwardPairs4(l)
	case 6:
		winoForwardWide6(l)
	case 16 + 6:
		winoForwardPairs6(l)
	case 8:
		winoForwardWide8(l)
	case 16 + 8:
		winoForwardPairs8(l)
	case 10:
		winoForwardWide10(l)
	case 16 + 10:
		winoForwardPairs10(l)
	case 12:
		winoForwardWide12(l)
	case 16 + 12:
		winoForwardPairs12(l)
	}
}

// inversePairs applies the output transform of n points to m outputs; the last one of a convolution
// adds the bias, clamps and writes bfloat16.
func inversePairs(m, n int, last bool, l *winoLines) {
	switch [2]int{m, n} {
	case [2]int{2, 4}:
		if last {
			winoInverseWide2x4Last(l)
		} else {
			winoInverseWide2x4(l)
		}
	case [2]int{4, 6}:
		if last {
			winoInverseWide4x6Last(l)
		} else {
			winoInverseWide4x6(l)
		}
	case [2]int{4, 8}:
		if last {
			winoInverseWide4x8Last(l)
		} else {
			winoInverseWide4x8(l)
		}
	case [2]int{6, 8}:
		if last {
			winoInverseWide6x8Last(l)
		} else {
			winoInverseWide6x8(l)
		}
	case [2]int{4, 10}:
		if last {
			winoInverseWide4x10Last(l)
		} else {
			winoInverseWide4x10(l)
		}
	case [2]int{6, 12}:
		if last {
			winoInverseWide6x12Last(l)
		} else {
			winoInverseWide6x12(l)
		}
	}
}

// productPairs multiplies groups of that many rows of blocks of 16 channels.
func productPairs(rows int, p *winoProduct) {
	switch rows {
	case 1:
		winoProductPairs1(p)
	case 2:
		winoProductPairs2(p)
	case 3:
		winoProductPairs3(p)
	case 4:
		winoProductPairs4(p)
	case 5:
		winoProductPairs5(p)
	case 6:
		winoProductPairs6(p)
	case 7:
		winoProductPairs7(p)
	case 8:
		winoProductPairs8(p)
	case 9:
		winoProductPairs9(p)
	case 10:
		winoProductPairs10(p)
	case 11:
		winoProductPairs11(p)
	case 12:
		winoProductPairs12(p)
	case 13:
		winoProductPairs13(p)
	case 14:
		winoProductPairs14(p)
	case 15:
		winoProductPairs15(p)
	case 16:
		winoProductPairs16(p)
	}
}

// No set Rounds here, so that these are never called.

func tileRounded(int, *tileArgs) {}

func roundRow([]float32, []float32) {}
