package tiff

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math/bits"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/image/tiff"
)

// made is a TIFF to write: samples of a picture of 37x23 pixels, and how they are stored.
type made struct {
	order       binary.AppendByteOrder
	bits        int
	photometric int
	extra       []uint32
	compression int
	planar      bool
	mirrored    bool
	predicted   bool
	tile        int // pixels a side; 0: strips of rows rows
	rows        int
}

const width, height = 37, 23

func (m made) samples() int {
	return (&file{photometric: m.photometric}).colourSamples() + len(m.extra)
}

// sample is a sample of the picture that all of them show, of m.bits bits.
func (m made) sample(x, y, s int) int {
	return (x*(7+s)*911 + y*(3+2*s)*577 + s*4099) & (1<<m.bits - 1)
}

// block is the bytes of a strip or tile.
func (m made) block(x, y, w, h, first, samples int) []byte {
	var out []byte
	for j := range h {
		acc, have := uint64(0), 0
		for i := range w {
			for s := range samples {
				v := m.sample(x+i, y+j, first+s)
				if m.predicted && i > 0 {
					v -= m.sample(x+i-1, y+j, first+s)
				}
				v &= 1<<m.bits - 1
				if m.bits == 16 {
					out = m.order.AppendUint16(out, uint16(v))
					continue
				}
				acc, have = acc<<m.bits|uint64(v), have+m.bits
				if have == 8 {
					out, acc, have = append(out, uint8(acc)), 0, 0
				}
			}
		}
		if have > 0 {
			out = append(out, uint8(acc<<(8-have)))
		}
	}
	return m.pack(out)
}

func (m made) pack(b []byte) []byte {
	switch m.compression {
	case deflate:
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		_, _ = w.Write(b)
		_ = w.Close()
		b = z.Bytes()
	case packBits:
		var out []byte
		for part := range slices.Chunk(b, 100) {
			out = append(append(out, uint8(len(part)-1)), part...)
		}
		b = append(out, 0x80)
	case lzwCodes: // codes of 9 bits only, and none for the end
		var w, n uint32
		var out []byte
		put := func(v uint32) {
			for w, n = w<<9|v, n+9; n >= 8; n -= 8 {
				out = append(out, uint8(w>>(n-8)))
			}
		}
		for i, v := range b {
			if i%200 == 0 {
				put(256)
			}
			put(uint32(v))
		}
		b = append(out, uint8(w<<(8-n)))
	}
	if m.mirrored {
		for i, v := range b {
			b[i] = bits.Reverse8(v)
		}
	}
	return b
}

// encode writes the whole file.
func (m made) encode() []byte {
	samples, planes := m.samples(), 1
	if m.planar {
		samples, planes = 1, samples
	}
	w, h := width, m.rows
	if m.tile > 0 {
		w, h = m.tile, m.tile
	}
	var blocks [][]byte
	for p := range planes {
		for y := 0; y < height; y += h {
			for x := 0; x < width; x += w {
				rows := h
				if m.tile == 0 {
					rows = min(h, height-y)
				}
				blocks = append(blocks, m.block(x, y, w, rows, p, samples))
			}
		}
	}
	fill, planar, predictor := uint32(1), uint32(1), uint32(1)
	if m.mirrored {
		fill = 2
	}
	if m.planar {
		planar = 2
	}
	if m.predicted {
		predictor = 2
	}
	tags := map[uint16][]uint32{
		tagWidth: {width}, tagHeight: {height}, tagBits: slices.Repeat([]uint32{uint32(m.bits)}, m.samples()),
		tagCompression: {uint32(m.compression)}, tagPhotometric: {uint32(m.photometric)}, tagFillOrder: {fill},
		tagSamples: {uint32(m.samples())}, tagPlanar: {planar}, tagPredictor: {predictor}, tagExtra: m.extra,
	}
	if m.photometric == palette {
		for c := range 3 {
			for i := range 1 << m.bits {
				tags[tagPalette] = append(tags[tagPalette], uint32(i*(c+5)*2531&0xffff))
			}
		}
	}
	offsets, counts := uint16(tagOffsets), uint16(tagCounts)
	if m.tile > 0 {
		tags[tagTileWidth], tags[tagTileHeight] = []uint32{uint32(m.tile)}, []uint32{uint32(m.tile)}
		offsets, counts = tagTileOffsets, tagTileCounts
	} else {
		tags[tagRows] = []uint32{uint32(m.rows)}
	}
	return write(m.order, tags, offsets, counts, blocks)
}

// write writes a file of tags and blocks.
func write(order binary.AppendByteOrder, tags map[uint16][]uint32, offsets, counts uint16, blocks [][]byte) []byte {
	out := []byte("II\x2a\x00\x00\x00\x00\x00")
	if order.String() == "BigEndian" {
		out = []byte("MM\x00\x2a\x00\x00\x00\x00")
	}
	for _, b := range blocks {
		tags[offsets] = append(tags[offsets], uint32(len(out)))
		tags[counts] = append(tags[counts], uint32(len(b)))
		out = append(out, b...)
	}
	var keys []uint16
	for k, v := range tags {
		if len(v) > 0 {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	directory := order.AppendUint16(nil, uint16(len(keys)))
	for _, k := range keys {
		v := tags[k]
		directory = order.AppendUint16(directory, k)
		kind := uint16(4)
		if k == tagBits || k == tagPalette || k == tagExtra || len(v) == 1 && v[0] < 1<<16 {
			kind = 3
		}
		directory = order.AppendUint16(directory, kind)
		directory = order.AppendUint32(directory, uint32(len(v)))
		var raw []byte
		for _, n := range v {
			if kind == 3 {
				raw = order.AppendUint16(raw, uint16(n))
			} else {
				raw = order.AppendUint32(raw, n)
			}
		}
		if len(raw) > 4 {
			directory = order.AppendUint32(directory, uint32(len(out)))
			out = append(out, raw...)
		} else {
			directory = append(directory, append(raw, 0, 0, 0, 0)[:4]...)
		}
	}
	copy(out[4:], order.AppendUint32(nil, uint32(len(out))))
	return append(append(out, directory...), 0, 0, 0, 0)
}

// want is the colour of a pixel, in 8 bits.
func (m made) want(x, y int) color.Color {
	v := func(s int) uint8 { return uint8(m.sample(x, y, s) * 255 / (1<<m.bits - 1)) }
	if m.bits == 16 {
		v = func(s int) uint8 { return uint8(m.sample(x, y, s) >> 8) }
	}
	switch m.photometric {
	case blackIsZero:
		return color.Gray{Y: v(0)}
	case whiteIsZero:
		return color.Gray{Y: ^v(0)}
	case palette:
		i := m.sample(x, y, 0)
		return color.RGBA{R: uint8(i * 5 * 2531 >> 8), G: uint8(i * 6 * 2531 >> 8), B: uint8(i * 7 * 2531 >> 8), A: 255}
	case cmyk:
		return color.CMYK{C: v(0), M: v(1), Y: v(2), K: v(3)}
	}
	c := color.NRGBA{R: v(0), G: v(1), B: v(2), A: 255}
	if len(m.extra) > 0 && m.extra[0] == 2 {
		c.A = v(3)
	}
	return c
}

func asIs(img image.Image) *image.NRGBA {
	out := image.NewNRGBA(img.Bounds())
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Src)
	return out
}

// variants are all kinds of files that the writer above can make and this package reads.
func variants() []made {
	var all []made
	for _, kind := range []made{
		{bits: 1, photometric: whiteIsZero}, {bits: 2, photometric: blackIsZero}, {bits: 4, photometric: blackIsZero},
		{bits: 8, photometric: blackIsZero}, {bits: 16, photometric: blackIsZero},
		{bits: 8, photometric: blackIsZero, extra: []uint32{0}},
		{bits: 4, photometric: palette}, {bits: 8, photometric: palette},
		{bits: 8, photometric: rgb}, {bits: 16, photometric: rgb}, {bits: 8, photometric: rgb, extra: []uint32{0}},
		{bits: 8, photometric: rgb, extra: []uint32{2}}, {bits: 8, photometric: rgb, extra: []uint32{0, 0}},
		{bits: 16, photometric: rgb, extra: []uint32{2, 0}}, {bits: 8, photometric: cmyk}, {bits: 16, photometric: cmyk},
	} {
		for i, compression := range []int{plain, deflate, packBits, lzwCodes} {
			for j := range 8 {
				m := kind
				m.order = []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian}[(i+j)%2]
				m.compression, m.planar, m.mirrored = compression, j&1 > 0, j&2 > 0
				m.predicted = m.bits >= 8 && (i+j)%3 == 0
				if m.rows = 5; j&4 > 0 {
					m.tile = 16
				}
				all = append(all, m)
			}
		}
	}
	return all
}

func TestVariants(t *testing.T) {
	for _, m := range variants() {
		t.Run(fmt.Sprintf("%+v", m), func(t *testing.T) {
			data := m.encode()
			img, err := Decode(t.Context(), data, asIs)
			if err != nil {
				t.Fatal(err)
			}
			for y := range height {
				for x := range width {
					got, want := color.NRGBAModel.Convert(img.At(x, y)), color.NRGBAModel.Convert(m.want(x, y))
					if deep, ok := img.(*image.NRGBA64); ok { // which At would multiply by alpha
						v := deep.NRGBA64At(x, y)
						got = color.NRGBA{R: uint8(v.R >> 8), G: uint8(v.G >> 8), B: uint8(v.B >> 8), A: uint8(v.A >> 8)}
					}
					if got != want {
						t.Fatalf("(%d,%d): got %v, want %v", x, y, got, want)
					}
				}
			}
			if m.mirrored || m.planar || m.compression == lzwCodes {
				return // which golang.org/x/image/tiff does not read, or reads wrong
			}
			other, err := tiff.Decode(bytes.NewReader(data))
			if err != nil {
				return
			}
			for y := range height {
				for x := range width {
					r, g, b, a := img.At(x, y).RGBA()
					or, og, ob, oa := other.At(x, y).RGBA()
					if [4]uint32{r >> 8, g >> 8, b >> 8, a >> 8} != [4]uint32{or >> 8, og >> 8, ob >> 8, oa >> 8} {
						t.Fatalf("(%d,%d): got %v, golang.org/x/image/tiff %v", x, y, img.At(x, y), other.At(x, y))
					}
				}
			}
		})
	}
}

// TestJPEG: strips that are JPEGs.
func TestJPEG(t *testing.T) {
	src := image.NewGray(image.Rect(0, 0, 40, 32))
	for i := range src.Pix {
		src.Pix[i] = uint8(i/40*4 + i%40)
	}
	var blocks [][]byte
	for y := 0; y < 32; y += 16 {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, src.SubImage(image.Rect(0, y, 40, y+16)), &jpeg.Options{Quality: 100}); err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, b.Bytes())
	}
	tags := map[uint16][]uint32{tagWidth: {40}, tagHeight: {32}, tagBits: {8}, tagCompression: {jpegBlocks},
		tagPhotometric: {blackIsZero}, tagSamples: {1}, tagRows: {16}}
	data := write(binary.LittleEndian, tags, tagOffsets, tagCounts, blocks)
	img, err := Decode(t.Context(), data, asIs)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range src.Pix {
		got := color.GrayModel.Convert(img.At(i%40, i/40)).(color.Gray).Y
		if d := int(got) - int(want); d < -3 || d > 3 {
			t.Fatalf("pixel %d: got %d, want %d", i, got, want)
		}
	}
	tags[tagWidth] = []uint32{90}
	delete(tags, tagOffsets)
	delete(tags, tagCounts)
	if _, err := Decode(t.Context(), write(binary.LittleEndian, tags, tagOffsets, tagCounts, blocks), asIs); err == nil {
		t.Error("JPEGs narrower than the picture were decoded")
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range variants() {
		f.Add(m.encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		w, h, err := Size(data)
		if err != nil || w*h > 1<<18 {
			return
		}
		img, err := Decode(t.Context(), data, asIs)
		if err == nil && img.Bounds() != image.Rect(0, 0, w, h) {
			t.Fatalf("got %v, want %dx%d", img.Bounds(), w, h)
		}
	})
}

// TestBig: a BigTIFF shows what the same TIFF does.
func TestBig(t *testing.T) {
	le := binary.LittleEndian
	for _, m := range variants() {
		if m.order.String() != le.String() || m.compression != packBits {
			continue
		}
		small := m.encode()
		at := le.Uint32(small[4:])
		n := le.Uint16(small[at:])
		out := append([]byte("II\x2b\x00\x08\x00\x00\x00"), make([]byte, 8)...)
		const moved = 8 // bytes that the longer header takes
		out = append(out, small[8:at]...)
		le.PutUint64(out[8:], uint64(len(out)))
		out = le.AppendUint64(out, uint64(n))
		for i := range n {
			e := small[at+2+12*uint32(i):][:12]
			tag, kind, count := le.Uint16(e), le.Uint16(e[2:]), le.Uint32(e[4:])
			out = le.AppendUint16(le.AppendUint16(out, tag), kind)
			out = le.AppendUint64(out, uint64(count))
			size := map[uint16]uint32{3: 2, 4: 4}[kind]
			value := append(bytes.Clone(e[8:]), 0, 0, 0, 0)
			if size*count > 4 {
				from := le.Uint32(e[8:])
				raw := bytes.Clone(small[from:][:size*count])
				if tag == tagOffsets || tag == tagTileOffsets {
					for j := range count {
						le.PutUint32(raw[4*j:], le.Uint32(raw[4*j:])+moved)
					}
				}
				if len(raw) <= 8 {
					copy(value, raw)
				} else {
					copy(out[from+moved:], raw)
					le.PutUint64(value, uint64(from+moved))
				}
			}
			out = append(out, value...)
		}
		got, err := Decode(t.Context(), out, asIs)
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		want, err := Decode(t.Context(), small, asIs)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v: another picture, %v", m, err)
		}
	}
}
