package picture

import (
	"fmt"
	"math"
)

// MaxViews is how many fixed views there are of an input: the picture and its centre and corners at
// two scales, each as it is and mirrored.
const MaxViews = 2 + 2*2*5

// FixedView writes view k, 0..MaxViews-1, of an input [3,Size,Size] as a recipe makes it to dst, of the
// same length: 0 is the input itself and 1 its mirror image; from 2 on come seven eighths of its sides
// from the centre and the four corners, then three quarters, each followed by its mirror image. A
// part is enlarged to the whole, bilinear between the centres of pixels. Unlike those of an
// [Augment], these views are made of pixels that are scaled already, and are the same for every
// picture. Another k, size or length is refused.
func FixedView(k, size int, input, dst []float32) error {
	if k < 0 || k >= MaxViews {
		return fmt.Errorf("dataset: fixed view: got number %d, want 0 to %d", k, MaxViews-1)
	}
	if want := 3 * size * size; size < 1 || size > math.MaxInt16 || len(input) != want || len(dst) != want {
		return fmt.Errorf("dataset: fixed view: got an input of %d values and room for %d, want [3,%d,%d] of both",
			len(input), len(dst), size, size)
	}
	if k < 2 {
		copy(dst, input)
	} else {
		side := [2]float64{7. / 8, 3. / 4}[(k-2)/10]
		at := [5][2]float64{{0.5, 0.5}, {0, 0}, {1, 0}, {0, 1}, {1, 1}}[(k-2)%10/2]
		room := (1 - side) * float64(size)
		enlarge(input, dst, size, side, [2]float64{at[0] * room, at[1] * room})
	}
	if k%2 == 1 {
		mirror(dst, size)
	}
	return nil
}

// enlarge writes to dst the part of each plane of input that begins at x,y and has so much of its sides.
func enlarge(input, dst []float32, size int, side float64, from [2]float64) {
	type tap struct {
		at   [2]int
		part float32
	}
	var taps [2][]tap
	for axis := range taps {
		for i := range size {
			u := min(max(from[axis]+(float64(i)+0.5)*side-0.5, 0), float64(size-1))
			low := int(math.Floor(u))
			taps[axis] = append(taps[axis], tap{[2]int{low, min(low+1, size-1)}, float32(u - float64(low))})
		}
	}
	for p := 0; p < len(input); p += size * size {
		for y, v := range taps[1] {
			upper, lower := input[p+v.at[0]*size:][:size], input[p+v.at[1]*size:][:size]
			row := dst[p+y*size:][:size]
			for x, h := range taps[0] {
				above := upper[h.at[0]] + h.part*(upper[h.at[1]]-upper[h.at[0]])
				below := lower[h.at[0]] + h.part*(lower[h.at[1]]-lower[h.at[0]])
				row[x] = above + v.part*(below-above)
			}
		}
	}
}

// LoadView makes [FixedView] k of an encoded picture, as r.Load makes the picture's own input.
func (r Recipe) LoadView(data []byte, lim Limits, k int, dst []float32) error {
	if k == 0 {
		_, err := r.Load(data, lim, dst)
		return err
	}
	whole := make([]float32, len(dst))
	if _, err := r.Load(data, lim, whole); err != nil {
		return err
	}
	return FixedView(k, r.Size, whole, dst)
}
