// Package neon writes the NEON kernels of nn/internal/kernel and nn/internal/gemm for arm64.
package neon

// Direct returns the functions of kernel_arm64.s.
func Direct() []byte { return write(directKernels, poolKernels, moments) }

// Gemm returns the functions of tile_arm64.s.
func Gemm() []byte { return write(gemmKernels) }

// BFloat16 returns the functions of bfloat16_arm64.s.
func BFloat16() []byte { return write(bfloat16Kernels) }

// Bytes returns the functions of int8_arm64.s.
func Bytes() []byte { return write(byteKernels, byteWork) }

// Winograd returns the functions of wino_arm64.s.
func Winograd() []byte { return write(winogradKernels) }

func write(parts ...func(a *assembly)) []byte {
	a := new(assembly)
	for _, part := range parts {
		part(a)
	}
	return a.buf.Bytes()
}
