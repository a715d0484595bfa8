package kernel

import "fmt"

// Block is the number of channels stored side by side: one AVX register.
const Block = 8

// Blocks returns the number of channel blocks that hold c channels.
func Blocks(c int) int { return (c + Block - 1) / Block }

// Tensor describes where one image's activation lies in a slice of float32,
// [Blocks(C)][H][W][8] with the pitches given here. Element (c, y, x) is at
//
//	Off + c/8*Plane + y*Row + x*8 + c%8
type Tensor struct {
	C, H, W int // lanes in use, rows, columns
	Row     int // floats from one row to the next, at least 8*W
	Plane   int // floats from one channel block to the next
	Off     int // index of the first element, past the halo above and left of it
	Halo    Border
}

// Border counts rows and columns on the four sides of a plane.
type Border struct{ Top, Bottom, Left, Right int }

// Dense returns the tensor of c channels of h x w without a halo, at index 0.
func Dense(c, h, w int) Tensor {
	return Tensor{C: c, H: h, W: w, Row: w * Block, Plane: h * w * Block}
}

// Padded returns the tensor of c channels of h x w inside a halo. The slice it
// lives in starts with the halo and is Size floats long.
func Padded(c, h, w int, halo Border) Tensor {
	pitch := (w + max(halo.Left, halo.Right)) * Block
	// The first row needs its own left halo; every further one finds it in the
	// right halo of the row above. The last row's right halo ends the plane.
	return Tensor{
		C: c, H: h, W: w, Row: pitch, Halo: halo,
		Plane: (h+halo.Top+halo.Bottom)*pitch + halo.Left*Block,
		Off:   halo.Top*pitch + halo.Left*Block,
	}
}

// Size returns the number of floats that hold a tensor made by Dense or Padded.
func (t Tensor) Size() int { return Blocks(t.C) * t.Plane }

// Index returns the index of channel lane c at row y and column x.
func (t Tensor) Index(c, y, x int) int {
	return t.Off + c/Block*t.Plane + y*t.Row + x*Block + c%Block
}

// Slice returns the view of c lanes from channel block b on: one branch's part
// of a concatenation.
func (t Tensor) Slice(b, c int) Tensor {
	t.Off += b * t.Plane
	t.C = c
	return t
}

// At returns the tensor moved by n floats.
func (t Tensor) At(n int) Tensor {
	t.Off += n
	return t
}

// ZeroHalo writes zeros all around each plane of t.
func (t Tensor) ZeroHalo(data []float32) {
	if t.Halo == (Border{}) {
		return
	}
	left, right := t.Halo.Left*Block, t.Halo.Right*Block
	for b := range Blocks(t.C) {
		base := t.Off + b*t.Plane
		clear(data[base-t.Halo.Top*t.Row-left : base])
		for y := range t.H {
			end := base + y*t.Row + t.W*Block
			if y+1 < t.H {
				clear(data[end : base+(y+1)*t.Row])
			} else {
				clear(data[end : end+right])
			}
		}
		// The rows below, each with the right halo of the last one above.
		last := base + (t.H-1)*t.Row + t.W*Block
		clear(data[last : last+t.Halo.Bottom*t.Row+right])
	}
}

// Conv is a convolution prepared for one geometry. See the package comment.
type Conv interface {
	// Algorithm names the variant, e.g. "direct 6x16".
	Algorithm() string
	// Parts returns the number of independent parts of one image's work.
	Parts() int
	// Scratch returns the floats of private scratch that Run needs.
	Scratch() int
	// Run computes one part of one image. in and out are the slices that
	// Spec.In and Spec.Out describe.
	Run(part int, out, in, scratch []float32)
}

// Spec is a convolution to prepare:
//
//	out[o,y,x] = act(bias[o] + sum_{i,kh,kw} filter[o,i,kh,kw] *
//	             in[i, y*StrideH - PadTop + kh, x*StrideW - PadLeft + kw])
//
// where in is zero outside its plane. The direct convolution needs a halo that
// spells this out.
type Spec struct {
	In, Out          Tensor
	KH, KW           int
	StrideH, StrideW int
	PadTop, PadLeft  int
	Filter           []float32 // [Out.C, In.C, KH, KW], read while preparing only
	Bias             []float32 // [Out.C], nil for none
	ReLU             bool
	// Planar says that In is not blocked: element (c, y, x) is at
	// Off + c*Plane + y*Row + x. It is what the first layer reads.
	Planar bool
	// Pairs says that Out, and In unless it is Planar, are of bfloat16: C counts words of two lanes,
	// and Filter and Bias have a row for each of Out's lanes. Weights of a direct convolution are
	// rounded to bfloat16. Sets that do not have [Set.Pairs] refuse it.
	Pairs bool
	// Floats says of Pairs that In is of float32, one lane a channel. Only Winograd's tiles of two
	// dimensions take it, and the tile unit, which multiplies it as two bfloat16: the nearest one and that
	// of what it leaves.
	Floats bool
	// Rounded says that In and Filter are of float32 that bfloat16 can hold, and may be multiplied as
	// such, see [Set.Rounds].
	Rounded bool
	// Fine says of Pairs that the tile unit multiplies with weights of two bfloat16, the nearest one and that of
	// what it leaves, in twice the time.
	Fine bool
	// Alloc returns n zeros for packed weights; nil means the ordinary way.
	Alloc func(n int) []float32
	// Threads that compute, 0 for one: how the tile unit's work is divided.
	Threads int
}

// alloc returns n zeros that start at a cache line.
func (s *Spec) alloc(n int) []float32 {
	if s.Alloc != nil {
		return s.Alloc(n)
	}
	return aligned(n)
}

// Packed returns about how many floats a convolution's weights take once they are packed: by Winograd's
// tiling t, or as the direct convolution reads them if t is zero.
func (s *Spec) Packed(t Tiling) int {
	taps, outs := s.KH*s.KW, s.outs()
	if s.Planar {
		return Lines(Lines(outs) * taps * s.In.C)
	}
	if t != (Tiling{}) {
		points := newSide(t.H, s.KH, s.StrideH).n * newSide(t.W, s.KW, s.StrideW).n
		return (outs + winoWidth - 1) / winoWidth * points * s.inBlocks() * s.block() * winoWidth
	}
	floats := Blocks(s.Out.C) * s.block() * taps * Blocks(s.In.C) * Block
	if s.Rounded {
		floats /= PairChannels
	}
	return Lines(floats)
}

// ins returns the number of lanes of In.
func (s *Spec) ins() int {
	if s.Pairs && !s.Planar && !s.Floats {
		return PairChannels * s.In.C
	}
	return s.In.C
}

// inBlocks returns the number of channel blocks of In, as long as those of Out.
func (s *Spec) inBlocks() int { return (s.ins() + s.block() - 1) / s.block() }

// outs returns the number of lanes of Out.
func (s *Spec) outs() int {
	if s.Pairs {
		return PairChannels * s.Out.C
	}
	return s.Out.C
}

// block returns the number of lanes of a channel block of Out.
func (s *Spec) block() int {
	if s.Pairs {
		return PairBlock
	}
	return Block
}

// Validate reports what is wrong with s.
func (s *Spec) Validate() error {
	if s.KH < 1 || s.KW < 1 || s.StrideH < 1 || s.StrideW < 1 || s.PadTop < 0 || s.PadLeft < 0 {
		return fmt.Errorf("kernel: convolution %dx%d stride %dx%d padding %d,%d: sizes must be positive",
			s.KH, s.KW, s.StrideH, s.StrideW, s.PadTop, s.PadLeft)
	}
	if want := s.outs() * s.ins() * s.KH * s.KW; len(s.Filter) != want {
		return fmt.Errorf("kernel: convolution: filter has %d values, want %dx%dx%dx%d = %d",
			len(s.Filter), s.outs(), s.ins(), s.KH, s.KW, want)
	}
	if s.Bias != nil && len(s.Bias) != s.outs() {
		return fmt.Errorf("kernel: convolution: bias has %d values, want %d", len(s.Bias), s.outs())
	}
	return nil
}

// validateHalo reports whether the input's halo is too small to be read in
// place of the padding.
func (s *Spec) validateHalo() error {
	bottom := (s.Out.H-1)*s.StrideH + s.KH - s.PadTop - s.In.H
	right := (s.Out.W-1)*s.StrideW + s.KW - s.PadLeft - s.In.W
	if h := s.In.Halo; h.Top < s.PadTop || h.Left < s.PadLeft || h.Bottom < bottom || h.Right < right {
		return fmt.Errorf("kernel: convolution: the input's halo is %+v, want at least %d above, %d below, %d left, %d right",
			h, s.PadTop, max(bottom, 0), s.PadLeft, max(right, 0))
	}
	return nil
}
