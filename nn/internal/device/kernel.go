package device

// Kernels that devices other than the CPU have are named after their arithmetic. Sums are float32 in
// all of them.
const (
	Float32  = "float32"
	TF32     = "tf32"     // factors rounded to 11 bits
	Float16  = "float16"  // tensors and weights too, within 65,504
	BFloat16 = "bfloat16" // the same with 8 bits and float32's range
)

// Rounding is how far, relatively, a kernel of that name rounds a factor: half a unit in its last
// place.
func Rounding(kernel string) float64 {
	switch kernel {
	case TF32, Float16:
		return 1.0 / (1 << 11)
	case BFloat16:
		return 1.0 / (1 << 8)
	}
	return 1.0 / (1 << 24)
}
