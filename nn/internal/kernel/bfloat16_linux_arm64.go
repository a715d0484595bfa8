package kernel

import (
	"sync"

	"golang.org/x/sys/unix"
)

// What Linux tells a program of the processor, of which golang.org/x/sys/cpu leaves bfloat16 out.
const (
	atHWCAP2   = 26
	hwcap2BF16 = 1 << 14
)

// hasBFloat16 reports whether the processor multiplies matrices of bfloat16.
var hasBFloat16 = sync.OnceValue(func() bool {
	list, err := unix.Auxv()
	if err != nil {
		return false
	}
	for _, entry := range list {
		if entry[0] == atHWCAP2 {
			return entry[1]&hwcap2BF16 != 0
		}
	}
	return false
})
