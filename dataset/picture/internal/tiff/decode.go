package tiff

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"image"
	"io"

	"golang.org/x/image/ccitt"
	"golang.org/x/image/tiff/lzw"

	"github.com/c236555e/rehead/dataset/picture/internal/jpeg"
)

// decoder is one picture under way.
type decoder struct {
	*file
	ctx context.Context
	rgb func(image.Image) *image.NRGBA
	out canvas
	raw []byte
	row []uint16 // a row of a block, sample by sample
}

// Decode decodes the first picture: an *image.Gray, Gray16, CMYK or, with four samples, one of the
// RGBA or NRGBA kinds. rgb turns what JPEG blocks hold into colours. The size that the header
// claims is believed: the caller has looked at it. The error is io.ErrUnexpectedEOF for a file that
// lacks pixels, ctx's when that ends, or says what is wrong.
func Decode(ctx context.Context, data []byte, rgb func(image.Image) *image.NRGBA) (image.Image, error) {
	f, err := open(data)
	if err != nil {
		return nil, err
	}
	inRow := int64(f.blockWidth) * int64(f.samples)
	if inRow > maxSamplesARow || int64(f.width)*int64(f.height)*int64(f.samples) > maxSamplesPicture {
		return nil, UnsupportedError(fmt.Sprintf("%d samples for each of %dx%d pixels", f.samples, f.width, f.height))
	}
	d := &decoder{file: f, ctx: ctx, rgb: rgb, out: newCanvas(f)}
	offsets, counts := uint16(tagOffsets), uint16(tagCounts)
	if f.tiled && f.tags[tagTileOffsets] != nil {
		offsets, counts = tagTileOffsets, tagTileCounts
	}
	across, down := (f.width+f.blockWidth-1)/f.blockWidth, (f.height+f.blockHeight-1)/f.blockHeight
	planes := 1
	if f.planar {
		planes = f.samples
	}
	n := across * down * planes
	at, long := f.values(offsets, n), f.values(counts, n)
	if len(at) < n || len(long) < n && n > 1 {
		return nil, fmt.Errorf("%d offsets and %d lengths of %d blocks", len(at), len(long), n)
	}
	for plane := range planes {
		if f.planar && plane >= f.colourSamples()+1 {
			break // further samples, of which none but the first may be alpha
		}
		for i := range across * down {
			block := plane*across*down + i
			packed := f.data[min(uint64(at[block]), uint64(len(f.data))):]
			if len(long) == n {
				packed = packed[:min(uint64(long[block]), uint64(len(packed)))]
			}
			if err := d.block(packed, i%across*f.blockWidth, i/across*f.blockHeight, plane); err != nil {
				return nil, err
			}
		}
	}
	return d.out.picture(), nil
}

// block decodes a strip or tile whose left upper pixel is x, y.
func (d *decoder) block(packed []byte, x, y, plane int) error {
	height := min(d.blockHeight, d.height-y)
	if d.compression == jpegBlocks {
		return d.jpeg(packed, x, y, height)
	}
	samples := d.samples
	if d.planar {
		samples = 1
	}
	in, err := d.unpack(packed, height)
	if err != nil {
		return err
	}
	if n := (d.blockWidth*samples*d.bits + 7) / 8; len(d.raw) != n {
		d.raw, d.row = make([]byte, n), make([]uint16, d.blockWidth*samples)
	}
	for i := range height {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		if _, err := io.ReadFull(in, d.raw); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		d.spread()
		if d.predictor == 2 {
			for j := samples; j < len(d.row); j++ {
				d.row[j] += d.row[j-samples]
				if d.bits == 8 {
					d.row[j] &= 0xff
				}
			}
		}
		d.out.put(x, y+i, d.row, samples, plane)
	}
	return nil
}

// spread makes samples of raw.
func (d *decoder) spread() {
	switch d.bits {
	case 16:
		for i := range d.row {
			d.row[i] = d.order.Uint16(d.raw[2*i:])
		}
	case 8:
		for i, v := range d.raw {
			d.row[i] = uint16(v)
		}
	default:
		each := 8 / d.bits
		for i := range d.row {
			d.row[i] = uint16(d.raw[i/each]) >> (8 - d.bits - i%each*d.bits) & (1<<d.bits - 1)
		}
	}
}

// unpack returns a block's bytes. What follows the last that is needed is not looked at, so that a
// missing end code does no harm.
func (d *decoder) unpack(packed []byte, height int) (io.Reader, error) {
	order := ccitt.MSB
	fax := d.compression == fax3 || d.compression == fax4
	if d.fillOrder == 2 && fax {
		order = ccitt.LSB
	}
	var in io.Reader = bytes.NewReader(packed)
	if d.fillOrder == 2 && !fax {
		in = &mirror{in: in}
	}
	options := ccitt.Options{Invert: true} // white is 0, whatever that shows as
	switch d.compression {
	case fax3:
		return ccitt.NewReader(in, order, ccitt.Group3, d.blockWidth, height, &options), nil
	case fax4:
		return ccitt.NewReader(in, order, ccitt.Group4, d.blockWidth, height, &options), nil
	case lzwCodes:
		return lzw.NewReader(in, lzw.MSB, 8), nil
	case deflate, oldDeflate:
		return zlib.NewReader(in)
	case packBits:
		return &runs{in: in}, nil
	}
	return in, nil
}

// mirror turns the bits of each byte around.
type mirror struct{ in io.Reader }

func (m *mirror) Read(p []byte) (int, error) {
	n, err := m.in.Read(p)
	for i, v := range p[:n] {
		v = v>>4 | v<<4
		v = v>>2&0x33 | v&0x33<<2
		p[i] = v>>1&0x55 | v&0x55<<1
	}
	return n, err
}

// runs unpacks PackBits (TIFF 6.0, section 9).
type runs struct {
	in     io.Reader
	head   [2]byte
	left   int
	repeat bool
}

func (r *runs) Read(p []byte) (int, error) {
	for r.left == 0 {
		if _, err := io.ReadFull(r.in, r.head[:1]); err != nil {
			return 0, err
		}
		switch n := int(int8(r.head[0])); {
		case n >= 0:
			r.left, r.repeat = n+1, false
		case n > -128:
			if _, err := io.ReadFull(r.in, r.head[1:]); err != nil {
				return 0, err
			}
			r.left, r.repeat = 1-n, true
		}
	}
	p = p[:min(len(p), r.left)]
	if r.repeat {
		for i := range p {
			p[i] = r.head[1]
		}
		r.left -= len(p)
		return len(p), nil
	}
	n, err := r.in.Read(p)
	r.left -= n
	return n, err
}

// jpeg decodes a block that is a JPEG, whose tables may lie in a tag (TIFF technical note 2).
func (d *decoder) jpeg(packed []byte, x, y, height int) error {
	if d.planar {
		return UnsupportedError("JPEG compression of separate planes")
	}
	if len(packed) < 2 || packed[0] != 0xff || packed[1] != 0xd8 {
		return io.ErrUnexpectedEOF
	}
	data := []byte("\xff\xd8")
	if d.photometric != ycbcr { // no conversion
		data = append(data, "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"...)
	}
	if tables, _, n := d.bytesOf(tagJPEGTables); n > 4 {
		data = append(data, tables[2:n-2]...)
	}
	data = append(data, packed[2:]...)
	w, h, ok := frameSize(data)
	if !ok || w > d.blockWidth || h > d.blockHeight || w < min(d.blockWidth, d.width-x) || h < height {
		return fmt.Errorf("a block of %dx%d pixels as a JPEG of %dx%d", d.blockWidth, d.blockHeight, w, h)
	}
	img, err := jpeg.Decode(d.ctx, data)
	if err != nil {
		return err
	}
	if m, ok := img.(*image.CMYK); ok {
		for i, v := range m.Pix {
			m.Pix[i] = 255 - v // jpeg takes them to be inverted, as Adobe's are
		}
		return d.out.copy(x, y, height, m.Pix, m.Stride, 4)
	}
	m := d.rgb(img)
	return d.out.copy(x, y, height, m.Pix, m.Stride, 3)
}

// frameSize returns the width and height in the frame header of a JPEG.
func frameSize(data []byte) (w, h int, ok bool) {
	for at := 2; at+9 <= len(data) && data[at] == 0xff && data[at+1] != 0xda; {
		if m := data[at+1]; m == 0xc0 || m == 0xc1 || m == 0xc2 {
			return int(data[at+7])<<8 | int(data[at+8]), int(data[at+5])<<8 | int(data[at+6]), true
		}
		at += 2 + int(data[at+2])<<8 + int(data[at+3])
	}
	return 0, 0, false
}
