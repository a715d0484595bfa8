package dataset

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"io"
)

// maxScans is how many scans a progressive JPEG may have. Each costs a pass over the whole picture however few bytes it has, so that a
// small file could keep the decoder busy for hours; real encoders write about ten.
const maxScans = 500

// jpegHead is what the markers of a JPEG say.
type jpegHead struct {
	frame      byte // the SOF marker's low byte, 0xc0..0xcf; 0 when there is none before the first scan
	precision  int  // bits a sample
	components int
	adobe      bool   // has Adobe's APP14, which says how four components are to be read
	exif       []byte // the TIFF structure of the first Exif segment
	scans      int    // counted for progressive pictures only
}

// scanJPEG walks the markers up to the first scan, and of a progressive picture to the end.
func scanJPEG(data []byte) (h jpegHead) {
	for rest := data[min(2, len(data)):]; ; {
		i := bytes.IndexByte(rest, 0xff)
		if i < 0 || i+1 >= len(rest) {
			return h
		}
		marker := rest[i+1]
		rest = rest[i+1:] // past 0xff: fill bytes come round again
		if marker == 0xff || marker == 0 || 0xd0 <= marker && marker <= 0xd8 {
			continue
		}
		if marker == 0xd9 || len(rest) < 3 {
			return h
		}
		n := int(rest[1])<<8 | int(rest[2])
		if n < 2 || len(rest) < 1+n {
			return h
		}
		segment := rest[3 : 1+n]
		rest = rest[1+n:]
		switch {
		case marker == 0xda:
			h.scans++
			if h.frame != 0xc2 {
				return h
			}
		case marker == 0xe1 && h.exif == nil && bytes.HasPrefix(segment, []byte(exifMark)):
			h.exif = segment[len(exifMark):]
		case marker == 0xee && bytes.HasPrefix(segment, []byte("Adobe")) && len(segment) >= 12:
			h.adobe = true
		case 0xc0 <= marker && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc && h.frame == 0 && len(segment) >= 6:
			h.frame, h.precision, h.components = marker, int(segment[0]), int(segment[5])
		}
	}
}

func jpegConfig(data []byte) (width, height int, err error) {
	h := scanJPEG(data)
	reason := ""
	switch {
	case h.frame == 0:
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
	case h.scans > maxScans:
		reason = fmt.Sprintf("more than %d scans", maxScans)
	}
	if reason != "" {
		return 0, 0, &UnsupportedError{Format: "jpeg", Reason: reason}
	}
	return std(jpeg.DecodeConfig)(data)
}

// adobeCMYK is the APP14 segment that says: four components, stored inverted, not converted to YCCK.
const adobeCMYK = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"

// decodeJPEG decodes baseline, extended and progressive pictures of 8 bits a sample: grey, YCbCr, RGB, CMYK and YCCK. Four components
// without Adobe's marker are taken to be inverted CMYK as Photoshop writes it, which is what Pillow does.
func decodeJPEG(data []byte) (image.Image, error) {
	if h := scanJPEG(data); h.components == 4 && !h.adobe {
		return jpeg.Decode(io.MultiReader(bytes.NewReader(data[:2]), bytes.NewReader([]byte(adobeCMYK)), bytes.NewReader(data[2:])))
	}
	return jpeg.Decode(bytes.NewReader(data))
}

func orientJPEG(data []byte) int { return exifOrientation(scanJPEG(data).exif) }
