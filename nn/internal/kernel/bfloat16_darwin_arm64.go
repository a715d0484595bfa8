package kernel

import (
	"sync"

	"golang.org/x/sys/unix"
)

// hasBFloat16 reports whether the processor multiplies matrices of bfloat16.
var hasBFloat16 = sync.OnceValue(func() bool {
	has, err := unix.SysctlUint32("hw.optional.arm.FEAT_BF16")
	return err == nil && has != 0
})
