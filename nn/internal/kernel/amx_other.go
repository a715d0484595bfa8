//go:build !amd64

package kernel

// No set has tiles here: these are never called.

func multiplyTiles(*tileUnit, tileKind, int) {}

func joinTiles(*tileJoin, tileKind) {}
