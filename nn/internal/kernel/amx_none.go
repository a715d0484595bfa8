//go:build !linux || !amd64

package kernel

func hasTiles() bool { return false }

func hasPairTiles() bool { return false }
