package kernel

import "golang.org/x/sys/cpu"

//go:noescape
func byteTile8x48x4VNNI(a *byteTile)

//go:noescape
func byteTile7x48x4VNNI(a *byteTile)

//go:noescape
func byteTile6x48x4VNNI(a *byteTile)

//go:noescape
func byteTile5x48x4VNNI(a *byteTile)

//go:noescape
func byteTile8x32x4VNNI(a *byteTile)

//go:noescape
func byteTile7x32x4VNNI(a *byteTile)

//go:noescape
func byteTile6x32x4VNNI(a *byteTile)

//go:noescape
func byteTile5x32x4VNNI(a *byteTile)

//go:noescape
func byteTile8x16x4VNNI(a *byteTile)

//go:noescape
func byteTile7x16x4VNNI(a *byteTile)

//go:noescape
func byteTile6x16x4VNNI(a *byteTile)

//go:noescape
func byteTile5x16x4VNNI(a *byteTile)

//go:noescape
func byteTile5x16x4AVX2(a *byteTile)

//go:noescape
func byteTile4x16x4AVX2(a *byteTile)

//go:noescape
func byteTile8x48x1VNNI(a *byteTile)

//go:noescape
func byteTile7x48x1VNNI(a *byteTile)

//go:noescape
func byteTile6x48x1VNNI(a *byteTile)

//go:noescape
func byteTile5x48x1VNNI(a *byteTile)

//go:noescape
func byteTile8x32x1VNNI(a *byteTile)

//go:noescape
func byteTile7x32x1VNNI(a *byteTile)

//go:noescape
func byteTile6x32x1VNNI(a *byteTile)

//go:noescape
func byteTile5x32x1VNNI(a *byteTile)

//go:noescape
func byteTile8x16x1VNNI(a *byteTile)

//go:noescape
func byteTile7x16x1VNNI(a *byteTile)

//go:noescape
func byteTile6x16x1VNNI(a *byteTile)

//go:noescape
func byteTile5x16x1VNNI(a *byteTile)

//go:noescape
func byteTile5x16x1AVX2(a *byteTile)

//go:noescape
func byteTile4x16x1AVX2(a *byteTile)

// runByteTile runs the micro-kernel of a unit for so many pixels, outputs and
// words a tap.
func runByteTile(b byteUnit, pixels, outs, depth int, a *byteTile) {
	switch {
	case b == byMaddubs:
		runByteTileAVX2(pixels, depth, a)
	case depth > 1:
		runByteTileVNNI(pixels, outs, a)
	default:
		runByteTileShallowVNNI(pixels, outs, a)
	}
}

func runByteTileAVX2(pixels, depth int, a *byteTile) {
	switch {
	case depth > 1 && pixels == 5:
		byteTile5x16x4AVX2(a)
	case depth > 1:
		byteTile4x16x4AVX2(a)
	case pixels == 5:
		byteTile5x16x1AVX2(a)
	default:
		byteTile4x16x1AVX2(a)
	}
}

// runByteTileVNNI runs a tile of four words a tap.
func runByteTileVNNI(pixels, outs int, a *byteTile) {
	switch outs*8 + pixels {
	case 48*8 + 8:
		byteTile8x48x4VNNI(a)
	case 48*8 + 7:
		byteTile7x48x4VNNI(a)
	case 48*8 + 6:
		byteTile6x48x4VNNI(a)
	case 48*8 + 5:
		byteTile5x48x4VNNI(a)
	case 32*8 + 8:
		byteTile8x32x4VNNI(a)
	case 32*8 + 7:
		byteTile7x32x4VNNI(a)
	case 32*8 + 6:
		byteTile6x32x4VNNI(a)
	case 32*8 + 5:
		byteTile5x32x4VNNI(a)
	case 16*8 + 8:
		byteTile8x16x4VNNI(a)
	case 16*8 + 7:
		byteTile7x16x4VNNI(a)
	case 16*8 + 6:
		byteTile6x16x4VNNI(a)
	case 16*8 + 5:
		byteTile5x16x4VNNI(a)
	}
}

// runByteTileShallowVNNI runs a tile of one word a tap.
func runByteTileShallowVNNI(pixels, outs int, a *byteTile) {
	switch outs*8 + pixels {
	case 48*8 + 8:
		byteTile8x48x1VNNI(a)
	case 48*8 + 7:
		byteTile7x48x1VNNI(a)
	case 48*8 + 6:
		byteTile6x48x1VNNI(a)
	case 48*8 + 5:
		byteTile5x48x1VNNI(a)
	case 32*8 + 8:
		byteTile8x32x1VNNI(a)
	case 32*8 + 7:
		byteTile7x32x1VNNI(a)
	case 32*8 + 6:
		byteTile6x32x1VNNI(a)
	case 32*8 + 5:
		byteTile5x32x1VNNI(a)
	case 16*8 + 8:
		byteTile8x16x1VNNI(a)
	case 16*8 + 7:
		byteTile7x16x1VNNI(a)
	case 16*8 + 6:
		byteTile6x16x1VNNI(a)
	case 16*8 + 5:
		byteTile5x16x1VNNI(a)
	}
}

// hasVNNI reports whether the processor multiplies bytes with AVX-512.
func hasVNNI() bool { return cpu.X86.HasAVX512VNNI }
