package kernel

import (
	"errors"
	"math"
	"unsafe"
)

// Activations of bfloat16 lie in the same tensors as those of float32: a word of 32 bits then holds
// two neighbouring channels of one pixel, the even one in its lower half, and a channel block 16
// channels. C of a [Tensor] counts words. Sums are float32.
//
// What they compute is what the float32 kernels of any set with assembly compute, bit for bit, when
// those read values of bfloat16, and weights where these are multiplied in pairs, take the odd channel
// of a pair before the even one, and have their results rounded; but numbers below 2^-126 count as zero
// here. So a set without these kernels has the same results from float32's, on lanes that change places
// ([PairLane]), and [RoundBFloat16].
const (
	// PairChannels is the number of channels of bfloat16 in a word.
	PairChannels = 2
	// PairBlock is the number of channels of bfloat16 in a channel block.
	PairBlock = Block * PairChannels

	pairWords = Block / 4 // that a micro-kernel takes at a time
)

// PairLane returns the lane of channel c that makes float32 kernels add up as those of bfloat16 do.
func PairLane(c int) int { return c ^ 1 }

// Pairs reports whether the set computes with bfloat16 itself.
func (s Set) Pairs() bool { return s.level == levelAVX512 && hasDotPairs() }

// Rounds reports whether the set multiplies values of float32 that bfloat16 can hold in matrix products of
// bfloat16 (BFMMLA), where [Spec.Rounded] says that they are such: in the direct convolution of what is not
// planar. Sums are float32, but rounded otherwise than everywhere else: those of two neighbouring channels'
// products are added up first, that sum is added to the rest, and both sums are rounded to odd, the lowest
// bit set where anything was lost. So a sum of n products and a bias is off by at most (n+1)*2^-23 of the
// sum of the magnitudes, twice what others are. Numbers below 2^-126 count as zero.
func (s Set) Rounds() bool { return s.unit == unitBoth }

// OwnSums reports whether the set's sums of bfloat16 are rounded otherwise than those of all others in
// assembly: it Rounds, or has tiles, which add up even and odd products apart, each rounded once, 16 of
// them at a time, and are off by no more.
func (s Set) OwnSums() bool { return s.Rounds() || s.PairTiles() }

// PairTiles reports whether the tile unit multiplies bfloat16.
func (s Set) PairTiles() bool { return s.unit == unitTiles && hasPairTiles() }

var errNoPairs = errors.New("kernel: convolution of bfloat16: these kernels have none: use those of float32 and round")

var errTogether = errors.New("kernel: convolutions of one input: these kernels compute one at a time")

var errFloats = errors.New("kernel: convolution that reads float32 and writes bfloat16: choose one of its tilings")

// validatePairs reports whether the set lacks what s asks for.
func (s *Spec) validatePairs(set Set) error {
	if s.Pairs && !set.Pairs() {
		return errNoPairs
	}
	if s.Floats && !s.Pairs {
		return errFloats
	}
	return nil
}

// BFloat16 returns the bfloat16 nearest to v, half to even, as the upper half of a float32's bits.
// Numbers below 2^-126 become zeros.
func BFloat16(v float32) uint16 {
	b := math.Float32bits(v)
	switch {
	case v != v:
		return uint16(b>>16) | 0x40
	case b&0x7f800000 == 0:
		return uint16(b>>16) & 0x8000
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// roundBFloat16 returns v as a bfloat16 has it.
func roundBFloat16(v float32) float32 { return math.Float32frombits(uint32(BFloat16(v)) << 16) }

// packRounded lays out one panel of bfloat16 as matrix products read it: [taps][2 halves of a
// block][outputs][4].
func (d *direct) packRounded(s *Spec, p panel) {
	area := s.KH * s.KW
	to := halves(d.w[p.w:])
	for o := range min(p.width, s.Out.C-p.first) {
		row := s.Filter[(p.first+o)*s.In.C*area:][:s.In.C*area]
		for i := range s.In.C {
			for t := range area {
				k := 2*(i/Block*area+t) + i%Block/4
				to[(k*p.width+o)*4+i%4] = BFloat16(row[i*area+t])
			}
		}
	}
}

// RoundBFloat16 writes from, a tensor of float32 of src, to the tensor to of dst as bfloat16 has it.
func RoundBFloat16(set Set, dst []float32, to Tensor, src []float32, from Tensor, first, last int) {
	for b := first; b < last; b++ {
		for y := range from.H {
			row, values := dst[to.Off+b*to.Plane+y*to.Row:][:to.W*Block], src[from.Off+b*from.Plane+y*from.Row:]
			if set.level == levelNEON {
				roundRow(row, values[:len(row)])
				continue
			}
			for i, v := range values[:len(row)] {
				row[i] = roundBFloat16(v)
			}
		}
	}
}

// RoundWeights returns w as bfloat16 has it.
func RoundWeights(w []float32) []float32 {
	r := make([]float32, len(w))
	for i, v := range w {
		r[i] = roundBFloat16(v)
	}
	return r
}

// halves views words as the bfloat16 that they hold.
func halves(words []float32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(words))), PairChannels*len(words))
}

// widen returns a bfloat16 as float32.
func widen(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// packPairs lays out one panel of bfloat16: [taps][depth][outputs][2].
func (d *direct) packPairs(s *Spec, p panel) {
	area, ins := s.KH*s.KW, s.ins()
	to := halves(d.w[p.w:])
	for o := range min(p.width, s.outs()-p.first) {
		row := s.Filter[(p.first+o)*ins*area:][:ins*area]
		for i := range ins {
			half, word := i/(PairBlock/2), i%(PairBlock/2)/PairChannels
			for t := range area {
				k := (half*area+t)*Block/2 + word
				to[(k*p.width+o)*PairChannels+i%PairChannels] = BFloat16(row[i*area+t])
			}
		}
	}
}

// UnpackPairs converts the first c channels of src, [c][H][W], to the tensor t of bfloat16 of dst.
// Lanes beyond c become zero.
func UnpackPairs(dst []float32, t Tensor, src []float32, c int) {
	to := halves(dst)
	for b := range Blocks(t.C) {
		for y := range t.H {
			row := to[PairChannels*(t.Off+b*t.Plane+y*t.Row):][:t.W*PairBlock]
			clear(row)
			for i := range min(PairBlock, c-b*PairBlock) {
				for x, v := range src[((b*PairBlock+i)*t.H+y)*t.W:][:t.W] {
					row[x*PairBlock+i] = BFloat16(v)
				}
			}
		}
	}
}

// PackPairs converts the tensor t of bfloat16 of src to dst, [len(lanes)][H][W]; lanes says where
// each channel lies.
func PackPairs(dst, src []float32, t Tensor, lanes []int) {
	from := halves(src)
	for c, lane := range lanes {
		base := PairChannels*(t.Off+lane/PairBlock*t.Plane) + lane%PairBlock
		for y := range t.H {
			row, to := from[base+PairChannels*y*t.Row:], dst[(c*t.H+y)*t.W:][:t.W]
			for x := range to {
				to[x] = widen(row[PairBlock*x])
			}
		}
	}
}

// joinBlocks copies n pixels of two channel blocks, even and odd of eight lanes each, to vectors of
// sixteen. odd may be empty: zeros.
func joinBlocks(to, even, odd []float32, n int) {
	to, even = to[:n*2*Block], even[:n*Block]
	if len(odd) == 0 {
		for len(even) >= Block {
			copy(to[:Block], even)
			clear(to[Block : 2*Block])
			to, even = to[2*Block:], even[Block:]
		}
		return
	}
	for odd = odd[:n*Block]; len(even) >= Block; to, even, odd = to[2*Block:], even[Block:], odd[Block:] {
		*(*[Block]float32)(to) = *(*[Block]float32)(even)
		*(*[Block]float32)(to[Block:]) = *(*[Block]float32)(odd)
	}
}

// MeanPairs averages channel blocks first to last of the tensor t of bfloat16 over all pixels, to the
// tensor o of float32, [lanes][1][1], where the lanes of a pair change places.
func MeanPairs(dst []float32, o Tensor, src []float32, t Tensor, first, last int) {
	from, scale := halves(src), 1/float32(t.H*t.W)
	for b := first; b < last; b++ {
		var sum [PairBlock]float32
		for y := range t.H {
			row := from[PairChannels*(t.Off+b*t.Plane+y*t.Row):][:t.W*PairBlock]
			for ; len(row) >= PairBlock; row = row[PairBlock:] {
				for c, h := range row[:PairBlock] {
					sum[c] += widen(h)
				}
			}
		}
		for c, v := range sum[:min(PairBlock, o.C-b*PairBlock)] {
			dst[o.Index(PairLane(b*PairBlock+c), 0, 0)] = v * scale
		}
	}
}

// widenBlock converts channel block b of the tensor t of bfloat16 of src to two of float32 in dst,
// [2][H][W][8]: the eight lower lanes, then the upper ones.
func widenBlock(dst, src []float32, t Tensor, b int) {
	from, size := halves(src), t.H*t.W*Block
	for y := range t.H {
		row := from[PairChannels*(t.Off+b*t.Plane+y*t.Row):][:t.W*PairBlock]
		low, high := dst[y*t.W*Block:][:t.W*Block], dst[size+y*t.W*Block:][:t.W*Block]
		for len(low) >= Block {
			for i, h := range row[:Block] {
				low[i] = widen(h)
			}
			for i, h := range row[Block:PairBlock] {
				high[i] = widen(h)
			}
			row, low, high = row[PairBlock:], low[Block:], high[Block:]
		}
	}
}
