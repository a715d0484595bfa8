package ptx

import "math"

func f32(v uint32) float32    { return math.Float32frombits(v) }
func bits32(v float32) uint32 { return math.Float32bits(v) }

// ofOne, ofTwo and ofThree are what instructions of words compute, for all lanes.
var ofOne = map[string]func(d, a *u32s){
	"cvt.rna.tf32.f32": func(d, a *u32s) {
		for l, v := range a {
			if v&0x7f800000 != 0x7f800000 {
				v += 0x1000 // to the nearest of 10 bits, ties away from zero
			}
			d[l] = v &^ 0x1fff
		}
	},
	"cvt.f32.f16": func(d, a *u32s) {
		for l, v := range a {
			d[l] = bits32(halves[uint16(v)])
		}
	},
	"cvt.rn.f32.s32": func(d, a *u32s) {
		for l, v := range a {
			d[l] = bits32(float32(int32(v)))
		}
	},
	"cvt.u16.u32": func(d, a *u32s) {
		for l, v := range a {
			d[l] = v & 0xffff
		}
	},
	"neg.f32": func(d, a *u32s) {
		for l, v := range a {
			d[l] = v ^ 1<<31
		}
	},
	"sqrt.rn.f32": func(d, a *u32s) {
		for l, v := range a {
			d[l] = bits32(float32(math.Sqrt(float64(f32(v)))))
		}
	},
	"ex2.approx.f32": func(d, a *u32s) {
		for l, v := range a {
			d[l] = bits32(float32(math.Exp2(float64(f32(v)))))
		}
	},
	"mov": func(d, a *u32s) { *d = *a },
	"not": func(d, a *u32s) {
		for l, v := range a {
			d[l] = ^v
		}
	},
	"neg.s32": func(d, a *u32s) {
		for l, v := range a {
			d[l] = -v
		}
	},
}

var ofTwo = map[string]func(d, a, b *u32s){
	"add": func(d, a, b *u32s) {
		for l := range d {
			d[l] = a[l] + b[l]
		}
	},
	"sub": func(d, a, b *u32s) {
		for l := range d {
			d[l] = a[l] - b[l]
		}
	},
	"mul.lo": func(d, a, b *u32s) {
		for l := range d {
			d[l] = a[l] * b[l]
		}
	},
	"and": func(d, a, b *u32s) {
		for l := range d {
			d[l] = a[l] & b[l]
		}
	},
	"or": func(d, a, b *u32s) {
		for l := range d {
			d[l] = a[l] | b[l]
		}
	},
	"xor": func(d, a, b *u32s) {
		for l := range d {
			d[l] = a[l] ^ b[l]
		}
	},
	"shl": func(d, a, b *u32s) {
		for l := range d {
			d[l] = a[l] << b[l]
		}
	},
	"shr.u32": func(d, a, b *u32s) {
		for l := range d {
			d[l] = a[l] >> b[l]
		}
	},
	"shr.s32": func(d, a, b *u32s) {
		for l := range d {
			d[l] = uint32(int32(a[l]) >> b[l])
		}
	},
	"min.s32": func(d, a, b *u32s) {
		for l := range d {
			d[l] = uint32(min(int32(a[l]), int32(b[l])))
		}
	},
	"max.s32": func(d, a, b *u32s) {
		for l := range d {
			d[l] = uint32(max(int32(a[l]), int32(b[l])))
		}
	},
	"div.s32": func(d, a, b *u32s) {
		for l := range d {
			if b[l] == 0 {
				d[l] = full
			} else {
				d[l] = uint32(int32(a[l]) / int32(b[l]))
			}
		}
	},
	"rem.s32": func(d, a, b *u32s) {
		for l := range d {
			if b[l] == 0 {
				d[l] = full
			} else {
				d[l] = uint32(int32(a[l]) % int32(b[l]))
			}
		}
	},
	"add.f32": func(d, a, b *u32s) {
		for l := range d {
			d[l] = bits32(f32(a[l]) + f32(b[l]))
		}
	},
	"sub.f32": func(d, a, b *u32s) {
		for l := range d {
			d[l] = bits32(f32(a[l]) - f32(b[l]))
		}
	},
	"mul.f32": func(d, a, b *u32s) {
		for l := range d {
			d[l] = bits32(f32(a[l]) * f32(b[l]))
		}
	},
	"div.rn.f32": func(d, a, b *u32s) {
		for l := range d {
			d[l] = bits32(f32(a[l]) / f32(b[l]))
		}
	},
	"max.NaN.f32": func(d, a, b *u32s) {
		for l := range d {
			d[l] = bits32(max(f32(a[l]), f32(b[l]))) // Go's max of a NaN is one
		}
	},
	"cvt.rn.f16x2.f32": func(d, a, b *u32s) { // the first goes to the upper half
		for l := range d {
			d[l] = uint32(toHalf(f32(a[l])))<<16 | uint32(toHalf(f32(b[l])))
		}
	},
	"cvt.rn.bf16x2.f32": func(d, a, b *u32s) {
		for l := range d {
			d[l] = uint32(toBrain(a[l]))<<16 | uint32(toBrain(b[l]))
		}
	},
}

var ofThree = map[string]func(d, a, b, c *u32s){
	"fma.rn.f32": func(d, a, b, c *u32s) {
		for l := range d {
			d[l] = bits32(fma(f32(a[l]), f32(b[l]), f32(c[l])))
		}
	},
	"mad.lo": func(d, a, b, c *u32s) {
		for l := range d {
			d[l] = a[l]*b[l] + c[l]
		}
	},
	"bfe.u32": func(d, a, b, c *u32s) {
		for l := range d {
			d[l] = a[l] >> (b[l] & 255) & (1<<(c[l]&255) - 1)
		}
	},
}

// fma is a*b+c rounded once. The product is exact in float64; where the sum was rounded onto the
// middle between two float32, what it lost decides.
func fma(a, b, c float32) float32 {
	p, z := float64(a)*float64(b), float64(c)
	s := p + z
	if math.Float64bits(s)&(1<<29-1) != 1<<28 {
		return float32(s)
	}
	t := s - p // the error of the sum, exactly
	lost := (p - (s - t)) + (z - t)
	switch {
	case lost > 0:
		s = math.Nextafter(s, math.Inf(1))
	case lost < 0:
		s = math.Nextafter(s, math.Inf(-1))
	}
	return float32(s)
}

// halves are the values of all float16.
var halves = func() *[1 << 16]float32 {
	t := new([1 << 16]float32)
	for i := range t {
		exponent, fraction := i>>10&31, float64(i&1023)
		v := math.Ldexp(1+fraction/1024, exponent-15)
		switch {
		case exponent == 0:
			v = math.Ldexp(fraction, -24)
		case exponent == 31 && fraction == 0:
			v = math.Inf(1)
		case exponent == 31:
			v = math.NaN()
		}
		t[i] = float32(math.Copysign(v, float64(0.5-float64(i>>15))))
	}
	return t
}()

// toHalf rounds to the nearest float16, ties to even.
func toHalf(v float32) uint16 {
	b := bits32(v)
	sign, b := uint16(b>>16&0x8000), b&0x7fffffff
	switch {
	case b > 0x7f800000:
		return 0x7fff
	case b < 113<<23: // below the least normal: a multiple of 2^-24
		return sign | uint16(math.RoundToEven(float64(f32(b))*(1<<24)))
	}
	b += 0xfff + b>>13&1
	return sign | uint16(min((b-112<<23)>>13, 0x7c00))
}

// toBrain rounds the float32 of bits b to the nearest bfloat16, ties to even.
func toBrain(b uint32) uint16 {
	if b&0x7fffffff > 0x7f800000 {
		return 0x7fff
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
