package kernel

import "fmt"

// A Set is a family of kernels for one kind of processor.
type Set struct {
	level level
	unit  unit
}

// A unit is what a set has beside its level: its kernels for convolutions of bytes, and of values rounded to
// bfloat16.
type unit uint8

const (
	unitNone  unit = iota
	unitTiles      // AMX: bytes
	unitDot        // arm64's dot products of bytes
	unitBytes      // its matrix products of bytes,
	unitBoth       // and of bfloat16 beside them
)

func (u unit) String() string { return [...]string{"", "amx", "dotprod", "i8mm", "bf16"}[u] }

type level uint8

const (
	levelRef level = iota
	levelAVX2
	levelAVX512
	levelNEON
)

func (l level) String() string { return [...]string{"ref", "avx2", "avx512", "neon"}[l] }

// String returns the set's name: "avx512", "amx", "avx2", "bf16", "i8mm", "dotprod", "neon" or "ref" (plain Go).
func (s Set) String() string {
	if s.unit != unitNone {
		return s.unit.String()
	}
	return s.level.String()
}

// Ref is the set of plain Go kernels, which runs everywhere.
var Ref = Set{level: levelRef}

// Sets lists the sets that this processor can run, best first; the last is Ref. No time was ever measured of
// arm64's, whose order is that of the instructions that they take.
func Sets() []Set {
	return append(supported(), Ref)
}

// Select returns the set of that name, or the best one if name is empty.
func Select(name string) (Set, error) {
	sets := Sets()
	if name == "" {
		return sets[0], nil
	}
	for _, s := range sets {
		if s.String() == name {
			return s, nil
		}
	}
	return Set{}, fmt.Errorf("kernel: no kernels %q on this processor: choose one of %v", name, sets)
}
