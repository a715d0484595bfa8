package gemm

import "golang.org/x/sys/cpu"

//go:generate ./_generate/generate.sh

// tile6x16AVX2 is tile for six rows and sixteen columns; k may be odd.
//
//go:noescape
func tile6x16AVX2(k int, a, b, c *float32, ldc int)

// best returns the format of the fastest tile that this processor can run.
func best() format {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		return vector
	}
	return plain
}
