package kernel

//go:noescape
func tile6x16x8BFMMLA(a *tileArgs)

//go:noescape
func tile5x16x8BFMMLA(a *tileArgs)

//go:noescape
func tile4x16x8BFMMLA(a *tileArgs)

//go:noescape
func roundWords(to, from *float32, groups int)

// tileRounded runs the micro-kernel of matrix products for so many pixels.
func tileRounded(pixels int, a *tileArgs) {
	switch pixels {
	case 6:
		tile6x16x8BFMMLA(a)
	case 5:
		tile5x16x8BFMMLA(a)
	default:
		tile4x16x8BFMMLA(a)
	}
}

// roundRow rounds whole channel blocks of values.
func roundRow(to, values []float32) { roundWords(&to[0], &values[0], len(to)/Block) }

func tilePairs(int, int, int, *tileArgs) {}

func poolPairs(bool, *poolArgs) {}
