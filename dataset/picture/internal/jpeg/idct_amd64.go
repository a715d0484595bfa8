package jpeg

import "golang.org/x/sys/cpu"

//go:generate go -C ../../../../internal/_generate run . ../../dataset/picture/internal/jpeg/idct_amd64.s

//go:noescape
func transformAVX2(b, quant *int32, dst *byte, stride int)

// best is the fastest transform of this processor.
var best = func() transform {
	if !cpu.X86.HasAVX2 {
		return plainTransform
	}
	return func(b, quant *block, dst []uint8, stride int) {
		_ = dst[7*stride+7]
		transformAVX2(&b[0], &quant[0], &dst[0], stride)
	}
}()
