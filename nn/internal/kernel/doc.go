// Package kernel holds the CPU kernels of nn's compiled programs: convolution,
// pooling and the conversions between the caller's layout and theirs. Every
// kernel exists as plain Go, in every build, and some also as assembly; which
// one runs is chosen once by [Select], never by the shape of the data.
//
// # Layout
//
// An activation of one image is stored in blocks of [Block] = 8 channels:
//
//	[ceil(C/8)][H][W][8]float32
//
// so that the eight channels of a pixel lie side by side, one 32-byte vector.
// Lanes beyond the last channel hold zero. A [Tensor] says where in a []float32
// that lies: the distance between rows and between channel blocks may exceed
// the dense one, and Off is the index of block 0, row 0, column 0, lane 0. So a
// Tensor can be
//
//   - one branch's slice of a concatenation: the same pitches as the whole, Off
//     moved on by a number of channel blocks;
//   - an activation with a halo: zeros around each plane, wide enough that a
//     convolution with padding reads them in place of a border test. The halo
//     right of a row and the one left of the row below may be the same memory
//     (Row = 8*(W+max(left, right)) is enough). Kernels never write a halo; the
//     executor zeroes it with [Tensor.ZeroHalo] before the producer runs, and
//     gives every convolution an input whose halo covers its padding.
//
// Images of a batch lie one after the other at a distance the executor picks;
// it hands each kernel the slice of one image.
//
// A channel count that is not a multiple of 8 leaves lanes that are zero in the
// activation; the executor keeps the map from channel to lane (a concatenation
// of 20 and 16 channels has its second part at lane 24) and hands weights over
// by lane, so that kernels know nothing of it: C of a Tensor counts lanes up to
// the last one in use, and a filter has zeros where a lane has no channel.
//
// # Convolutions
//
// A [Conv] is a convolution prepared once for one geometry: weights packed in
// the order they are consumed, bias and ReLU in the epilogue. It is immutable
// and split into parts which any goroutine may run in any order, each with a
// private scratch buffer. What a part computes depends neither on which
// goroutine runs it nor on how many there are, and every direct variant adds
// the products of one output in the same order, with one fused multiply-add
// each, so that choosing among them never changes a bit.
//
// # Assembly
//
// The .s files are written by the generator in internal/_generate (a Go module of
// its own, so that this one does not depend on avo). NEON has the shapes and the
// order of sums of AVX2, and so the same packed weights and the same bits:
//
//	go generate ./nn/internal/kernel
//
// internal/asmtest runs it again and compares.
package kernel

//go:generate go -C ../../../internal/_generate run . ../../nn/internal/kernel/amx_amd64.s
//go:generate go -C ../../../internal/_generate run . ../../nn/internal/kernel/bfloat16_amd64.s
//go:generate go -C ../../../internal/_generate run . ../../nn/internal/kernel/bfloat16_arm64.s
//go:generate go -C ../../../internal/_generate run . ../../nn/internal/kernel/int8_amd64.s
//go:generate go -C ../../../internal/_generate run . ../../nn/internal/kernel/int8_arm64.s
//go:generate go -C ../../../internal/_generate run . ../../nn/internal/kernel/kernel_amd64.s
//go:generate go -C ../../../internal/_generate run . ../../nn/internal/kernel/kernel_arm64.s
//go:generate go -C ../../../internal/_generate run . ../../nn/internal/kernel/wino_amd64.s
//go:generate go -C ../../../internal/_generate run . ../../nn/internal/kernel/wino_arm64.s
