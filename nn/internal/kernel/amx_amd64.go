package kernel

//go:noescape
func byteTiles16(a *tileUnit)

//go:noescape
func byteTiles32(a *tileUnit)

//go:noescape
func pairTiles16(a *tileUnit)

//go:noescape
func pairTiles32(a *tileUnit)

//go:noescape
func joinPixels(a *tileJoin)

//go:noescape
func splitPixels(a *tileJoin)

// multiplyTiles computes 16 outputs, or 32 if wide is 1.
func multiplyTiles(a *tileUnit, pairs bool, wide int) {
	switch {
	case pairs && wide == 1:
		pairTiles32(a)
	case pairs:
		pairTiles16(a)
	case wide == 1:
		byteTiles32(a)
	default:
		byteTiles16(a)
	}
}

// joinTiles copies pixels.
func joinTiles(j *tileJoin, split bool) {
	if split {
		splitPixels(j)
		return
	}
	joinPixels(j)
}
