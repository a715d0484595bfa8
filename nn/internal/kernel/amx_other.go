//go:build !amd64

package kernel

// No set has tiles here: these are never called.
var (
	byteTiles, pairTiles tileKernels
	splitTiles           func(*tileJoin)
)
