package kernel

import "golang.org/x/sys/cpu"

//go:noescape
func tile6x16x8AVX2(a *tileArgs)

//go:noescape
func tile5x16x8AVX2(a *tileArgs)

//go:noescape
func tile4x16x8AVX2(a *tileArgs)

//go:noescape
func tile6x16x1AVX2(a *tileArgs)

//go:noescape
func tile8x48x8AVX512(a *tileArgs)

//go:noescape
func tile7x48x8AVX512(a *tileArgs)

//go:noescape
func tile6x48x8AVX512(a *tileArgs)

//go:noescape
func tile5x48x8AVX512(a *tileArgs)

//go:noescape
func tile8x32x8AVX512(a *tileArgs)

//go:noescape
func tile7x32x8AVX512(a *tileArgs)

//go:noescape
func tile6x32x8AVX512(a *tileArgs)

//go:noescape
func tile5x32x8AVX512(a *tileArgs)

//go:noescape
func tile8x16x8AVX512(a *tileArgs)

//go:noescape
func tile7x16x8AVX512(a *tileArgs)

//go:noescape
func tile6x16x8AVX512(a *tileArgs)

//go:noescape
func tile5x16x8AVX512(a *tileArgs)

//go:noescape
func tile8x32x1AVX512(a *tileArgs)

//go:noescape
func tile8x16x1AVX512(a *tileArgs)

// tile runs the micro-kernel of a level for so many pixels, outputs and input
// channels a tap.
func tile(l level, pixels, outs, depth int, a *tileArgs) {
	if l == levelAVX2 {
		switch {
		case depth == 1:
			tile6x16x1AVX2(a)
		case pixels == 6:
			tile6x16x8AVX2(a)
		case pixels == 5:
			tile5x16x8AVX2(a)
		default:
			tile4x16x8AVX2(a)
		}
		return
	}
	switch outs*16 + pixels + depth/Block*8 {
	case 32*16 + 8:
		tile8x32x1AVX512(a)
	case 16*16 + 8:
		tile8x16x1AVX512(a)
	case 48*16 + 8 + 8:
		tile8x48x8AVX512(a)
	case 48*16 + 8 + 7:
		tile7x48x8AVX512(a)
	case 48*16 + 8 + 6:
		tile6x48x8AVX512(a)
	case 48*16 + 8 + 5:
		tile5x48x8AVX512(a)
	case 32*16 + 8 + 8:
		tile8x32x8AVX512(a)
	case 32*16 + 8 + 7:
		tile7x32x8AVX512(a)
	case 32*16 + 8 + 6:
		tile6x32x8AVX512(a)
	case 32*16 + 8 + 5:
		tile5x32x8AVX512(a)
	case 16*16 + 8 + 8:
		tile8x16x8AVX512(a)
	case 16*16 + 8 + 7:
		tile7x16x8AVX512(a)
	case 16*16 + 8 + 6:
		tile6x16x8AVX512(a)
	case 16*16 + 8 + 5:
		tile5x16x8AVX512(a)
	}
}

// supported lists the sets in assembly that this processor and its system can run, best first.
func supported() (sets []Set) {
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA {
		return nil
	}
	if x.HasAVX512F && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512BW {
		if hasTiles() {
			sets = append(sets, Set{level: levelAVX512, unit: unitTiles})
		}
		sets = append(sets, Set{level: levelAVX512})
	}
	return append(sets, Set{level: levelAVX2})
}
