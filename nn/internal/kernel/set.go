package kernel

import "fmt"

// A Set is a family of kernels for one kind of processor.
type Set struct {
	level level
	tiles bool // the tile unit multiplies bytes
}

type level uint8

const (
	levelRef level = iota
	levelAVX2
	levelAVX512
	levelNEON
)

func (l level) String() string { return [...]string{"ref", "avx2", "avx512", "neon"}[l] }

// String returns the set's name: "avx512", "amx", "avx2", "neon" or "ref" (plain Go).
func (s Set) String() string {
	if s.tiles {
		return "amx"
	}
	return s.level.String()
}

// Ref is the set of plain Go kernels, which runs everywhere.
var Ref = Set{level: levelRef}

// Sets lists the sets that this processor can run, best first; the last is Ref. That of the tile unit
// comes second, so that it is taken by name alone: no time was ever measured of it.
func Sets() []Set {
	var sets []Set
	for _, l := range supported() {
		sets = append(sets, Set{level: l})
		if l == levelAVX512 && hasTiles() {
			sets = append(sets, Set{level: l, tiles: true})
		}
	}
	return append(sets, Ref)
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
