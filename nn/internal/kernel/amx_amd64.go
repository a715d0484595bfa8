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

var (
	byteTiles  = tileKernels{[2]func(*tileUnit){byteTiles16, byteTiles32}, joinPixels}
	pairTiles  = tileKernels{[2]func(*tileUnit){pairTiles16, pairTiles32}, joinPixels}
	splitTiles = splitPixels
)
