package convert

import "math"

// stem2015 is what the weights and the biases of the first layer of Inception-2015-12-05 add up to, with batch
// norm folded in. pytorch-fid's network has them, other networks of these names were trained from other numbers,
// and who fine-tunes a network mostly leaves its first layer.
var stem2015 = [2]sum{{389.327041, 86.193525}, {84.371587, 416.492629}}

// sum has squares, and values weighted by 1 to 97 in turn.
type sum struct{ square, turns float64 }

// near2015 is how far sums may lie from each other, of themselves: float32's rounding and another order.
const near2015 = 1e-4

// from2015 reports whether the network's first layer is that of Inception-2015-12-05.
func (src *source) from2015() bool {
	u := src.units["Conv2d_1a_3x3"]
	if u == nil {
		return false
	}
	shape, err := u.shape()
	if err != nil || shape != [4]int{32, 3, 3, 3} {
		return false
	}
	w, b, err := u.fold(shape)
	if err != nil {
		return false
	}
	for i, v := range [][]float32{w, b} {
		var s sum
		for k, x := range v {
			s.square += float64(x) * float64(x)
			s.turns += float64(x) * float64(1+k%97)
		}
		want := stem2015[i]
		if !(math.Abs(s.square-want.square) <= near2015*want.square) ||
			!(math.Abs(s.turns-want.turns) <= near2015*want.turns) {
			return false
		}
	}
	return true
}
