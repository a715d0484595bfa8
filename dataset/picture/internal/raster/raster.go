package raster

// kernels do the first pixels of a row, as many as suit them, and return how
// many that were.
type kernels struct {
	blend    func(dst []int16, near, far []uint8, a, b int) int
	straight func(dst, cb, cr []int16, add, down int) int
	triangle func(dst, cb, cr []int16, even, odd, down int) int
	planes   func(r, g, b []float32, luma []uint8, pairs []int16) int
	pixels   func(dst, luma []uint8, pairs []int16) int
	across   func(dst, row []float32, left, right []int32, lerp []float32) int
	down     func(dst, top, bottom []float32, lerp, mean, std float32) int
}

// A Raster is a choice of kernels.
type Raster struct{ k kernels }

// New returns the fastest kernels of this processor.
func New() *Raster { return &Raster{best()} }

// Blend computes dst[i] = a*near[i] + b*far[i]; near and far are as long as dst.
// a + b is at most 4.
func (r *Raster) Blend(dst []int16, near, far []uint8, a, b int) {
	near, far = near[:len(dst)], far[:len(dst)]
	n := r.k.blend(dst, near, far, a, b)
	blend(dst[n:], near[n:], far[n:], a, b)
}

// Straight makes the chroma of pixels that have a sample each: dst, twice as long
// as cb and cr, gets (cb[i]+add)>>down - 128 and the same of cr, side by side.
// Samples are not below zero.
func (r *Raster) Straight(dst, cb, cr []int16, add, down int) {
	dst, cr = dst[:2*len(cb)], cr[:len(cb)]
	n := r.k.straight(dst, cb, cr, add, down)
	straight(dst[2*n:], cb[n:], cr[n:], add, down)
}

// Triangle makes the chroma of pixels that share a sample with one neighbour.
// cb and cr have one sample more on either side, so with n+2 samples dst has room
// for 2n pixels, two values each: of an even pixel
// (3*sample + the one before + even)>>down - 128, of an odd one
// (3*sample + the one behind + odd)>>down - 128. Samples are 0..1020.
func (r *Raster) Triangle(dst, cb, cr []int16, even, odd, down int) {
	dst, cr = dst[:4*(len(cb)-2)], cr[:len(cb)]
	n := r.k.triangle(dst, cb, cr, even, odd, down)
	triangle(dst[4*n:], cb[n:], cr[n:], even, odd, down)
}

// Planes converts a row of YCbCr, luma and the pairs that Straight and Triangle
// make, to red, green and blue, 0..255, by BT.601 in full range with 16 bits of
// fraction. The planes are as long as luma.
func (r *Raster) Planes(red, green, blue []float32, luma []uint8, pairs []int16) {
	l := len(luma)
	red, green, blue, pairs = red[:l], green[:l], blue[:l], pairs[:2*l]
	n := r.k.planes(red, green, blue, luma, pairs)
	planes(red[n:], green[n:], blue[n:], luma[n:], pairs[2*n:])
}

// Pixels converts the same to dst, four bytes a pixel: red, green, blue and 255.
func (r *Raster) Pixels(dst, luma []uint8, pairs []int16) {
	l := len(luma)
	dst, pairs = dst[:4*l], pairs[:2*l]
	n := r.k.pixels(dst, luma, pairs)
	pixels(dst[4*n:], luma[n:], pairs[2*n:])
}

// Across interpolates within a row: dst[i] = a + (b-a)*lerp[i], where a and b are
// row[left[i]] and row[right[i]]. The lists are as long as dst, and their
// indices within row, which the caller sees to.
func (r *Raster) Across(dst, row []float32, left, right []int32, lerp []float32) {
	l := len(dst)
	left, right, lerp = left[:l], right[:l], lerp[:l]
	n := r.k.across(dst, row, left, right, lerp)
	across(dst[n:], row, left[n:], right[n:], lerp[n:])
}

// Down interpolates between two rows as long as dst and scales:
// dst[i] = (top[i] + (bottom[i]-top[i])*lerp - mean) / std.
func (r *Raster) Down(dst, top, bottom []float32, lerp, mean, std float32) {
	top, bottom = top[:len(dst)], bottom[:len(dst)]
	n := r.k.down(dst, top, bottom, lerp, mean, std)
	down(dst[n:], top[n:], bottom[n:], lerp, mean, std)
}
