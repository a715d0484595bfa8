package picture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image/png"
	"math"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
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

// tiffConfig reads the dimensions of a TIFF, and refuses tiles so much larger than the picture that
// unpacking them would take far longer than its size tells.
func tiffConfig(data []byte) (width, height int, err error) {
	if width, height, err = std(tiff.DecodeConfig)(data); err != nil {
		return 0, 0, err
	}
	d, ok := readIFD(data)
	if !ok {
		return 0, 0, errors.New("the first directory cannot be read")
	}
	if tw, th := int64(d.tileWidth), int64(d.tileHeight); tw > 0 && th > 0 {
		const most = 1 << 16 // no tile has a longer side
		if tw > most || th > most {
			return 0, 0, fmt.Errorf("got tiles of %dx%d pixels, want at most %d a side", tw, th, most)
		}
		w, h := int64(width), int64(height)
		across, down := (w+tw-1)/tw, (h+th-1)/th
		if tiled := across * tw * (down * th); tiled > 4*w*h+1<<22 {
			return 0, 0, fmt.Errorf("got %dx%d tiles of %dx%d pixels, far more than the %dx%d of the picture", across, down, tw,
				th, w, h)
		}
	}
	return width, height, nil
}
