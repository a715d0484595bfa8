//go:build !amd64

package kernel

// No set has tiles here: these are never called.

func multiplyTiles(*tileUnit, bool, int) {}

func joinTiles(*tileJoin, bool) {}
