// Package raster holds the arithmetic on rows of pixels that a recipe spends its
// time in: chroma interpolated and converted to RGB, and bilinear interpolation
// across a row and between two rows.
//
// Every function exists in plain Go, in every build, and for amd64 with AVX2 as
// assembly too. Both compute the same to the last bit: integers exactly, and
// floats in the same order, each product rounded before it is added. So there is
// nothing to choose; the faster one runs where the processor has it.
//
// The functions panic when a slice is shorter than their comment says.
//
// The .s file is written by the generator in internal/_generate:
//
//	go generate ./dataset/picture/internal/raster
package raster
