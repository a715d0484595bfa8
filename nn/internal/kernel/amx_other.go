//go:build !amd64

package kernel

// No set has tiles here, so that this is never called.

func runTiles(*tileUnit) {}

func runPairTiles(*tileUnit) {}
