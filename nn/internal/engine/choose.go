package engine

import "github.com/c236555e/rehead/nn/internal/kernel"

// A wanted convolution is what there is to choose an algorithm for.
type wanted struct {
	kernel.Spec
	ins, outs int  // its channels
	alike     bool // of bfloat16, for which plain Go is to choose as assembly does
	lean      bool // no larger weights
}

// apart reports whether w is of float32 and computed by the tile unit, which multiplies about as fast as the
// direct convolution and half again, but slower than Winograd's does where that saves most.
func (w *wanted) apart(set kernel.Set) bool {
	better := w.KH*w.KW == 1 || w.StrideH > 1 || w.StrideW > 1
	return better && !w.lean && !w.alike && w.Spec.Apart(set)
}

// choose prepares the fastest algorithm for convolutions of one input, more than one only for a set that
// computes them together. The choice depends on the shape
// and the set alone, never on a timing, so that one model on one kind of
// machine always computes the same bits. Plain Go convolves float32 directly: it is
// what the others are compared with.
func choose(set kernel.Set, all []wanted, threads int) (kernel.Conv, error) {
	s := all[0]
	if t, ok := tiling(set, &s); ok {
		return kernel.NewWinograd(set, s.Spec, t, threads)
	}
	specs := make([]kernel.Spec, len(all))
	for i, w := range all {
		specs[i] = w.Spec
		specs[i].Threads = threads
	}
	if s.apart(set) {
		return kernel.NewApart(set, specs...)
	}
	return kernel.NewDirect(set, specs[0], specs[1:]...)
}

// tiling returns the fast convolution that measured best for shapes like s, if
// one beat the direct convolution. A larger tile multiplies less and transforms
// more, and has more weights to fetch: small planes want small tiles.
func tiling(set kernel.Set, s *wanted) (kernel.Tiling, bool) {
	tiles := s.apart(set) || s.alike && set.PairTiles()
	if tiles || s.lean || set == kernel.Ref && !s.alike || len(kernel.Tilings(&s.Spec)) == 0 || s.ins < 16 ||
		s.outs < 16 {
		return kernel.Tiling{}, false
	}
	side := min(s.Out.H, s.Out.W)
	line := func(size int) int { // outputs a tile along a side of 3 or 7 taps
		if size > 8 {
			return 6
		}
		return 4
	}
	switch {
	case s.alike && (s.StrideH > 1 || s.StrideW > 1 || s.KH*s.KW == 3):
		return kernel.Tiling{}, false // pairs multiply twice as fast, and this saves two fifths or half
	case s.StrideH > 1 || s.StrideW > 1:
		return kernel.Tiling{H: 3, W: 3}, s.StrideH == s.StrideW && side > 10
	case s.KH == 1:
		return kernel.Tiling{H: 1, W: min(line(s.Out.W), most(s.KW))}, true
	case s.KW == 1:
		return kernel.Tiling{H: min(line(s.Out.H), most(s.KH)), W: 1}, true
	case s.KH == 5:
		return kernel.Tiling{H: 4, W: 4}, s.KW == 5
	case s.KW != 3:
		return kernel.Tiling{}, false
	case side > 24:
		return kernel.Tiling{H: 6, W: 6}, true
	case side > 10:
		return kernel.Tiling{H: 4, W: 4}, true
	}
	return kernel.Tiling{H: 2, W: 2}, true
}

// most is the widest tile there is for a side of taps taps.
func most(taps int) int {
	if taps == 5 {
		return 4
	}
	return 6
}
