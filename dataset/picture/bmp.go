package picture

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"io"
	"math/bits"
)

// bmpHead is what the headers of a BMP say: Windows' of 40 bytes and more, and OS/2's of 12 or 64.
// Source: Microsoft, "Bitmap Header Types".
type bmpHead struct {
	width, height int
	topDown       bool
	bits          int
	packed        int       // 0 plain, 1 runs of bytes, 2 runs of half bytes
	masks         [4]uint32 // red, green, blue and alpha of a pixel of 16 or 32 bits
	palette       color.Palette
	pixels        []byte
}

// readBMP reads the headers, and says what is not supported.
func readBMP(data []byte) (h bmpHead, err error) {
	le := binary.LittleEndian
	if len(data) < 26 {
		return h, io.ErrUnexpectedEOF
	}
	offset, size := uint64(le.Uint32(data[10:])), uint64(le.Uint32(data[14:]))
	if size != 12 && size != 16 && (size < 40 || size > 124) {
		return h, &UnsupportedError{Format: "bmp", Reason: fmt.Sprintf("a header of %d bytes", size)}
	}
	if uint64(len(data)) < 14+size {
		return h, io.ErrUnexpectedEOF
	}
	each, compression, colours := 4, uint32(0), uint32(0) // bytes of a colour of the palette
	info := data[14:][:size]
	if size == 12 {
		h.width, h.height, h.bits, each = int(le.Uint16(info[4:])), int(le.Uint16(info[6:])), int(le.Uint16(info[10:])), 3
	} else {
		h.width, h.height = int(int32(le.Uint32(info[4:]))), int(int32(le.Uint32(info[8:])))
		h.bits = int(le.Uint16(info[14:]))
		if h.height < 0 {
			h.height, h.topDown = -h.height, true
		}
	}
	if size >= 40 {
		compression, colours = le.Uint32(info[16:]), le.Uint32(info[32:])
	}
	behind, err := h.format(data, compression, size)
	if err != nil {
		return h, err
	}
	if h.bits <= 8 {
		n := 1 << h.bits
		if colours > 0 && colours < uint32(n) {
			n = int(colours)
		}
		h.palette = make(color.Palette, 1<<h.bits)
		for i := range h.palette {
			h.palette[i] = color.RGBA{A: 255}
			if at := behind + uint64(i*each); i < n && at+3 <= uint64(len(data)) && at < offset {
				h.palette[i] = color.RGBA{R: data[at+2], G: data[at+1], B: data[at], A: 255}
			}
		}
	}
	h.pixels = data[min(offset, uint64(len(data))):]
	return h, nil
}

// format works out how a pixel is stored, and returns where the palette begins.
func (h *bmpHead) format(data []byte, compression uint32, size uint64) (palette uint64, err error) {
	le := binary.LittleEndian
	palette = 14 + size
	switch h.bits {
	case 1, 2, 4, 8:
	case 16:
		h.masks = [4]uint32{0x7c00, 0x3e0, 0x1f}
	case 24:
		h.masks = [4]uint32{0xff0000, 0xff00, 0xff}
	case 32:
		h.masks = [4]uint32{0xff0000, 0xff00, 0xff}
		if size > 40 && size != 64 {
			h.masks[3] = 0xff000000
		}
	default:
		return 0, &UnsupportedError{Format: "bmp", Reason: fmt.Sprintf("%d bits a pixel", h.bits)}
	}
	switch {
	case compression == 0:
	case compression == 1 && h.bits == 8, compression == 2 && h.bits == 4:
		h.packed = int(compression)
	case (compression == 3 || compression == 6) && (h.bits == 16 || h.bits == 32) && size != 64:
		n := 3 // masks, which follow the smallest header and are part of the others
		if size >= 56 || compression == 6 {
			n = 4
		}
		if len(data) < 54+4*n {
			return 0, io.ErrUnexpectedEOF
		}
		h.masks = [4]uint32{}
		for i := range n {
			h.masks[i] = le.Uint32(data[54+4*i:])
		}
		for _, m := range h.masks {
			if m>>bits.TrailingZeros32(m)&(m>>bits.TrailingZeros32(m)+1) != 0 {
				return 0, &UnsupportedError{Format: "bmp", Reason: "a colour mask with holes"}
			}
		}
	case compression == 3 && size == 64:
		return 0, &UnsupportedError{Format: "bmp", Reason: "OS/2's Huffman compression"}
	default:
		return 0, &UnsupportedError{Format: "bmp",
			Reason: fmt.Sprintf("compression %d of %d bits a pixel", compression, h.bits)}
	}
	return palette, nil
}

func bmpConfig(data []byte) (width, height int, err error) {
	h, err := readBMP(data)
	return h.width, h.height, err
}

// decodeBMP decodes a BMP: an *image.Paletted or *image.NRGBA.
func decodeBMP(ctx context.Context, data []byte) (image.Image, error) {
	h, err := readBMP(data)
	if err != nil {
		return nil, err
	}
	rect := image.Rect(0, 0, h.width, h.height)
	stride := (h.width*h.bits + 31) / 32 * 4
	if h.packed == 0 && len(h.pixels) < stride*(h.height-1)+(h.width*h.bits+7)/8 {
		return nil, io.ErrUnexpectedEOF
	}
	line := func(y int) int {
		if h.topDown {
			return y
		}
		return h.height - 1 - y
	}
	if h.palette == nil {
		out := image.NewNRGBA(rect)
		for y := range h.height {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			h.colours(out.Pix[line(y)*out.Stride:][:out.Stride], h.pixels[y*stride:])
		}
		return out, nil
	}
	out := image.NewPaletted(rect, h.palette)
	if h.packed > 0 {
		return out, h.unpack(out, line)
	}
	for y := range h.height {
		row, in := out.Pix[line(y)*out.Stride:][:h.width], h.pixels[y*stride:]
		for x := range row {
			row[x] = in[x*h.bits/8] >> (8 - h.bits - x*h.bits%8) & uint8(1<<h.bits-1)
		}
	}
	return out, nil
}

// colours reads a row of pixels that are their own colours.
func (h *bmpHead) colours(dst, in []uint8) {
	var shift [4]int
	var most [4]uint32
	for c, m := range h.masks {
		shift[c] = bits.TrailingZeros32(m)
		most[c] = m >> shift[c]
	}
	each := h.bits / 8
	for x := range h.width {
		p := uint32(0)
		for i := range each {
			p |= uint32(in[x*each+i]) << (8 * i)
		}
		d := dst[4*x:][:4:4]
		d[3] = 255
		for c, n := range most {
			switch {
			case n == 255:
				d[c] = uint8(p >> shift[c])
			case n > 0:
				d[c] = uint8(uint64(p&h.masks[c]>>shift[c]) * 255 / uint64(n)) // Pillow's rounding
			}
		}
	}
}

// unpack reads runs: a count and a value, or a zero and what it means. Pixels that are passed over
// are of the first colour.
func (h *bmpHead) unpack(out *image.Paletted, line func(int) int) error {
	x, y := 0, 0
	half := h.packed == 2
	in := h.pixels
	for len(in) >= 2 && y < h.height {
		n, v := int(in[0]), in[1]
		in = in[2:]
		switch {
		case n > 0:
			for i := range min(n, max(h.width-x, 0)) {
				out.Pix[line(y)*out.Stride+x+i] = nibble(v, half, i)
			}
			x += n
		case v == 0:
			x, y = 0, y+1
		case v == 1:
			return nil
		case v == 2:
			if len(in) < 2 {
				return io.ErrUnexpectedEOF
			}
			x, y = x+int(in[0]), y+int(in[1])
			in = in[2:]
		default:
			n, per := int(v), 1
			if half {
				per = 2
			}
			long := (n + per - 1) / per
			if len(in) < long {
				return io.ErrUnexpectedEOF
			}
			for i := range min(n, max(h.width-x, 0)) {
				out.Pix[line(y)*out.Stride+x+i] = nibble(in[i/per], half, i)
			}
			x += n
			in = in[min(long+long%2, len(in)):]
		}
	}
	if y < h.height-1 || y == h.height-1 && x < h.width {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// nibble is v, or the i-th half of it.
func nibble(v uint8, half bool, i int) uint8 {
	switch {
	case !half:
		return v
	case i%2 == 0:
		return v >> 4
	}
	return v & 15
}
