package neon

import (
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// byteWork writes what is done with bytes beside convolutions.
func byteWork(a *assembly) {
	bytePool(a, "bytePoolMax", "takes the largest of each pixel's taps.", false)
	bytePool(a, "bytePoolMean", "adds up each pixel's taps, in 16 bits, and scales the sum.", true)
	byteMoments(a)
	quantize(a)
}

// bytePool writes a pooling of one channel block, two vectors of bytes.
func bytePool(a *assembly, name, doc string, mean bool) {
	a.function(name, "a", doc)
	src, dst, pixels, x, out, list := free[0], free[1], free[2], free[3], free[4], free[5]
	here, taps, left, tap, count := free[6], free[7], free[8], free[9], free[10]
	next, scale, largest, sums := [2]vec{0, 1}, vec(2), [2]vec{4, 5}, [4]vec{4, 5, 6, 7}
	for i, r := range []reg{src, dst, pixels, x, out, list, count} {
		a.load(args, []int{PoolSrc, PoolDst, PoolPixels, PoolX, PoolOut, PoolTaps, PoolNTaps}[i], r)
	}
	if mean {
		a.op("ADD $%d, %v, %v", PoolScale, args, tap)
		a.spread(tap, scale)
	}
	a.label("pixel")
	a.op("MOVW.P 4(%v), %v", src, here)
	a.add(x, here)
	a.op("MOVD %v, %v", list, taps)
	a.op("MOVD %v, %v", count, left)
	for _, v := range sums {
		a.zero(v)
	}
	a.label("tap")
	a.op("MOVD.P 8(%v), %v", taps, tap)
	a.add(here, tap)
	for i, v := range next {
		a.read(tap, 16*i, v)
		if mean {
			a.widening(16, false, v, sums[2*i])
			a.widening(16, true, v, sums[2*i+1])
		} else {
			a.word(0x6e206400|uint32(v)<<16|uint32(largest[i])<<5|uint32(largest[i]), "umax v%d.16b, v%d.16b, v%d.16b",
				largest[i], largest[i], v)
		}
	}
	a.countDown(left, "tap")
	if mean {
		largest = a.scaleSums(sums, scale)
	}
	a.op("MOVW.P 4(%v), %v", dst, tap)
	a.add(out, tap)
	a.write(largest[0], tap, 0)
	a.write(largest[1], tap, 16)
	a.countDown(pixels, "pixel")
	a.op("RET")
}

// scaleSums turns 32 sums of 16 bits into bytes, round(sum*scale) held to 255.
func (a *assembly) scaleSums(sums [4]vec, scale vec) (bytes [2]vec) {
	for i := range bytes {
		q := [quads]vec{16 + 4*vec(i), 17 + 4*vec(i), 18 + 4*vec(i), 19 + 4*vec(i)}
		for j := range 2 {
			a.two(0x2f10a400, "uxtl v%d.4s, v%d.4h", sums[2*i+j], q[2*j])
			a.two(0x6f10a400, "uxtl2 v%d.4s, v%d.8h", sums[2*i+j], q[2*j+1])
		}
		for _, v := range q {
			a.two(0x6e21d800, "ucvtf v%d.4s, v%d.4s", v, v)
			a.fmul(v, scale, v)
			a.two(0x6e21a800, "fcvtnu v%d.4s, v%d.4s", v, v)
		}
		a.toBytes(q)
		bytes[i] = q[0]
	}
	return bytes
}

// widening adds the lanes of half of x to those of the sum, which are of bits bits, twice as wide.
func (a *assembly) widening(bits int, upper bool, x, sum vec) {
	code, name, to, from := uint32(0x2e201000), "uaddw", "8h", "8b"
	if upper {
		code, name, from = code|1<<30, "uaddw2", "16b"
	}
	if bits == 32 {
		code, to, from = code|1<<22, "4s", map[bool]string{false: "4h", true: "8h"}[upper]
	}
	a.word(code|uint32(x)<<16|uint32(sum)<<5|uint32(sum), "%s v%d.%s, v%d.%s, v%d.%s", name, sum, to, sum, to, x, from)
}

// byteMoments writes the kernel that sums the bytes of a cell of one channel block, and their squares, in
// 32 bits.
func byteMoments(a *assembly) {
	a.function("byteMoments", "a", "sums the bytes of a cell of one channel block, and their squares.")
	x, rows, columns, row, left, out := free[0], free[1], free[2], free[3], free[4], free[5]
	for i, r := range []reg{x, rows, columns, row, out} {
		a.load(args, []int{MomentsX, MomentsRows, MomentsColumns, MomentsRow, MomentsOut}[i], r)
	}
	for v := range vec(16) {
		a.zero(v)
	}
	a.label("row")
	a.op("MOVD %v, %v", columns, left)
	a.label("pixel")
	for i := range vec(2) {
		at, low, high := 16+i, 18+i, 20+i
		a.read(x, 16*int(i), at)
		add := func(first vec) {
			for j, v := range []vec{low, high} {
				a.widening(32, false, v, first+2*vec(j))
				a.widening(32, true, v, first+2*vec(j)+1)
			}
		}
		a.two(0x2f08a400, "uxtl v%d.8h, v%d.8b", at, low)
		a.two(0x6f08a400, "uxtl2 v%d.8h, v%d.16b", at, high)
		add(4 * i)
		a.word(0x2e20c000|uint32(at)<<16|uint32(at)<<5|uint32(low), "umull v%d.8h, v%d.8b, v%d.8b", low, at, at)
		a.word(0x6e20c000|uint32(at)<<16|uint32(at)<<5|uint32(high), "umull2 v%d.8h, v%d.16b, v%d.16b", high, at, at)
		add(8 + 4*i)
	}
	a.addImm(32, x)
	a.countDown(left, "pixel")
	a.add(row, x)
	a.countDown(rows, "row")
	for v := range vec(16) {
		a.write(v, out, 16*int(v))
	}
	a.op("RET")
}

// quantize writes the kernel that turns groups of eight pixels of three planes into words of bytes,
// round(v*scale + shift) held to 0..255, a NaN becoming 0, as conversion to an integer has it. The fourth
// byte is 0.
func quantize(a *assembly) {
	a.function("quantize", "a", "turns groups of eight pixels of three planes into words of bytes.")
	src, dst, groups, tmp := free[:3], free[3], free[4], free[5]
	scale, shift, top, word := vec(0), vec(1), vec(2), vec(3)
	for i, r := range src {
		a.load(args, QuantizeSrc+8*i, r)
	}
	a.load(args, QuantizeDst, dst)
	a.load(args, QuantizeGroups, groups)
	for i, off := range []int{QuantizeScale, QuantizeShift} {
		a.op("ADD $%d, %v, %v", off, args, tmp)
		a.spread(tmp, []vec{scale, shift}[i])
	}
	a.op("MOVD $255, %v", tmp)
	a.op("VDUP %v, %v.S4", tmp, top)
	a.label("group")
	for half := range 2 {
		for i, r := range src {
			v := word + vec(i)
			a.read(r, 16*half, v)
			a.fmul(v, scale, v)
			a.fadd(v, shift, v)
			a.two(0x6e21a800, "fcvtnu v%d.4s, v%d.4s", v, v)
			a.three(0x6ea06c00, "umin", v, top, v)
			if i > 0 {
				a.word(0x6f205400|uint32(8*i)<<16|uint32(v)<<5|uint32(word), "sli v%d.4s, v%d.4s, #%d", word, v, 8*i)
			}
		}
		a.write(word, dst, 16*half)
	}
	for _, r := range append([]reg{dst}, src...) {
		a.addImm(32, r)
	}
	a.countDown(groups, "group")
	a.op("RET")
}
