package engine

import "github.com/c236555e/rehead/nn/internal/kernel"

// choose prepares the fastest algorithm for s. The choice depends on the shape
// and the set alone, never on a timing, so that one model on one kind of
// machine always computes the same bits. Plain Go always convolves directly: it
// is what the others are compared with.
func choose(set kernel.Set, s kernel.Spec, threads int) (kernel.Conv, error) {
	if t, ok := tiling(set, &s); ok {
		return kernel.NewWinograd(set, s, t, threads)
	}
	return kernel.NewDirect(set, s)
}

// tiling returns the fast convolution that measured best for shapes like s, if
// one beat the direct convolution. A larger tile multiplies less and transforms
// more, and has more weights to fetch: small planes want small tiles.
func tiling(set kernel.Set, s *kernel.Spec) (kernel.Tiling, bool) {
	if set == kernel.Ref || len(kernel.Tilings(s)) == 0 || s.In.C < 16 || s.Out.C < 16 {
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
	case s.StrideH > 1 || s.StrideW > 1:
		// A fifth faster, but with five times the weights.
		large := 49*s.In.C*s.Out.C > 2<<20
		return kernel.Tiling{H: 3, W: 3}, s.StrideH == s.StrideW && side > 10 && !large
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
	return kernel.Tiling{H: 4, W: 2}, true
}

// most is the widest tile there is for a side of taps taps.
func most(taps int) int {
	if taps == 5 {
		return 4
	}
	return 6
}
