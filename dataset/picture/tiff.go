package picture

import (
	"context"
	"image"

	"github.com/c236555e/rehead/dataset/picture/internal/tiff"
)

// decodeTIFF decodes the first picture of a TIFF.
func decodeTIFF(ctx context.Context, data []byte) (image.Image, error) {
	return tiff.Decode(ctx, data, func(img image.Image) *image.NRGBA {
		s := pool.Get().(*scratch)
		defer func() {
			s.rows.img = nil
			pool.Put(s)
		}()
		out := new(image.NRGBA)
		s.rows.init(img)
		s.rows.fill(out, image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()), s)
		return out
	})
}
