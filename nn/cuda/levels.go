package cuda

import "math"

// levels are, of each channel of the input, the 256 numbers that bytes stand for.
type levels [][256]float32

// encode writes the bytes that stand for an image's values [C,H*W], unless a value is none of the levels,
// to the bit.
func (l levels) encode(to []byte, image []float32) bool {
	area := len(to) / len(l)
	for c := range l {
		of, plane, bytes := &l[c], image[c*area:][:area], to[c*area:][:area]
		// Those of a recipe are evenly spaced, but for rounding. Of others no byte may be found.
		scale := 255 / (of[255] - of[0])
		shift := 0.5 - of[0]*scale
		for i, v := range plane {
			b := int32(v*scale + shift)
			if uint32(b) > 255 || math.Float32bits(of[b]) != math.Float32bits(v) {
				return false
			}
			bytes[i] = byte(b)
		}
	}
	return true
}
