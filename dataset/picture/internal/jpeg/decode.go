package jpeg

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
)

// component is one plane of the picture.
type component struct {
	id, quant    uint8
	h, v         int // blocks of an MCU across and down
	across, down int // blocks that show some of the picture
	width        int // samples of a row, and rows, that show some of it
	height       int
	dc, ac       *table
	prediction   int32 // the last block's DC coefficient
	pix          []uint8
	stride       int
	steps        *block // its quantization steps, since its first scan
	progress
}

// decoder is one picture under way.
type decoder struct {
	ctx         context.Context
	data        []byte
	bits        bits
	quant       [4]*block // quantization steps, by columns as blocks are
	dc, ac      [4]*table
	components  []component
	progressive bool
	width       int // in pixels
	height      int
	h, v        int // the largest sampling factors
	across      int // MCUs
	down        int
	restart     int // MCUs between restart markers; 0 for none
	jfif        bool
	adobe       int // the transform that Adobe's marker names; -1 without one
	began       bool
	odd         bool // something is not as T.81 wants it, or image/jpeg does not read it
	kernel      transform
	out         image.Image // holds the components' pix where it can
	band
}

// The markers that mean something here.
const (
	markTEM  = 0x01
	markSOF0 = 0xc0 // baseline
	markSOF1 = 0xc1 // extended sequential
	markSOF2 = 0xc2 // progressive
	markDHT  = 0xc4
	markRST0 = 0xd0
	markRST7 = 0xd7
	markSOI  = 0xd8
	markEOI  = 0xd9
	markSOS  = 0xda
	markDQT  = 0xdb
	markDRI  = 0xdd
	markAPP0 = 0xe0
	markAPPE = 0xee // Adobe's
	markCOM  = 0xfe
)

// UnsupportedError names what this package does not decode.
type UnsupportedError string

func (e UnsupportedError) Error() string { return string(e) }

// Decode decodes data, a whole JPEG file: an *image.Gray or *image.YCbCr whose planes hold whole
// MCUs, as image/jpeg's do, an *image.RGBA or an *image.CMYK. The size that the header claims is
// believed: the caller has looked at it. The error is io.ErrUnexpectedEOF for a file that lacks
// pixels at its end, ctx's when that ends, or says what is wrong. Safe for concurrent use.
func Decode(ctx context.Context, data []byte) (image.Image, error) {
	d := &decoder{ctx: ctx, data: data, kernel: best}
	return d.decode()
}

func (d *decoder) decode() (image.Image, error) {
	if len(d.data) < 2 || d.data[0] != 0xff || d.data[1] != markSOI {
		return nil, errors.New("no start marker")
	}
	d.adobe = -1
	for at := 2; ; {
		marker, next := d.next(at)
		if marker == 0 || marker == markEOI {
			d.odd = d.odd || marker == 0
			if err := d.complete(marker == markEOI); err != nil {
				return nil, err
			}
			return d.finish()
		}
		if len(d.data) < next+2 {
			return nil, io.ErrUnexpectedEOF
		}
		n := int(binary.BigEndian.Uint16(d.data[next:]))
		if n < 2 {
			return nil, fmt.Errorf("a segment of %d bytes", n)
		}
		if len(d.data) < next+n {
			return nil, io.ErrUnexpectedEOF
		}
		segment := d.data[next+2 : next+n]
		at = next + n
		if marker == markSOS {
			if err := d.scan(segment, at); err != nil {
				return nil, err
			}
			at = d.bits.end()
			continue
		}
		if err := d.segment(marker, segment); err != nil {
			return nil, err
		}
	}
}

// next finds the marker at or behind at, and what follows it; 0 when there is none. Restart markers
// and bytes that are none do not count.
func (d *decoder) next(at int) (marker byte, behind int) {
	for ; at+1 < len(d.data); at++ {
		if d.data[at] == 0xff {
			switch m := d.data[at+1]; {
			case m != 0xff && m != 0 && m != markTEM && (m < markRST0 || m > markRST7):
				return m, at + 2
			}
		}
		d.odd = true
	}
	return 0, len(d.data)
}

// segment reads a segment that is no scan's.
func (d *decoder) segment(marker byte, s []byte) error {
	switch {
	case marker == markDHT:
		return d.huffman(s)
	case marker == markDQT:
		return d.quantization(s)
	case marker == markSOF0 || marker == markSOF1 || marker == markSOF2:
		d.progressive = marker == markSOF2
		return d.frame(s)
	case marker == markDRI:
		if len(s) != 2 {
			return errors.New("a restart interval of other than 2 bytes")
		}
		d.restart = int(binary.BigEndian.Uint16(s))
	case marker == markAPP0 && len(s) >= 5:
		d.jfif = string(s[:5]) == "JFIF\x00"
	case marker == markAPPE && len(s) >= 12 && string(s[:5]) == "Adobe":
		d.adobe = int(s[11])
	case marker >= markAPP0 && marker < 0xf0 || marker == markCOM:
	case marker < markSOF0 || marker == markSOI:
		return fmt.Errorf("an unknown marker %#x", marker)
	default:
		return UnsupportedError(fmt.Sprintf("marker %#x", marker))
	}
	return nil
}

// frame reads a frame header (T.81, B.2.2).
func (d *decoder) frame(s []byte) error {
	if d.components != nil {
		return errors.New("a second frame header")
	}
	if len(s) < 6 || len(s) != 6+3*int(s[5]) {
		return errors.New("a frame header of the wrong length")
	}
	n := int(s[5])
	d.height, d.width = int(binary.BigEndian.Uint16(s[1:])), int(binary.BigEndian.Uint16(s[3:]))
	if s[0] != 8 || n != 1 && n != 3 && n != 4 {
		return UnsupportedError(fmt.Sprintf("%d components of %d bits", n, s[0]))
	}
	if d.width == 0 || d.height == 0 {
		return fmt.Errorf("got %dx%d pixels, want at least 1x1", d.width, d.height)
	}
	d.components = make([]component, n)
	for i := range d.components {
		p := s[6+3*i:]
		c := component{id: p[0], h: int(p[1] >> 4), v: int(p[1] & 15), quant: p[2]}
		if c.quant > 3 || c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 {
			return fmt.Errorf("component %d with sampling factors %dx%d and quantization table %d", i+1, c.h, c.v, c.quant)
		}
		for _, other := range d.components[:i] {
			if other.id == c.id {
				return errors.New("two components of one name")
			}
		}
		if n == 1 {
			c.h, c.v = 1, 1 // one component is not interleaved, whatever its factors (A.2.2)
		}
		d.h, d.v = max(d.h, c.h), max(d.v, c.v)
		d.components[i] = c
	}
	d.across, d.down = (d.width+8*d.h-1)/(8*d.h), (d.height+8*d.v-1)/(8*d.v)
	for i := range d.components {
		c := &d.components[i]
		c.width, c.height = (d.width*c.h+d.h-1)/d.h, (d.height*c.v+d.v-1)/d.v
		c.across, c.down = (c.width+7)/8, (c.height+7)/8
	}
	return nil
}

// quantization reads quantization tables (B.2.4.1).
func (d *decoder) quantization(s []byte) error {
	for len(s) > 0 {
		wide, id := int(s[0]>>4), s[0]&15
		n := 1 + 64<<wide
		if wide > 1 || id > 3 || len(s) < n {
			return errors.New("a wrong quantization table")
		}
		d.quant[id] = new(block)
		for i, at := range zigzag {
			if wide == 0 {
				d.quant[id][at] = int32(s[1+i])
			} else {
				d.quant[id][at] = int32(binary.BigEndian.Uint16(s[1+2*i:]))
			}
		}
		s = s[n:]
	}
	d.odd = d.odd || d.began // image/jpeg uses the last steps for all
	return nil
}

// huffman reads Huffman tables (B.2.4.2).
func (d *decoder) huffman(s []byte) error {
	for len(s) > 0 {
		bad := errors.New("a wrong Huffman table")
		if len(s) < 17 {
			return bad
		}
		class, id := s[0]>>4, s[0]&15
		n := 0
		for _, c := range s[1:17] {
			n += int(c)
		}
		if class > 1 || id > 3 || n == 0 || n > 256 || len(s) < 17+n {
			return bad
		}
		t, ok := newTable([16]byte(s[1:17]), s[17:17+n], class == 1)
		if !ok {
			return bad
		}
		if class == 0 {
			d.dc[id] = t
		} else {
			d.ac[id] = t
		}
		s = s[17+n:]
	}
	return nil
}

// complete says whether every pixel is there. A file may lack its end marker, but then nothing
// else; a progressive picture that has its end marker may be a rough one.
func (d *decoder) complete(ended bool) error {
	if !d.began && ended {
		return errors.New("the picture ends before it begins")
	}
	if !d.began {
		return io.ErrUnexpectedEOF
	}
	for i := range d.components {
		if c := &d.components[i]; c.steps == nil || d.progressive && !ended && !c.whole() {
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}
