package jpeg

import "encoding/binary"

// transform multiplies a block by its quantization steps, applies the inverse
// DCT, and writes the 8x8 pixels to dst, whose rows are stride apart.
type transform func(b, quant *block, dst []uint8, stride int)

// Constants of the inverse DCT: cosines and sines of multiples of pi/16 in fixed
// point; the number behind the name is how many bits of fraction they have.
const (
	cos1at12 = 4017
	sin1at12 = 799
	cos3at12 = 3406
	sin3at12 = 2276

	// divided by the square root of 2
	cos6at12 = 1108
	sin6at12 = 2676
	cos6at18 = 70936
	sin6at18 = 171254

	// 1 over the square root of 2
	halfAt8  = 181
	halfAt14 = 11585
)

// rotate turns x, y by the angle whose cosine and sine are given, and scales.
func rotate(x, y, cos, sin int32) (int32, int32) { return x*cos - y*sin, x*sin + y*cos }

// butterfly returns the sum and the difference.
func butterfly(x, y int32) (sum, difference int32) { return x + y, x - y }

// plainTransform is the transform in Go. As image/jpeg it goes through the rows
// first, so that the integers are cut in the same places.
func plainTransform(b, quant *block, dst []uint8, stride int) {
	var v block
	for i := range v {
		v[i] = b[i] * quant[i]
	}
	for y := range 8 {
		c := v[y : y+57 : y+57]
		c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56] = alongRow(c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56])
	}
	for x := range 8 {
		c := (*[8]int32)(v[8*x:])
		c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7] = alongColumn(c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7])
	}
	for y := range 8 {
		row := dst[y*stride:][:8]
		for x := range row {
			row[x] = pixel(v[8*x+y])
		}
	}
}

// alongRow transforms a row to values with 20 bits of fraction.
func alongRow(x0, x1, x2, x3, x4, x5, x6, x7 int32) (y0, y1, y2, y3, y4, y5, y6, y7 int32) {
	a, c := butterfly(x0<<17, x4<<17)
	d, e := rotate(x2, x6, cos6at18, sin6at18)
	even0, even3 := butterfly(a, e)
	even1, even2 := butterfly(c, d)

	f, g := butterfly(x1<<7, x7<<7)
	h, i := butterfly(f, x3*halfAt8)
	j, k := butterfly(g, x5*halfAt8)
	odd0, odd3 := rotate(j>>2, h>>2, cos3at12, sin3at12)
	odd1, odd2 := rotate(i>>2, k>>2, cos1at12, sin1at12)

	y0, y7 = butterfly(even0, odd3)
	y1, y6 = butterfly(even1, odd2)
	y2, y5 = butterfly(even2, odd1)
	y3, y4 = butterfly(even3, odd0)
	return y0, y1, y2, y3, y4, y5, y6, y7
}

// alongColumn transforms a column of such values to pixels, less 128.
func alongColumn(x0, x1, x2, x3, x4, x5, x6, x7 int32) (y0, y1, y2, y3, y4, y5, y6, y7 int32) {
	a, c := butterfly(x0+1<<19, x4) // a half, for rounding
	d, e := rotate(x2>>13, x6>>13, cos6at12, sin6at12)
	even0, even3 := butterfly(a>>2, e)
	even1, even2 := butterfly(c>>2, d)

	f, g := butterfly(x1, x7)
	h, i := butterfly(f, x3>>13*halfAt14)
	j, k := butterfly(g, x5>>13*halfAt14)
	odd0, odd3 := rotate(j>>14, h>>14, cos3at12, sin3at12)
	odd1, odd2 := rotate(i>>14, k>>14, cos1at12, sin1at12)

	y0, y7 = butterfly(even0, odd3)
	y1, y6 = butterfly(even1, odd2)
	y2, y5 = butterfly(even2, odd1)
	y3, y4 = butterfly(even3, odd0)
	return y0 >> 18, y1 >> 18, y2 >> 18, y3 >> 18, y4 >> 18, y5 >> 18, y6 >> 18, y7 >> 18
}

// pixel shifts a level by 128 and clips it.
func pixel(v int32) uint8 { return uint8(max(min(v, 127), -128) + 128) }

// flat writes the pixels of a block whose only coefficient is the first.
func flat(dc int32, dst []uint8, stride int) {
	v := uint64(pixel((dc<<17+1<<19)>>2>>18)) * 0x0101010101010101
	for y := range 8 {
		binary.LittleEndian.PutUint64(dst[y*stride:], v)
	}
}
