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
func floatTiles16(a *tileUnit)

//go:noescape
func floatTiles32(a *tileUnit)

//go:noescape
func joinPixels(a *tileJoin)

//go:noescape
func splitPixels(a *tileJoin)

//go:noescape
func splitFloats(a *tileJoin)

// multiplyTiles computes 16 outputs, or 32 if wide is 1.
func multiplyTiles(a *tileUnit, kind tileKind, wide int) {
	switch {
	case kind == tilesOfBytes && wide == 1:
		byteTiles32(a)
	case kind == tilesOfBytes:
		byteTiles16(a)
	case kind == tilesOfFloats && wide == 1:
		floatTiles32(a)
	case kind == tilesOfFloats:
		floatTiles16(a)
	case wide == 1:
		pairTiles32(a)
	default:
		pairTiles16(a)
	}
}

// joinTiles copies pixels.
func joinTiles(j *tileJoin, kind tileKind) {
	switch kind {
	case tilesOfHalves:
		splitPixels(j)
	case tilesOfFloats:
		splitFloats(j)
	default:
		joinPixels(j)
	}
}
