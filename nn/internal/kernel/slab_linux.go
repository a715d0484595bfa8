package kernel

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePages asks for huge pages in the part of b that they can fill. It is a
// hint: without them all is the same, only slower.
func hugePages(b []byte) {
	const page = 2 << 20
	skip := int(-uintptr(unsafe.Pointer(&b[0])) & (page - 1))
	if n := (len(b) - skip) &^ (page - 1); n > 0 {
		_ = unix.Madvise(b[skip:skip+n], unix.MADV_HUGEPAGE)
	}
}
