package picture

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"math"

	"golang.org/x/image/bmp"

	"github.com/c236555e/rehead/dataset/picture/internal/tiff"
)

// pngConfig reads the dimensions of a PNG; those too large for image/png are handed on, so that the
// pixel limit refuses them.
func pngConfig(data []byte) (width, height int, err error) {
	width, height, err = std(png.DecodeConfig)(data)
	if err != nil && len(data) >= 24 && string(data[12:16]) == "IHDR" {
		w, h := binary.BigEndian.Uint32(data[16:]), binary.BigEndian.Uint32(data[20:])
		if uint64(w)*uint64(h) > math.MaxInt32 && w <= math.MaxInt32 && h <= math.MaxInt32 {
			return int(w), int(h), nil
		}
	}
	return width, height, err
}

// bmpConfig reads the dimensions of a BMP.
func bmpConfig(data []byte) (width, height int, err error) { return std(bmp.DecodeConfig)(data) }

// bmpReason says why golang.org/x/image/bmp does not read this BMP.
func bmpReason(data []byte) string {
	if len(data) < 34 {
		return "an old kind of header"
	}
	header := binary.LittleEndian.Uint32(data[14:])
	if header != 40 && header != 108 && header != 124 {
		return fmt.Sprintf("a header of %d bytes", header)
	}
	bits, compression := binary.LittleEndian.Uint16(data[28:]), binary.LittleEndian.Uint32(data[30:])
	switch {
	case compression == 1 || compression == 2:
		return "run-length compression"
	case compression == 3:
		return fmt.Sprintf("a colour mask of its own (%d bits a pixel)", bits)
	case compression != 0:
		return fmt.Sprintf("compression %d", compression)
	case bits == 16:
		return "16 bits a pixel"
	}
	return "this arrangement of header and colours"
}

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
