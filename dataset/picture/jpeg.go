package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"

	"github.com/c236555e/rehead/dataset/picture/internal/jpeg"
)

// jpegHead is what the markers of a JPEG say before the first scan.
type jpegHead struct {
	frame         byte // the SOF marker's low byte, 0xc0..0xcf; 0 when there is none
	precision     int  // bits a sample
	width, height int  // in pixels
	components    int
	sampling      []byte   // of each component: across in the high four bits, down in the low ones
	exif          []byte   // the TIFF structure of the first Exif segment
	profile       [][]byte // the segments of the colour profile: number, count, bytes
	cut           bool     // the file ends before the first scan
}

// iccMark precedes a part of a colour profile in an APP2 segment.
const iccMark = "ICC_PROFILE\x00"

// scanJPEG walks the markers up to the first scan.
func scanJPEG(data []byte) (h jpegHead) {
	for rest := data[min(2, len(data)):]; ; {
		i := bytes.IndexByte(rest, 0xff)
		if i < 0 || i+1 >= len(rest) {
			h.cut = true
			return h
		}
		marker := rest[i+1]
		rest = rest[i+1:] // past 0xff: fill bytes come round again
		if marker == 0xff || marker == 0 || 0xd0 <= marker && marker <= 0xd8 {
			continue
		}
		if marker == 0xd9 || marker == 0xda {
			return h
		}
		if len(rest) < 3 {
			h.cut = true
			return h
		}
		n := int(rest[1])<<8 | int(rest[2])
		if n < 2 || len(rest) < 1+n {
			h.cut = n >= 2
			return h
		}
		segment := rest[3 : 1+n]
		rest = rest[1+n:]
		switch {
		case marker == 0xe1 && h.exif == nil && bytes.HasPrefix(segment, []byte(exifMark)):
			h.exif = segment[len(exifMark):]
		case marker == 0xe2 && bytes.HasPrefix(segment, []byte(iccMark)) && len(segment) >= len(iccMark)+2:
			h.profile = append(h.profile, segment[len(iccMark):])
		case 0xc0 <= marker && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc && h.frame == 0 &&
			len(segment) >= 6:
			h.frame, h.precision, h.components = marker, int(segment[0]), int(segment[5])
			h.height, h.width = int(segment[1])<<8|int(segment[2]), int(segment[3])<<8|int(segment[4])
			for i := 7; i < len(segment); i += 3 {
				h.sampling = append(h.sampling, segment[i])
			}
		}
	}
}

// config reads the dimensions, and refuses what nothing here decodes.
func (h *jpegHead) config(data []byte) (width, height int, err error) {
	reason := ""
	switch {
	case h.frame == 0 && h.cut:
		return 0, 0, io.ErrUnexpectedEOF
	case h.frame == 0:
		return 0, 0, errors.New("it has no frame header")
	case h.frame >= 0xc9:
		reason = "arithmetic coding"
	case h.frame == 0xc3:
		reason = "lossless coding"
	case h.frame >= 0xc5:
		reason = "hierarchical coding"
	case h.precision != 8:
		reason = fmt.Sprintf("%d bits a sample", h.precision)
	case h.components != 1 && h.components != 3 && h.components != 4:
		reason = fmt.Sprintf("%d colour components", h.components)
	}
	if reason != "" {
		return 0, 0, &UnsupportedError{Format: "jpeg", Reason: reason}
	}
	return h.width, h.height, nil
}

// decode decodes baseline, extended and progressive pictures of 8 bits a sample: grey, YCbCr,
// RGB, CMYK and YCCK. Four components without Adobe's marker are taken to be inverted CMYK as
// Photoshop writes it, which is what Pillow does.
func (h *jpegHead) decode(ctx context.Context, data []byte) (image.Image, error) {
	return jpeg.Decode(ctx, data)
}

func (h *jpegHead) orient([]byte) int { return exifOrientation(h.exif) }

// halves is codec.halves. Decoding takes more than 12 bytes a pixel of some progressive pictures: 2
// for a coefficient, 8 for the 64 of a block, and of four components 4 for the picture.
func (h *jpegHead) halves() int64 {
	if h.frame == 0xc2 && h.components == 4 && h.samples()*(2+8./64)+4 > 12 {
		return 25
	}
	return 0
}

// samples is how many samples of all components there are for each pixel.
func (h *jpegHead) samples() float64 {
	across, down, samples := 1, 1, 0
	for _, s := range h.sampling {
		across, down, samples = max(across, int(s>>4)), max(down, int(s&15)), samples+int(s>>4)*int(s&15)
	}
	if h.components == 1 {
		return 1
	}
	return float64(samples) / float64(across*down)
}

// bytesOfJPEG is about how many bytes decoding takes for each pixel, and what it returns.
func bytesOfJPEG(data []byte) int64 {
	h := scanJPEG(data)
	each := h.samples()
	if h.frame == 0xc2 {
		each *= 3 // coefficients of the whole picture, 2 bytes each
	}
	return int64(each) + 1 + 4
}
