//go:build !amd64

package raster

// best returns the kernels for this processor.
func best() kernels { return plain }
