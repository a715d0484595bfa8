package neon

import (
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// poolKernels writes the poolings of one channel block: eight lanes, two
// vectors.
func poolKernels(a *assembly) {
	pool(a, "poolMax", "takes the largest of each pixel's taps: NaN, if one of them is.", false)
	pool(a, "poolAvg", "averages each pixel's taps, adds a bias and clamps below.", true)
}

func pool(a *assembly, name, doc string, mean bool) {
	a.function(name, "a", doc)
	src, dst, pixels, x, out, list := free[0], free[1], free[2], free[3], free[4], free[5]
	here, taps, left, tap, count := free[6], free[7], free[8], free[9], free[10]
	low, high, nextLow, nextHigh := vec(0), vec(1), vec(2), vec(3)
	scale, floor, biasLow, biasHigh := vec(4), vec(5), vec(6), vec(7)
	for i, r := range []reg{src, dst, pixels, x, out, list, count} {
		a.load(args, []int{PoolSrc, PoolDst, PoolPixels, PoolX, PoolOut, PoolTaps, PoolNTaps}[i], r)
	}
	if mean {
		a.load(args, PoolBias, tap)
		a.read(tap, 0, biasLow)
		a.read(tap, 16, biasHigh)
		a.op("ADD $%d, %v, %v", PoolScale, args, tap)
		a.spread(tap, scale)
		a.op("ADD $%d, %v, %v", PoolFloor, args, tap)
		a.spread(tap, floor)
	}
	a.label("pixel")
	a.op("MOVW.P 4(%v), %v", src, here)
	a.add(x, here)
	a.op("MOVD %v, %v", list, taps)
	a.op("MOVD %v, %v", count, left)
	if mean {
		a.zero(low)
		a.zero(high)
	} else {
		a.load(taps, 0, tap)
		a.add(here, tap)
		a.read(tap, 0, low)
		a.read(tap, 16, high)
	}
	a.label("tap")
	a.op("MOVD.P 8(%v), %v", taps, tap)
	a.add(here, tap)
	a.read(tap, 0, nextLow)
	a.read(tap, 16, nextHigh)
	if mean {
		a.fadd(low, nextLow, low)
		a.fadd(high, nextHigh, high)
	} else {
		a.fmax(low, nextLow, low)
		a.fmax(high, nextHigh, high)
	}
	a.countDown(left, "tap")
	if mean {
		a.copy(biasLow, nextLow)
		a.copy(biasHigh, nextHigh)
		a.fma(low, scale, nextLow)
		a.fma(high, scale, nextHigh)
		a.fmax(nextLow, floor, low)
		a.fmax(nextHigh, floor, high)
	}
	a.op("MOVW.P 4(%v), %v", dst, tap)
	a.add(out, tap)
	a.write(low, tap, 0)
	a.write(high, tap, 16)
	a.countDown(pixels, "pixel")
	a.op("RET")
}
