package kernel

import "math"

// Quantized says which numbers bytes stand for: (byte - Zero) * Step.
type Quantized struct {
	Step float32 // above 0
	Zero byte
}

// byteMagic is added to a number below 2^22 to round it half to even: the
// result's low bits are the integer.
const byteMagic = 3 << 22

// Quantize converts rows first to last of src, [c][H][W] with c of at most
// WordChannels, to the bytes of the thin tensor t of dst; unused channels get
// zeros. Numbers that q cannot stand for become its least or greatest, a NaN
// its least.
func Quantize(set Set, dst []float32, t Tensor, src []float32, c, first, last int, q Quantized) {
	inverse, shift := 1/q.Step, float32(q.Zero)
	to := octets(dst)
	done := 0 // pixels of each row
	if c == 3 && t.W >= 8 && set != Ref {
		for y := first; y < last; y++ {
			done = quantizeRow(dst[t.Off+y*t.Row:][:t.W], src[y*t.W:], t.H*t.W, inverse, shift)
		}
	}
	for i := range c {
		for y := first; y < last; y++ {
			row := to[4*(t.Off+y*t.Row+done):][:4*(t.W-done)]
			for x, v := range src[(i*t.H+y)*t.W+done:][:t.W-done] {
				v = float32(v*inverse) + shift
				if !(v > 0) {
					v = 0
				} else if v > 255 {
					v = 255
				}
				row[4*x+i] = byte(math.Float32bits(v + byteMagic))
			}
		}
	}
	for i := c; i < WordChannels; i++ {
		for y := first; y < last; y++ {
			row := to[4*(t.Off+y*t.Row+done):][:4*(t.W-done)]
			for x := range t.W - done {
				row[4*x+i] = 0
			}
		}
	}
}

// FillThinHalo sets the halo of the thin tensor t to zero as q has it.
func FillThinHalo(dst []float32, t Tensor, q Quantized) {
	fill := func(from, to int) {
		part := octets(dst[from:to])
		for i := range part {
			part[i] = q.Zero
		}
	}
	start := t.Off - t.Halo.Top*t.Row - t.Halo.Left
	fill(start, t.Off)
	for y := range t.H {
		end := t.Off + y*t.Row + t.W
		if y+1 < t.H {
			fill(end, t.Off+(y+1)*t.Row)
		} else {
			fill(end, start+t.Plane)
		}
	}
}

// Dequantize converts the tensor t of bytes of src to dst, [len(lanes)][H][W];
// lanes says where each channel lies. A step is what one is worth.
func Dequantize(dst, src []float32, t Tensor, lanes []int, step float32) {
	from := octets(src)
	for c, lane := range lanes {
		base := 4*(t.Off+lane/ByteBlock*t.Plane) + lane%ByteBlock
		for y := range t.H {
			row, to := from[base+4*y*t.Row:], dst[(c*t.H+y)*t.W:][:t.W]
			for x := range to {
				to[x] = float32(row[4*Block*x]) * step
			}
		}
	}
}

// MeanBytes averages channel blocks first to last of the tensor t of bytes over
// all pixels: float32(sum) * scale, to the tensor o of float32, [lanes][1][1]
// with a lane for each of t's.
func MeanBytes(set Set, dst []float32, o Tensor, src []float32, t Tensor, first, last int, scale float32) {
	all := cell{rows: t.H, columns: t.W}
	for b := first; b < last; b++ {
		var sum [2 * ByteBlock]uint32
		if set == Ref {
			byteSumsGo(&sum, src[t.Off+b*t.Plane:], &all, t.Row)
		} else {
			byteSumsAsm(&sum, src[t.Off+b*t.Plane:], &all, t.Row)
		}
		for c, v := range sum[:ByteBlock] {
			dst[o.Index(b*ByteBlock+c, 0, 0)] = float32(v) * scale
		}
	}
}
