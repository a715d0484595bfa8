package gemm

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

//go:noescape
func tile6x16AVX2(k int, a *float32, row, step int, b *float32, ldb int, c *float32, ldc int)

//go:noescape
func tile6x8AVX2(k int, a *float32, row, step int, b *float32, ldb int, c *float32, ldc int)

//go:noescape
func tile12x32AVX512(k int, a *float32, row, step int, b *float32, ldb int, c *float32, ldc int)

//go:noescape
func tile12x16AVX512(k int, a *float32, row, step int, b *float32, ldb int, c *float32, ldc int)

//go:noescape
func dot4x3AVX2(k int, a *[4]*float32, b *[3]*float32, c *[12]float32)

// formats lists those that this processor can run, the fastest first.
func formats() []format {
	switch {
	case cpu.X86.HasAVX512F && cpu.X86.HasAVX2 && cpu.X86.HasFMA:
		return []format{avx512, sixRows, plain}
	case cpu.X86.HasAVX2 && cpu.X86.HasFMA:
		return []format{sixRows, plain}
	}
	return []format{plain}
}

var (
	sixRows = format{mr: 6, nr: 16, set: setAVX2}
	avx512  = format{mr: 12, nr: 32, set: setAVX512}
)

// assembly is whole for the sets that are not plain Go.
func (f format) assembly(k int, a, b operand, c []float32, s extent) {
	pa, pb, pc := unsafe.SliceData(a.data), unsafe.SliceData(b.data), unsafe.SliceData(c)
	half := s.cols < f.nr
	switch {
	case f.set == setAVX512 && half:
		tile12x16AVX512(k, pa, a.line, a.step, pb, b.step, pc, s.ld)
	case f.set == setAVX512:
		tile12x32AVX512(k, pa, a.line, a.step, pb, b.step, pc, s.ld)
	case half:
		tile6x8AVX2(k, pa, a.line, a.step, pb, b.step, pc, s.ld)
	default:
		tile6x16AVX2(k, pa, a.line, a.step, pb, b.step, pc, s.ld)
	}
}

// dot4x3 is the same with AVX2 and AVX-512.
func dot4x3(k int, a *[4]*float32, b *[3]*float32, c *[12]float32) { dot4x3AVX2(k, a, b, c) }
