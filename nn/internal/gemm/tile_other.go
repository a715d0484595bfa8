//go:build !amd64

package gemm

// best returns the format of the only tile there is.
func best() format { return plain }

func tile6x16AVX2(int, *float32, *float32, *float32, int) {
	panic("gemm: there is no AVX2 on this processor")
}
