package picture

import (
	"context"
	"image"

	"github.com/c236555e/rehead/dataset/picture/internal/tiff"
)

// decodeTIFF decodes the first picture of a TIFF.
func decodeTIFF(ctx context.Context, data []byte) (image.Image, error) {
	return tiff.Decode(ctx, data, opaque)
}
