package serve

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"math"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/npy"
)

// npy reads decoded pictures, upright, as an array of NumPy's: [N,H,W,3] or one picture's [H,W,3], red,
// green and blue of 0..255, in any type of numbers. Fractions are rounded.
func (p requestParser) npy(body []byte) (records []record, l layout, err error) {
	a, err := npy.NewArray(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, 0, badRequest("the array: %v", err)
	}
	shape, l := a.Shape(), layoutInstances
	if len(shape) == 3 {
		shape, l = append(npy.Shape{1}, shape...), layoutOne
	}
	if len(shape) != 4 || shape[3] != 3 || shape[1] < 1 || shape[2] < 1 {
		return nil, 0, badRequest("the array has the shape %v, want [N,H,W,3] or [H,W,3]: upright pictures of red, green "+
			"and blue", a.Shape())
	}
	n, pixels := shape[0], shape[1]*shape[2]
	if n > p.maxRecords {
		return nil, 0, p.tooMany()
	}
	if err := p.held.take(int64(n) * (recordBytes + 4*int64(pixels))); err != nil {
		return nil, 0, err
	}
	pictures := make([]*image.NRGBA, n)
	records = make([]record, n)
	for i := range records {
		pictures[i] = image.NewNRGBA(image.Rect(0, 0, shape[2], shape[1]))
		records[i].input = &inception.Input{Image: pictures[i]}
	}
	c := canvas{pictures: pictures, pixels: pixels, whole: true}
	err = a.Numbers(func(at int, values []float32) error {
		return errors.Join(p.ended(), c.paint(at, values))
	})
	var status *statusError
	if err != nil && p.ended() == nil && !errors.As(err, &status) {
		err = badRequest("the array: %v", err)
	}
	if err == nil && !c.whole && c.brightest <= 1 {
		err = badRequest("the array's values are fractions of at most 1, want 0 to 255: multiply them by 255")
	}
	return records, l, err
}

// canvas is pictures that are being made of red, green and blue.
type canvas struct {
	pictures  []*image.NRGBA
	pixels    int     // of each
	whole     bool    // no value was a fraction
	brightest float32 // value
}

// paint sets the values of all pictures, one behind the other, from the at-th on.
func (c *canvas) paint(at int, values []float32) error {
	pixel, channel := at/3, at%3
	picture, to := pixel/c.pixels, pixel%c.pixels*4
	pix := c.pictures[picture].Pix
	for i, v := range values {
		if !(v >= 0 && v <= math.MaxUint8) {
			return badRequest("value %d of the array is %g, want 0 to 255", at+i, v)
		}
		rounded := uint8(v + 0.5) // of 255 too, which has no half
		c.whole, c.brightest = c.whole && float32(rounded) == v, max(c.brightest, v)
		pix[to+channel] = rounded
		if channel++; channel < 3 {
			continue
		}
		pix[to+3], channel = math.MaxUint8, 0
		if to += 4; to == len(pix) && i+1 < len(values) {
			picture, to = picture+1, 0
			pix = c.pictures[picture].Pix
		}
	}
	return nil
}

// npy writes the probabilities [N,K] in the order of the classes, of float64, as an array of NumPy's. A
// picture that could not be read has NaN.
func (a responseWriter) npy(ctx context.Context, results []inception.Result) (answer, error) {
	classes := len(a.model.index)
	pieces := answer{npy.Header("<f8", len(results), classes)}
	for i := range results {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row := make([]byte, 0, 8*classes)
		if results[i].Err != nil {
			for range classes {
				row = binary.LittleEndian.AppendUint64(row, math.Float64bits(math.NaN()))
			}
		} else {
			row = a.model.probabilityBytes(row, &results[i])
		}
		pieces = append(pieces, row)
		results[i] = inception.Result{}
	}
	return pieces, nil
}

// probabilityBytes appends a result's probabilities in the order of the classes, little-endian.
func (m *model) probabilityBytes(b []byte, r *inception.Result) []byte {
	for _, v := range m.probabilities(r) {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}
