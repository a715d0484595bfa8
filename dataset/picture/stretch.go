package picture

import "image"

// Largest returns the largest value of a picture's colours; deep is false for one of 8 bits a
// sample.
func Largest(img image.Image) (largest uint16, deep bool) {
	pix, step := deepPix(img)
	for i := 0; i+1 < len(pix); i += 2 {
		if step == 8 && i%8 == 6 {
			continue // alpha
		}
		largest = max(largest, uint16(pix[i])<<8|uint16(pix[i+1]))
	}
	return largest, step > 0
}

// deepPix returns the samples of a picture of 16 bits, and how many bytes a pixel has; 0 for
// others.
func deepPix(img image.Image) (pix []uint8, step int) {
	switch m := img.(type) {
	case *image.Gray16:
		return m.Pix, 2
	case *image.RGBA64:
		return m.Pix, 8
	case *image.NRGBA64:
		return m.Pix, 8
	}
	return nil, 0
}

// stretch gives a picture of 16 bits a sample its whole range, by Largest: what is as bright as
// that becomes white. Nothing else changes, so that pictures of 8 bits keep their levels.
func stretch(img image.Image) {
	largest, deep := Largest(img)
	if !deep || largest == 0 || largest == 0xffff {
		return
	}
	if m, ok := img.(*image.RGBA64); ok && !m.Opaque() {
		return // alpha is in its colours
	}
	pix, step := deepPix(img)
	for i := 0; i+1 < len(pix); i += 2 {
		if step == 8 && i%8 == 6 {
			continue
		}
		v := (uint32(pix[i])<<8 | uint32(pix[i+1])) * 0xffff / uint32(largest)
		pix[i], pix[i+1] = uint8(v>>8), uint8(v)
	}
}
