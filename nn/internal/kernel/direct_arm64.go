package kernel

import "golang.org/x/sys/cpu"

//go:noescape
func tile6x16x8NEON(a *tileArgs)

//go:noescape
func tile5x16x8NEON(a *tileArgs)

//go:noescape
func tile4x16x8NEON(a *tileArgs)

//go:noescape
func tile6x16x1NEON(a *tileArgs)

// tile runs the micro-kernel for so many pixels and input channels a tap, and 16
// outputs.
func tile(_ level, pixels, _, depth int, a *tileArgs) {
	switch {
	case depth == 1:
		tile6x16x1NEON(a)
	case pixels == 6:
		tile6x16x8NEON(a)
	case pixels == 5:
		tile5x16x8NEON(a)
	default:
		tile4x16x8NEON(a)
	}
}

// supported lists the sets in assembly that this processor and its system can run, best first.
func supported() (sets []Set) {
	if !cpu.ARM64.HasASIMD {
		return nil
	}
	if cpu.ARM64.HasI8MM {
		if hasBFloat16() {
			sets = append(sets, Set{level: levelNEON, unit: unitBoth})
		}
		sets = append(sets, Set{level: levelNEON, unit: unitBytes})
	}
	if cpu.ARM64.HasASIMDDP {
		sets = append(sets, Set{level: levelNEON, unit: unitDot})
	}
	return append(sets, Set{level: levelNEON})
}
