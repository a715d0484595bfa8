package kernel

//go:noescape
func byteTiles32x32(a *tileUnit)

// runTiles computes groups of 32 pixels by 32 outputs.
func runTiles(a *tileUnit) { byteTiles32x32(a) }
