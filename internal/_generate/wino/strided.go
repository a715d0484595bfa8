package wino

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
)

// forwardStrided writes the input transform for three taps and stride 2: that
// of the points 0, 1, -1, infinity on the even inputs, none on the odd ones.
func forwardStrided() {
	l := begin(narrow, "winoForward7", "applies the input transform for stride 2.", 7, 7, nil, 0)
	d := avx.Y[:7]
	t := avx.Y[7:11]
	for i := range d {
		l.load(i, d[i])
	}
	VSUBPS(d[0], d[4], t[0])
	VADDPS(d[2], d[4], t[1])
	VSUBPS(d[2], d[4], t[2])
	VSUBPS(d[2], d[6], t[3])
	for i, y := range []VecPhysical{t[0], t[1], t[2], t[3], d[1], d[3], d[5]} {
		l.store(i, y)
	}
	l.end()
}

// inverseStrided writes the output transform for three taps and stride 2.
func inverseStrided(last bool) {
	name, doc := "winoInverse3x7", "applies the output transform for stride 2."
	var hold []VecPhysical
	if last {
		name, doc = name+"Last", "applies the output transform for stride 2, adds the bias and clamps."
		hold = []VecPhysical{Y14, Y15}
	}
	l := begin(narrow, name, doc, 7, 3, nil, 0, hold...)
	d := avx.Y[:7]
	for i := range d {
		l.load(i, d[i])
	}
	s, f := avx.Y[7], avx.Y[8]
	VADDPS(d[2], d[1], s)
	VSUBPS(d[2], d[1], f)
	if last {
		for _, y := range d[4:] {
			VADDPS(hold[0], y, y)
		}
	}
	VADDPS(d[0], d[4], d[4])
	VADDPS(d[3], d[6], d[6])
	for i, x := range []VecPhysical{s, f, s} {
		y := d[4+i]
		VADDPS(x, y, y)
		if last {
			VMAXPS(y, hold[1], y)
		}
		l.store(i, y)
	}
	l.end()
}
