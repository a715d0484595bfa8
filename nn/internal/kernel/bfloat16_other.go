//go:build !amd64

package kernel

func hasDotPairs() bool { return false }

// No set has Pairs here, so that nothing below is called.

func forwardPairs(int, bool, *winoLines) {}

func inversePairs(int, int, bool, *winoLines) {}

func productPairs(int, *winoProduct) {}
