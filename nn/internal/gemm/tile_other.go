//go:build !amd64 && !arm64

package gemm

// formats lists those that this processor can run.
func formats() []format { return []format{plain} }

// sixRows is never used.
var sixRows format

func (f format) assembly(int, operand, operand, []float32, extent) {
	panic("gemm: there is no assembly for this processor")
}

func dot4x3(int, *[4]*float32, *[3]*float32, *[12]float32) {
	panic("gemm: there is no assembly for this processor")
}

// formats64 lists the tiles of float64 in assembly.
func formats64() []tileFormat[float64] { return nil }

func best64() tileFormat[float64] { return tileFormat[float64]{} }

func hasPairs() bool { return false }

func turnWords(int, []float32, int, []float32) {
	panic("gemm: there is no assembly for this processor")
}
