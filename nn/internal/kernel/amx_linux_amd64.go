package kernel

import (
	"sync"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// What Linux calls the permission to use tiles, and their data.
const (
	archReqXCompPerm = 0x1023
	xfeatureTileData = 18
)

// hasTiles reports whether this process may use the tile unit. The processor's flag says that there is
// one; the kernel has to be asked, as the data of tiles are more than a thread's state holds otherwise,
// and its answer decides.
var hasTiles = sync.OnceValue(func() bool {
	if !cpu.X86.HasAMXTile || !cpu.X86.HasAMXInt8 || !cpu.X86.HasAVX512VNNI {
		return false
	}
	_, _, errno := unix.RawSyscall(unix.SYS_ARCH_PRCTL, archReqXCompPerm, xfeatureTileData, 0)
	return errno == 0
})

// hasPairTiles reports the same of bfloat16.
func hasPairTiles() bool { return cpu.X86.HasAMXBF16 && hasDotPairs() && hasTiles() }
