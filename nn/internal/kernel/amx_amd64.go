package kernel

//go:noescape
func byteTiles32x32(a *tileUnit)

//go:noescape
func pairTiles32x32(a *tileUnit)

// runTiles computes groups of 32 pixels by 32 outputs, of bytes.
func runTiles(a *tileUnit) { byteTiles32x32(a) }

// runPairTiles is the same of bfloat16.
func runPairTiles(a *tileUnit) { pairTiles32x32(a) }
