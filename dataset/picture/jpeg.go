package picture

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"image"
	"image/jpeg"
	"io"

	"github.com/c236555e/rehead/dataset/picture/internal/baseline"
)

// maxScans is how many scans a progressive JPEG may have. Each costs a pass over the whole picture
// however few bytes it has, so that a small file could keep the decoder busy for hours; real
// encoders write about ten.
const maxScans = 500

// jpegHead is what the markers of a JPEG say.
type jpegHead struct {
	frame      byte // the SOF marker's low byte, 0xc0..0xcf; 0 when there is none before the first scan
	precision  int  // bits a sample
	components int
	adobe      bool   // has Adobe's APP14, which says how four components are to be read
	huffman    bool   // has Huffman tables before the first scan
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
		case marker == 0xc4:
			h.huffman = true
		case marker == 0xe1 && h.exif == nil && bytes.HasPrefix(segment, []byte(exifMark)):
			h.exif = segment[len(exifMark):]
		case marker == 0xee && bytes.HasPrefix(segment, []byte("Adobe")) && len(segment) >= 12:
			h.adobe = true
		case 0xc0 <= marker && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc && h.frame == 0 &&
			len(segment) >= 6:
			h.frame, h.precision, h.components = marker, int(segment[0]), int(segment[5])
		}
	}
}

// config reads the dimensions, and refuses what nothing here decodes.
func (h *jpegHead) config(data []byte) (width, height int, err error) {
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

// adobeCMYK is the APP14 segment that says: four components, stored inverted, not converted to
// YCCK.
const adobeCMYK = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"

// standardHuffman holds the typical tables of ITU-T T.81, annex K.3, as the payload of a DHT
// segment in hexadecimal: for each its class and number, how many codes there are of each length
// 1..16, and the values. The frames of Motion-JPEG cameras leave them out.
const standardHuffman = "" +
	"00" + "00010501010101010100000000000000" + "000102030405060708090a0b" +
	"10" + "0002010303020403050504040000017d" + "01020300041105122131410613516107227114328191a1082342b1c11552d1f0" +
	"2433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a73747576777879" +
	"7a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2" +
	"e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa" +
	"01" + "00030101010101010101010000000000" + "000102030405060708090a0b" +
	"11" + "00020102040403040705040400010277" + "000102031104052131061241510761711322328108144291a1b1c109233352f0" +
	"156272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455565758595a636465666768696a737475767778" +
	"797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9da" +
	"e2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"

// decode decodes baseline, extended and progressive pictures of 8 bits a sample: grey, YCbCr,
// RGB, CMYK and YCCK. Four components without Adobe's marker are taken to be inverted CMYK as
// Photoshop writes it, which is what Pillow does; a sequential picture without Huffman tables has
// the standard ones.
func (h *jpegHead) decode(data []byte) (image.Image, error) {
	var insert []byte
	if h.components == 4 && !h.adobe {
		insert = append(insert, adobeCMYK...)
	}
	if !h.huffman && (h.frame == 0xc0 || h.frame == 0xc1) && h.scans > 0 {
		tables, err := hex.DecodeString(standardHuffman)
		if err != nil {
			return nil, err
		}
		n := len(tables) + 2
		insert = append(append(insert, 0xff, 0xc4, byte(n>>8), byte(n)), tables...)
	}
	if insert == nil {
		if img, ok := baseline.Decode(data); ok {
			return img, nil
		}
		return jpeg.Decode(bytes.NewReader(data))
	}
	return jpeg.Decode(io.MultiReader(bytes.NewReader(data[:2]), bytes.NewReader(insert), bytes.NewReader(data[2:])))
}

func (h *jpegHead) orient([]byte) int { return exifOrientation(h.exif) }
