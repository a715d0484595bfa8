package kernel

//go:noescape
func byteTile6x16x4USMMLA(a *byteTile)

//go:noescape
func byteTile5x16x4USMMLA(a *byteTile)

//go:noescape
func byteTile4x16x4USMMLA(a *byteTile)

//go:noescape
func byteTile6x16x4SDOT(a *byteTile)

//go:noescape
func byteTile5x16x4SDOT(a *byteTile)

//go:noescape
func byteTile4x16x4SDOT(a *byteTile)

//go:noescape
func byteTile6x16x1SDOT(a *byteTile)

//go:noescape
func byteTile5x16x1SDOT(a *byteTile)

//go:noescape
func byteTile4x16x1SDOT(a *byteTile)

//go:noescape
func byteTile6x16x1SUDOT(a *byteTile)

//go:noescape
func byteTile5x16x1SUDOT(a *byteTile)

//go:noescape
func byteTile4x16x1SUDOT(a *byteTile)

// runByteTile runs the micro-kernel of a unit for so many pixels, 16 outputs, and so many words a tap.
func runByteTile(b byteUnit, pixels, _, depth int, a *byteTile) {
	switch {
	case b == byUSMMLA && depth > 1:
		runByteTileUSMMLA(pixels, a)
	case b == byUSMMLA:
		runByteTileSUDOT(pixels, a)
	case depth > 1:
		runByteTileSDOT(pixels, a)
	default:
		runByteTileShallowSDOT(pixels, a)
	}
}

func runByteTileUSMMLA(pixels int, a *byteTile) {
	switch pixels {
	case 6:
		byteTile6x16x4USMMLA(a)
	case 5:
		byteTile5x16x4USMMLA(a)
	default:
		byteTile4x16x4USMMLA(a)
	}
}

func runByteTileSDOT(pixels int, a *byteTile) {
	switch pixels {
	case 6:
		byteTile6x16x4SDOT(a)
	case 5:
		byteTile5x16x4SDOT(a)
	default:
		byteTile4x16x4SDOT(a)
	}
}

// runByteTileShallowSDOT runs a tile of one word a tap, as does runByteTileSUDOT.
func runByteTileShallowSDOT(pixels int, a *byteTile) {
	switch pixels {
	case 6:
		byteTile6x16x1SDOT(a)
	case 5:
		byteTile5x16x1SDOT(a)
	default:
		byteTile4x16x1SDOT(a)
	}
}

func runByteTileSUDOT(pixels int, a *byteTile) {
	switch pixels {
	case 6:
		byteTile6x16x1SUDOT(a)
	case 5:
		byteTile5x16x1SUDOT(a)
	default:
		byteTile4x16x1SUDOT(a)
	}
}

func hasVNNI() bool { return false }
