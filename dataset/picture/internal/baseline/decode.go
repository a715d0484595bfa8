package baseline

import (
	"encoding/binary"
	"image"
)

// component is one plane of the picture.
type component struct {
	id, quant  uint8
	h, v       int // blocks of an MCU across and down
	dc, ac     *table
	pix        []uint8
	stride     int
	prediction int32 // the last block's DC coefficient
}

// decoder is one picture under way.
type decoder struct {
	bits       bits
	quant      [4]block // quantization steps, by columns as blocks are
	hasQuant   [4]bool
	dc, ac     [2]*table
	components []component
	width      int // in pixels
	height     int
	across     int // MCUs
	down       int
	restart    int // MCUs between restart markers; 0 for none
	kernel     transform
}

// The markers that a picture of ours has.
const (
	markSOF0 = 0xc0 // baseline
	markSOF1 = 0xc1 // extended sequential
	markDHT  = 0xc4
	markRST0 = 0xd0
	markSOI  = 0xd8
	markEOI  = 0xd9
	markSOS  = 0xda
	markDQT  = 0xdb
	markDRI  = 0xdd
	markAPP0 = 0xe0
	markAPPE = 0xee // Adobe's
	markAPPF = 0xef
	markCOM  = 0xfe
)

// Decode decodes data, a whole JPEG file. The picture is an *image.Gray or an
// *image.YCbCr whose planes hold whole MCUs, as image/jpeg's do. ok is false for
// a picture that image/jpeg must be asked for, be it good or bad. The size that
// the header claims is believed: the caller has looked at it. Safe for
// concurrent use.
func Decode(data []byte) (img image.Image, ok bool) { return decode(data, best) }

func decode(data []byte, kernel transform) (img image.Image, ok bool) {
	if len(data) < 2 || data[0] != 0xff || data[1] != markSOI {
		return nil, false
	}
	d := &decoder{kernel: kernel}
	for at := 2; ; {
		if len(data) < at+4 || data[at] != 0xff {
			return nil, false
		}
		marker, n := data[at+1], int(binary.BigEndian.Uint16(data[at+2:]))
		if n < 2 || len(data) < at+2+n {
			return nil, false
		}
		segment := data[at+4 : at+2+n]
		at += 2 + n
		switch {
		case marker == markSOF0 || marker == markSOF1:
			ok = d.frame(segment)
		case marker == markDHT:
			ok = d.huffman(segment)
		case marker == markDQT:
			ok = d.quantization(segment)
		case marker == markDRI:
			if ok = len(segment) == 2; ok {
				d.restart = int(binary.BigEndian.Uint16(segment))
			}
		case marker == markSOS:
			if !d.scanHead(segment) {
				return nil, false
			}
			img = d.planes()
			d.bits = bits{data: data, at: at}
			return img, d.scan()
		default: // Adobe's may say that the components are not YCbCr
			ok = markAPP0 <= marker && marker <= markAPPF && marker != markAPPE || marker == markCOM
		}
		if !ok {
			return nil, false
		}
	}
}

// frame reads a frame header (T.81, B.2.2).
func (d *decoder) frame(s []byte) bool {
	if d.components != nil || len(s) < 9 || s[0] != 8 {
		return false
	}
	n := int(s[5])
	d.height, d.width = int(binary.BigEndian.Uint16(s[1:])), int(binary.BigEndian.Uint16(s[3:]))
	if n != 1 && n != 3 || len(s) != 6+3*n || d.width == 0 || d.height == 0 {
		return false
	}
	d.components = make([]component, n)
	for i := range d.components {
		p := s[6+3*i:]
		c := component{id: p[0], h: int(p[1] >> 4), v: int(p[1] & 15), quant: p[2]}
		if c.quant > 3 || !sampling(c.h) || !sampling(c.v) {
			return false
		}
		d.components[i] = c
	}
	if c := d.components; n == 3 {
		if c[0].id == c[1].id || c[1].id == c[2].id || c[2].id == c[0].id || c[0].id == 'R' && c[1].id == 'G' &&
			c[2].id == 'B' {
			return false
		}
		if c[0].v == 4 || c[0].h%c[1].h != 0 || c[0].v%c[1].v != 0 || c[1].h != c[2].h || c[1].v != c[2].v {
			return false
		}
		if c[0].h*c[0].v+2*c[1].h*c[1].v > 10 { // blocks of an MCU (B.2.3)
			return false
		}
	} else {
		c[0].h, c[0].v = 1, 1 // one component is not interleaved, whatever its factors (A.2.2)
	}
	h, v := 8*d.components[0].h, 8*d.components[0].v
	d.across, d.down = (d.width+h-1)/h, (d.height+v-1)/v
	return true
}

// sampling says whether a sampling factor is one that image/jpeg knows.
func sampling(f int) bool { return f == 1 || f == 2 || f == 4 }

// quantization reads quantization tables (B.2.4.1).
func (d *decoder) quantization(s []byte) bool {
	for len(s) > 0 {
		wide, id := int(s[0]>>4), s[0]&15
		n := 1 + 64<<wide
		if wide > 1 || id > 3 || len(s) < n {
			return false
		}
		for i, at := range zigzag {
			if wide == 0 {
				d.quant[id][at] = int32(s[1+i])
			} else {
				d.quant[id][at] = int32(binary.BigEndian.Uint16(s[1+2*i:]))
			}
		}
		d.hasQuant[id] = true
		s = s[n:]
	}
	return true
}

// huffman reads Huffman tables (B.2.4.2).
func (d *decoder) huffman(s []byte) bool {
	for len(s) > 0 {
		if len(s) < 17 {
			return false
		}
		class, id := s[0]>>4, s[0]&15
		n := 0
		for _, c := range s[1:17] {
			n += int(c)
		}
		if class > 1 || id > 1 || n == 0 || n > 256 || len(s) < 17+n {
			return false
		}
		t, ok := newTable([16]byte(s[1:17]), s[17:17+n], class == 1)
		if !ok {
			return false
		}
		if class == 0 {
			d.dc[id] = t
		} else {
			d.ac[id] = t
		}
		s = s[17+n:]
	}
	return true
}

// scanHead reads a scan header (B.2.3) of all components in their order.
func (d *decoder) scanHead(s []byte) bool {
	n := len(d.components)
	if n == 0 || len(s) != 4+2*n || int(s[0]) != n {
		return false
	}
	for i := range d.components {
		c := &d.components[i]
		dc, ac := s[2+2*i]>>4, s[2+2*i]&15
		if s[1+2*i] != c.id || dc > 1 || ac > 1 || d.dc[dc] == nil || d.ac[ac] == nil || !d.hasQuant[c.quant] {
			return false
		}
		c.dc, c.ac = d.dc[dc], d.ac[ac]
	}
	return true
}

// planes makes the picture, and gives each component its plane of it.
func (d *decoder) planes() image.Image {
	whole, part := image.Rect(0, 0, 8*d.components[0].h*d.across, 8*d.components[0].v*d.down),
		image.Rect(0, 0, d.width, d.height)
	if len(d.components) == 1 {
		m := image.NewGray(whole)
		d.components[0].pix, d.components[0].stride = m.Pix, m.Stride
		return m.SubImage(part)
	}
	m := image.NewYCbCr(whole, ratio(d.components[0].h/d.components[1].h, d.components[0].v/d.components[1].v))
	for i, pix := range [][]uint8{m.Y, m.Cb, m.Cr} {
		d.components[i].pix, d.components[i].stride = pix, m.CStride
	}
	d.components[0].stride = m.YStride
	return m.SubImage(part)
}

// ratio names the subsampling of chroma by h across and v down.
func ratio(h, v int) image.YCbCrSubsampleRatio {
	switch {
	case h == 4 && v == 2:
		return image.YCbCrSubsampleRatio410
	case h == 4:
		return image.YCbCrSubsampleRatio411
	case h == 2 && v == 2:
		return image.YCbCrSubsampleRatio420
	case h == 2:
		return image.YCbCrSubsampleRatio422
	case v == 2:
		return image.YCbCrSubsampleRatio440
	}
	return image.YCbCrSubsampleRatio444
}
