// Package tiff decodes the first picture of a TIFF file (TIFF 6.0): grey, palette, RGB and CMYK of
// 1, 2, 4, 8 or 16 bits a sample, in strips or tiles, chunky or planar, with further samples, bits
// from either end, plain or packed by PackBits, LZW, Deflate, CCITT or JPEG. Rows are unpacked one
// by one, so that memory is the picture's own.
package tiff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The tags that are read.
const (
	tagWidth        = 0x100
	tagHeight       = 0x101
	tagBits         = 0x102
	tagCompression  = 0x103
	tagPhotometric  = 0x106
	tagFillOrder    = 0x10a
	tagOffsets      = 0x111
	tagOrientation  = 0x112
	tagSamples      = 0x115
	tagRows         = 0x116
	tagCounts       = 0x117
	tagPlanar       = 0x11c
	tagPredictor    = 0x13d
	tagPalette      = 0x140
	tagTileWidth    = 0x142
	tagTileHeight   = 0x143
	tagTileOffsets  = 0x144
	tagTileCounts   = 0x145
	tagExtra        = 0x152
	tagSampleFormat = 0x153
	tagJPEGTables   = 0x15b
	tagProfile      = 0x8773
)

// What tagCompression and tagPhotometric may be here.
const (
	plain      = 1
	fax3       = 3
	fax4       = 4
	lzwCodes   = 5
	jpegBlocks = 7
	deflate    = 8
	packBits   = 32773
	oldDeflate = 32946

	whiteIsZero = 0
	blackIsZero = 1
	rgb         = 2
	palette     = 3
	cmyk        = 5
	ycbcr       = 6
)

// UnsupportedError names what this package does not decode.
type UnsupportedError string

func (e UnsupportedError) Error() string { return string(e) }

// maxSamples bounds how many samples a pixel may have, and a row, and a picture.
const (
	maxSamples        = 16
	maxSamplesARow    = 64 << 20
	maxSamplesPicture = 384 << 20
)

// file is a TIFF's first directory.
type file struct {
	data          []byte
	order         binary.ByteOrder
	tags          map[uint16][]byte // entries, without the tag
	big           bool              // a BigTIFF, whose counts and offsets have 8 bytes
	width, height int
	bits, samples int
	compression   int
	photometric   int
	predictor     int
	fillOrder     int
	planar        bool
	extra         int // what tagExtra says of the first further sample
	colours       []uint32
	tiled         bool
	blockWidth    int
	blockHeight   int
}

// Size returns the width and height of the picture, in pixels, and what of its header says that it
// cannot be decoded.
func Size(data []byte) (width, height int, err error) {
	f, err := open(data)
	if err != nil {
		return 0, 0, err
	}
	return f.width, f.height, nil
}

// Orientation returns the orientation of the picture, 1 to 8; 1 when nothing sensible is said.
func Orientation(data []byte) int {
	f, err := open(data)
	if err != nil {
		return 1
	}
	if v := f.value(tagOrientation, 1); 1 <= v && v <= 8 {
		return v
	}
	return 1
}

// Profile returns the ICC profile of the picture; nil when it has none.
func Profile(data []byte) []byte {
	f, err := open(data)
	if err != nil {
		return nil
	}
	profile, _, _ := f.bytesOf(tagProfile)
	return profile
}

// open reads the first directory.
func open(data []byte) (*file, error) {
	f := &file{data: data, order: binary.LittleEndian, tags: map[uint16][]byte{}}
	if len(data) < 8 {
		return nil, errors.New("no header")
	}
	if data[0] == 'M' {
		f.order = binary.BigEndian
	}
	f.big = f.order.Uint16(data[2:]) == 43
	start, count, entry := data[4:], 2, 12
	if f.big {
		if len(data) < 16 || f.order.Uint16(data[4:]) != 8 {
			return nil, errors.New("a BigTIFF with offsets of other than 8 bytes")
		}
		start, count, entry = data[8:], 8, 20
	}
	at := f.offset(start)
	if at > uint64(len(data)-count) {
		return nil, errors.New("the first directory lies outside the file")
	}
	n := uint64(f.order.Uint16(data[at:]))
	if f.big {
		n = f.order.Uint64(data[at:])
	}
	rest := data[at+uint64(count):]
	for range min(n, 1<<16) {
		if len(rest) < entry {
			return nil, errors.New("the first directory is cut short")
		}
		if tag := f.order.Uint16(rest); f.tags[tag] == nil {
			f.tags[tag] = rest[2:entry]
		}
		rest = rest[entry:]
	}
	if err := f.describe(); err != nil {
		return nil, err
	}
	return f, f.check()
}

// offset reads an offset or count, of 4 bytes or 8.
func (f *file) offset(b []byte) uint64 {
	if f.big {
		return f.order.Uint64(b)
	}
	return uint64(f.order.Uint32(b))
}

// bytesOf returns the bytes of an entry's values, what kind they are and how many.
func (f *file) bytesOf(tag uint16) (raw []byte, kind uint16, count int) {
	e := f.tags[tag]
	if e == nil {
		return nil, 0, 0
	}
	kind = f.order.Uint16(e)
	// BYTE, SHORT, LONG, UNDEFINED and LONG8
	size, ok := map[uint16]uint64{1: 1, 3: 2, 4: 4, 7: 1, 16: 8}[kind]
	if !ok {
		return nil, 0, 0
	}
	n, value := f.offset(e[2:]), e[len(e)/2+1:] // the second half is the value or where it is
	if n <= uint64(len(value))/size {
		return value[:size*n], kind, int(n)
	}
	at := f.offset(value)
	if at >= uint64(len(f.data)) {
		return nil, 0, 0
	}
	n = min(n, (uint64(len(f.data))-at)/size)
	return f.data[at : at+size*n], kind, int(n)
}

// values returns an entry's numbers, most at most; nil when there are none.
func (f *file) values(tag uint16, most int) []uint32 {
	raw, kind, n := f.bytesOf(tag)
	v := make([]uint32, min(n, most))
	for i := range v {
		switch kind {
		case 3:
			v[i] = uint32(f.order.Uint16(raw[2*i:]))
		case 4:
			v[i] = f.order.Uint32(raw[4*i:])
		case 16: // no file that is read here is so long
			v[i] = uint32(min(f.order.Uint64(raw[8*i:]), math.MaxUint32))
		default:
			v[i] = uint32(raw[i])
		}
	}
	return v
}

// value returns an entry's first number, or what it is when there is none.
func (f *file) value(tag uint16, otherwise int) int {
	if v := f.values(tag, 1); len(v) > 0 {
		return int(v[0])
	}
	return otherwise
}

// describe fills in what the directory says of the picture.
func (f *file) describe() error {
	f.width, f.height = f.value(tagWidth, 0), f.value(tagHeight, 0)
	bits := f.values(tagBits, maxSamples+1)
	f.samples = f.value(tagSamples, max(1, len(bits)))
	f.bits = 1
	if len(bits) > 0 {
		f.bits = int(bits[0])
	}
	for _, b := range bits {
		if int(b) != f.bits {
			return UnsupportedError("samples of different numbers of bits")
		}
	}
	f.compression, f.predictor = f.value(tagCompression, plain), f.value(tagPredictor, 1)
	if f.compression == 0 {
		f.compression = plain
	}
	f.photometric, f.fillOrder = f.value(tagPhotometric, 0), f.value(tagFillOrder, 1)
	f.planar = f.value(tagPlanar, 1) == 2 && f.samples > 1
	f.extra = f.value(tagExtra, 0)
	f.colours = f.values(tagPalette, 3*256)
	for _, v := range f.values(tagSampleFormat, maxSamples) {
		if v != 1 && v != 4 { // unsigned, or of no kind
			return UnsupportedError("samples that are signed or floating-point numbers")
		}
	}
	f.blockWidth, f.blockHeight = f.width, f.height
	if _, f.tiled = f.tags[tagTileWidth]; f.tiled {
		f.blockWidth, f.blockHeight = f.value(tagTileWidth, 0), f.value(tagTileHeight, 0)
	} else if n := f.value(tagRows, 0); n > 0 && n < f.height {
		f.blockHeight = n
	}
	return nil
}

// colourSamples is how many samples of a pixel are its colour.
func (f *file) colourSamples() int {
	switch f.photometric {
	case rgb, ycbcr:
		return 3
	case cmyk:
		return 4
	}
	return 1
}

// check says what cannot be decoded.
func (f *file) check() error {
	if f.width <= 0 || f.height <= 0 {
		return fmt.Errorf("got %dx%d pixels, want at least 1x1", f.width, f.height)
	}
	switch f.compression {
	case plain, fax3, fax4, lzwCodes, jpegBlocks, deflate, packBits, oldDeflate:
	default:
		return UnsupportedError(fmt.Sprintf("compression %d", f.compression))
	}
	switch {
	case f.photometric == ycbcr && f.compression != jpegBlocks:
		return UnsupportedError("YCbCr without JPEG compression")
	case f.photometric == 8 || f.photometric == 9 || f.photometric == 10:
		return UnsupportedError("the colour space L*a*b*")
	case f.photometric > ycbcr || f.photometric == 4:
		return UnsupportedError(fmt.Sprintf("photometric interpretation %d", f.photometric))
	case f.bits != 1 && f.bits != 2 && f.bits != 4 && f.bits != 8 && f.bits != 16,
		f.compression == jpegBlocks && f.bits != 8:
		return UnsupportedError(fmt.Sprintf("%d bits a sample", f.bits))
	case f.photometric == palette && (f.bits > 8 || len(f.colours) < 3):
		return fmt.Errorf("a palette of %d colours for %d bits", len(f.colours)/3, f.bits)
	case f.samples < f.colourSamples():
		return fmt.Errorf("%d samples a pixel, want %d", f.samples, f.colourSamples())
	case f.samples > maxSamples:
		return UnsupportedError(fmt.Sprintf("%d samples a pixel", f.samples))
	case f.predictor != 1 && (f.predictor != 2 || f.bits < 8):
		return UnsupportedError(fmt.Sprintf("predictor %d of %d bits", f.predictor, f.bits))
	case (f.compression == fax3 || f.compression == fax4) && (f.bits != 1 || f.samples != 1):
		return errors.New("fax compression of more than one bit a pixel")
	}
	return f.checkBlocks()
}

// checkBlocks bounds the work that strips and tiles make.
func (f *file) checkBlocks() error {
	const most = 1 << 16 // no tile has a longer side
	w, h, bw, bh := int64(f.width), int64(f.height), int64(f.blockWidth), int64(f.blockHeight)
	if f.tiled && (bw < 8 || bh < 8 || bw > most || bh > most) {
		return fmt.Errorf("got tiles of %dx%d pixels, want 8 to %d a side", bw, bh, most)
	}
	across, down := (w+bw-1)/bw, (h+bh-1)/bh
	if f.tiled && across*bw*(down*bh) > 4*w*h+1<<22 {
		return fmt.Errorf("got %dx%d tiles of %dx%d pixels, far more than the %dx%d of the picture", across, down,
			bw, bh, w, h)
	}
	return nil
}
