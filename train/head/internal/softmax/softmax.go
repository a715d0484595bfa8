package softmax

import "math"

// Lanes is what rows are multiples of.
const Lanes = 8

// Pad is the bias of what is beyond the last label.
const Pad = -1e30

// Row writes the exponentials of u + b, less the largest of them, to dst, which may be u: the largest
// is top, and others is the sum of the exponentials but for top's own 1, which would hide them. The
// three are equally long, a multiple of Lanes; anything else panics.
func Row(dst, u, b []float32) (top, others float32) {
	n := len(dst)
	if n == 0 || n%Lanes != 0 || len(u) != n || len(b) != n {
		panic("softmax: rows of different lengths, or not of a multiple of eight")
	}
	var most [Lanes]float32
	addBias(dst, u, b, &most)
	top = most[0]
	for _, v := range most[1:] {
		if v > top {
			top = v
		}
	}
	var sums [2 * Lanes]float32
	exponentials(dst, top, &sums)
	for _, v := range sums[:Lanes] {
		others += v
	}
	tops := float32(-1)
	for _, v := range sums[Lanes:] {
		tops += v
	}
	return top, others + max(tops, 0)
}

// Scale multiplies u by a number and adds the products to sums, which is as long, a multiple of Lanes;
// anything else panics.
func Scale(u []float32, by float32, sums []float64) {
	if len(u)%Lanes != 0 || len(sums) != len(u) {
		panic("softmax: sums of another length, or not of a multiple of eight")
	}
	if len(u) > 0 {
		scale(u, by, sums)
	}
}

// The plain-Go kernels, which are what the others compute. Products are rounded before they are
// added.

func addBiasGo(dst, u, b []float32, most *[Lanes]float32) {
	for l := range most {
		most[l] = float32(math.Inf(-1))
	}
	for j, v := range u {
		v += b[j]
		if dst[j] = v; v > most[j%Lanes] {
			most[j%Lanes] = v
		}
	}
}

func exponentialsGo(u []float32, top float32, sums *[2 * Lanes]float32) {
	for j, v := range u {
		v -= top
		e := Exp(v)
		if u[j] = e; v == 0 {
			sums[Lanes+j%Lanes]++
		} else {
			sums[j%Lanes] += e
		}
	}
}

func scaleGo(u []float32, by float32, sums []float64) {
	for j, v := range u {
		v *= by
		u[j] = v
		sums[j] += float64(v)
	}
}

// Exp is exp of x, 0 or less, within 2e-7 of itself; 0 where that is below 1e-37: Cephes'
// polynomial after taking off the multiples of ln 2.
func Exp(x float32) float32 {
	if !(x > -86) {
		if x != x {
			return x
		}
		return 0
	}
	n := int32(float32(x*math.Log2E) - 0.5)
	k := float32(n)
	r := x - float32(k*0.693359375) + float32(k*2.12194440e-4)
	p := float32(1.9875691500e-4)
	p = float32(p*r) + 1.3981999507e-3
	p = float32(p*r) + 8.3334519073e-3
	p = float32(p*r) + 4.1665795894e-2
	p = float32(p*r) + 1.6666665459e-1
	p = float32(p*r) + 5.0000001201e-1
	p = float32(float32(p*r)*r) + r + 1
	return p * math.Float32frombits(uint32(n+127)<<23)
}
