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
func tile12x32Pairs(k int, a *float32, row, step int, b *float32, ldb int, c *float32, ldc int)

//go:noescape
func tile12x16Pairs(k int, a *float32, row, step int, b *float32, ldb int, c *float32, ldc int)

//go:noescape
func turnPairs(n int, from *float32, line int, to *float32)

//go:noescape
func tile6x8F64AVX2(k int, a *float64, row, step int, b *float64, ldb int, c *float64, ldc int)

//go:noescape
func tile12x16F64AVX512(k int, a *float64, row, step int, b *float64, ldb int, c *float64, ldc int)

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
	case f.set == setPairs && half:
		tile12x16Pairs(k, pa, a.line, a.step, pb, b.step, pc, s.ld)
	case f.set == setPairs:
		tile12x32Pairs(k, pa, a.line, a.step, pb, b.step, pc, s.ld)
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

// hasPairs reports whether the processor multiplies pairs of bfloat16, and turns them.
func hasPairs() bool { return cpu.X86.HasAVX512BF16 && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512F }

// turnWords is turnPairs within bounds.
func turnWords(n int, from []float32, line int, to []float32) {
	_, _ = from[(2*n-1)*line+15], to[32*n-1]
	turnPairs(n, unsafe.SliceData(from), line, unsafe.SliceData(to))
}

// dot4x3 is the same with AVX2 and AVX-512.
func dot4x3(k int, a *[4]*float32, b *[3]*float32, c *[12]float32) { dot4x3AVX2(k, a, b, c) }

// best64 is the fastest tile of float64 in assembly; none where this processor has no AVX2.
func best64() tileFormat[float64] {
	if fs := formats64(); len(fs) > 0 {
		return fs[0]
	}
	return tileFormat[float64]{}
}

// formats64 lists those that this processor can run, the fastest first.
func formats64() []tileFormat[float64] {
	avx2 := tileFormat[float64]{6, 8, whole64(6, 8, tile6x8F64AVX2)}
	avx512 := tileFormat[float64]{12, 16, whole64(12, 16, tile12x16F64AVX512)}
	switch {
	case cpu.X86.HasAVX512F && cpu.X86.HasAVX2 && cpu.X86.HasFMA:
		return []tileFormat[float64]{avx512, avx2}
	case cpu.X86.HasAVX2 && cpu.X86.HasFMA:
		return []tileFormat[float64]{avx2}
	}
	return nil
}

// whole64 checks the bounds that assembly does not.
func whole64(mr, nr int, tile func(k int, a *float64, row, step int, b *float64, ldb int, c *float64, ldc int)) func(
	k int, a, b, c []float64, ldc int) {
	return func(k int, a, b, c []float64, ldc int) {
		_, _, _ = a[k*mr-1], b[k*nr-1], c[(mr-1)*ldc+nr-1]
		tile(k, unsafe.SliceData(a), 1, mr, unsafe.SliceData(b), nr, unsafe.SliceData(c), ldc)
	}
}
