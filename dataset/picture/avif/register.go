//go:build nodynamic

package avif

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"

	"github.com/gen2brain/avif"

	"github.com/c236555e/rehead/dataset/picture"
)

// Register adds AVIF to the formats that picture.Decode reads; a second call is an error.
func Register() error {
	return picture.Register(picture.Format{Name: name, Match: match, Config: config,
		Decode:     checked(sandboxed(avif.Decode, 2)),
		PixelBytes: pixelBytes})
}

// decoder is picture.Format's Decode.
type decoder = func(context.Context, []byte) (image.Image, error)

// checked is a decoder whose picture was decoded: of damaged pixels the library returns what lay in
// memory and no error. An opaque picture has no transparent pixel then, any other one that is not.
func checked(decode decoder) decoder {
	return func(ctx context.Context, data []byte) (image.Image, error) {
		s, err := readStill(data)
		if err != nil {
			return nil, err
		}
		img, err := decode(ctx, data)
		if err != nil {
			return nil, err
		}
		if most, least := alphas(img); most == 0 || s.opaque && least < 255 {
			return nil, errors.New("the decoder found no picture in it")
		}
		return img, nil
	}
}

// alphas are the largest and the least alpha of a picture of the kinds that the library returns, in 8
// bits.
func alphas(img image.Image) (most, least uint8) {
	var pix []uint8
	first, step := 3, 4
	switch m := img.(type) {
	case *image.RGBA:
		pix = m.Pix
	case *image.RGBA64:
		pix, first, step = m.Pix, 6, 8
	}
	least = 255
	for i := first; i < len(pix); i += step {
		most, least = max(most, pix[i]), min(least, pix[i])
	}
	return most, least
}

// sandboxed runs a decoder, at most so many at a time. One that goes on when its context has ended
// keeps its turn.
func sandboxed(f func(io.Reader) (image.Image, error), most int) decoder {
	type result struct {
		img image.Image
		err error
	}
	turn := make(chan struct{}, most)
	return func(ctx context.Context, data []byte) (image.Image, error) {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		done := make(chan result, 1)
		go func() {
			var r result
			defer func() {
				if p := recover(); p != nil {
					r = result{err: fmt.Errorf("the decoder gave up: %v", p)}
				}
				done <- r
				<-turn
			}()
			r.img, r.err = f(bytes.NewReader(data))
		}()
		select {
		case r := <-done:
			return r.img, r.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
