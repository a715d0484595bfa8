package gemm

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

//go:noescape
func tile6x16NEON(k int, a *float32, row, step int, b *float32, ldb int, c *float32, ldc int)

//go:noescape
func tile6x8NEON(k int, a *float32, row, step int, b *float32, ldb int, c *float32, ldc int)

//go:noescape
func dot4x3NEON(k int, a *[4]*float32, b *[3]*float32, c *[12]float32)

// formats lists those that this processor can run, the fastest first.
func formats() []format {
	if cpu.ARM64.HasASIMD {
		return []format{sixRows, plain}
	}
	return []format{plain}
}

var sixRows = format{mr: 6, nr: 16, set: setNEON}

// assembly is whole for the set that is not plain Go.
func (f format) assembly(k int, a, b operand, c []float32, s extent) {
	pa, pb, pc := unsafe.SliceData(a.data), unsafe.SliceData(b.data), unsafe.SliceData(c)
	if s.cols < f.nr {
		tile6x8NEON(k, pa, a.line, a.step, pb, b.step, pc, s.ld)
	} else {
		tile6x16NEON(k, pa, a.line, a.step, pb, b.step, pc, s.ld)
	}
}

func dot4x3(k int, a *[4]*float32, b *[3]*float32, c *[12]float32) { dot4x3NEON(k, a, b, c) }

// formats64 lists the tiles of float64 in assembly.
func formats64() []tileFormat[float64] { return nil }

func best64() tileFormat[float64] { return tileFormat[float64]{} }

func hasPairs() bool { return false }

func turnWords(int, []float32, int, []float32) {
	panic("gemm: there is no assembly for this processor")
}
