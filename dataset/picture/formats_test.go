package picture_test

import (
	"bytes"
	"compress/lzw"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"testing"

	"golang.org/x/image/bmp"

	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
)

// shows fails unless data decode to the colours of want.
func shows(t *testing.T, name string, data []byte, want image.Image) {
	t.Helper()
	got, _, err := picture.Decode(data, picture.Limits{})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if got.Bounds() != want.Bounds() {
		t.Errorf("%s: got %v, want %v", name, got.Bounds(), want.Bounds())
		return
	}
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			a, b := color.NRGBAModel.Convert(got.At(x, y)), color.NRGBAModel.Convert(want.At(x, y))
			if a != b {
				t.Errorf("%s: (%d,%d): got %v, want %v", name, x, y, a, b)
				return
			}
		}
	}
}

// bitmap writes a BMP of 13x7 pixels: info is the header behind its size, extra what follows it.
func bitmap(info, extra, rows []byte) []byte {
	le := binary.LittleEndian
	out := le.AppendUint32([]byte("BM"), uint32(18+len(info)+len(extra)+len(rows)))
	out = le.AppendUint32(append(out, 0, 0, 0, 0), uint32(18+len(info)+len(extra)))
	out = le.AppendUint32(out, uint32(4+len(info)))
	return bytes.Join([][]byte{out, info, extra, rows}, nil)
}

// windows is Windows' header of size bytes, without its size.
func windows(size, height, bits, compression int) []byte {
	info := binary.LittleEndian.AppendUint32(nil, 13)
	info = binary.LittleEndian.AppendUint32(info, uint32(int32(height)))
	info = append(info, 1, 0, uint8(bits), 0, uint8(compression), 0, 0, 0)
	return append(info, make([]byte, size-4-len(info))...)
}

func masks(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// bitmaps are BMPs that golang.org/x/image/bmp refuses, and what they show.
func bitmaps() (files map[string][]byte, want map[string]image.Image) {
	src := picturetest.Noise(13, 7, 5)
	shades := image.NewPaletted(src.Rect, nil)
	for i := range 16 {
		shades.Palette = append(shades.Palette, color.RGBA{R: uint8(i * 16), G: uint8(i * 3), B: uint8(255 - i), A: 255})
	}
	five, six, thirtyTwo, eight := image.NewNRGBA(src.Rect), image.NewNRGBA(src.Rect), image.NewNRGBA(src.Rect), shades
	rows := map[string][]byte{}
	le := binary.LittleEndian
	wide := func(v uint16, most int) uint8 { return uint8(int(v) * 255 / most) }
	for y := 6; y >= 0; y-- {
		for x := range 13 {
			c := src.NRGBAAt(x, y)
			r, g, b := uint16(c.R>>3), uint16(c.G>>3), uint16(c.B>>3)
			rows["555"] = le.AppendUint16(rows["555"], r<<10|g<<5|b)
			five.SetNRGBA(x, y, color.NRGBA{R: wide(r, 31), G: wide(g, 31), B: wide(b, 31), A: 255})
			rows["565"] = le.AppendUint16(rows["565"], r<<11|uint16(c.G>>2)<<5|b)
			six.SetNRGBA(x, y, color.NRGBA{R: wide(r, 31), G: wide(uint16(c.G>>2), 63), B: wide(b, 31), A: 255})
			rows["32"] = append(rows["32"], c.B, c.G, c.R, 77)
			thirtyTwo.SetNRGBA(x, y, c)
			rows["24"] = append(rows["24"], c.B, c.G, c.R)
			v := uint8((x*5 + y*3) % 16)
			shades.SetColorIndex(x, y, v)
			rows["8"] = append(rows["8"], v)
			rows["runs"] = append(rows["runs"], 1, v)
		}
		for _, kind := range []string{"555", "565", "24", "8"} {
			for len(rows[kind])%4 != 0 {
				rows[kind] = append(rows[kind], 0)
			}
		}
		rows["runs"] = append(rows["runs"], 0, 0)
	}
	var three, four []byte
	for i := range 256 {
		c := color.RGBA{}
		if i < 16 {
			c = shades.Palette[i].(color.RGBA)
		}
		three = append(three, c.B, c.G, c.R)
		four = append(four, c.B, c.G, c.R, 0)
	}
	os2 := func(bits uint8) []byte { return []byte{13, 0, 7, 0, 1, 0, bits, 0} }
	runs := append(append([]byte{}, rows["runs"]...), 0, 1)
	return map[string][]byte{
			"16 bits":             bitmap(windows(40, 7, 16, 0), nil, rows["555"]),
			"16 bits, masks":      bitmap(windows(40, 7, 16, 3), masks(0xf800, 0x7e0, 0x1f), rows["565"]),
			"32 bits, masks":      bitmap(windows(40, 7, 32, 3), masks(0xff0000, 0xff00, 0xff), rows["32"]),
			"OS/2, 24 bits":       bitmap(os2(24), nil, rows["24"]),
			"OS/2, 8 bits":        bitmap(os2(8), three, rows["8"]),
			"runs":                bitmap(windows(40, 7, 8, 1), four, runs),
			"a gap before pixels": bitmap(windows(40, 7, 24, 0), make([]byte, 24), rows["24"]),
		}, map[string]image.Image{"16 bits": five, "16 bits, masks": six, "32 bits, masks": thirtyTwo, "OS/2, 24 bits": src,
			"OS/2, 8 bits": eight, "runs": eight, "a gap before pixels": src}
}

func TestBMP(t *testing.T) {
	files, want := bitmaps()
	for name, data := range files {
		if _, err := bmp.Decode(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: golang.org/x/image/bmp reads it: the test tests nothing", name)
		}
		shows(t, name, data, want[name])
		if _, _, err := picture.Decode(data[:len(data)-20], picture.Limits{}); err == nil {
			t.Errorf("%s: decoded although cut", name)
		}
	}
	for _, img := range []image.Image{picturetest.Noise(13, 7, 5), want["runs"]} {
		data := picturetest.Encode(t, "bmp", img)
		other, err := bmp.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		shows(t, fmt.Sprintf("%T", img), data, other)
	}
}

// animation writes a GIF of one frame of 16 shades.
func animation(canvas image.Point, frame *image.Paletted, interlaced bool, palette bool, behind []byte) []byte {
	le := binary.LittleEndian
	out := le.AppendUint16(le.AppendUint16([]byte("GIF89a"), uint16(canvas.X)), uint16(canvas.Y))
	flags, order := byte(0), []int{}
	if palette {
		flags = 0x83
	}
	out = append(out, flags, 0, 0)
	for i := range 16 {
		if palette {
			c := frame.Palette[i].(color.RGBA)
			out = append(out, c.R, c.G, c.B)
		}
	}
	w, h := frame.Rect.Dx(), frame.Rect.Dy()
	for y := range h {
		order = append(order, y)
	}
	flags = 0
	if interlaced {
		flags, order = 0x40, nil
		for _, p := range [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
			for y := p[0]; y < h; y += p[1] {
				order = append(order, y)
			}
		}
	}
	out = append(out, 0x2c)
	for _, v := range []int{frame.Rect.Min.X, frame.Rect.Min.Y, w, h} {
		out = le.AppendUint16(out, uint16(v))
	}
	out = append(out, flags, 4)
	var packed bytes.Buffer
	z := lzw.NewWriter(&packed, lzw.LSB, 4)
	for _, y := range order {
		_, _ = z.Write(frame.Pix[y*frame.Stride:][:w])
	}
	_, _ = z.Write(behind)
	_ = z.Close()
	for b := packed.Bytes(); len(b) > 0; b = b[min(200, len(b)):] {
		out = append(append(out, byte(min(200, len(b)))), b[:min(200, len(b))]...)
	}
	return append(out, 0, ';')
}

// animations are GIFs that image/gif refuses.
func animations() (files map[string][]byte, want *image.Paletted) {
	_, pictures := bitmaps()
	want = pictures["runs"].(*image.Paletted)
	return map[string][]byte{
		"a frame beyond the canvas": animation(image.Pt(9, 5), want, false, true, nil),
		"no canvas":                 animation(image.Pt(0, 0), want, true, true, nil),
		"data behind the picture":   animation(image.Pt(13, 7), want, false, true, make([]byte, 300)),
		"no palette":                animation(image.Pt(13, 7), want, false, false, nil),
	}, want
}

func TestGIF(t *testing.T) {
	files, want := animations()
	for name, data := range files {
		if _, err := gif.Decode(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: image/gif reads it: the test tests nothing", name)
		}
		if name == "no palette" {
			grey := image.NewGray(want.Rect)
			copy(grey.Pix, want.Pix)
			shows(t, name, data, grey)
			continue
		}
		shows(t, name, data, want)
	}
	interlaced := animation(image.Pt(13, 7), want, true, true, nil)
	if other, err := gif.Decode(bytes.NewReader(interlaced)); err != nil {
		t.Error(err)
	} else {
		shows(t, "interlaced", interlaced, other)
	}
	shows(t, "animated.gif", testdata(t, "animated.gif"), must(gif.Decode(bytes.NewReader(testdata(t, "animated.gif")))))
}

func must(img image.Image, err error) image.Image {
	if err != nil {
		panic(err)
	}
	return img
}

// portable are PNGs that image/png refuses, though every pixel is there.
func portable(t testing.TB) (files map[string][]byte, want image.Image) {
	src := picturetest.Noise(31, 17, 6)
	data := picturetest.Encode(t, "png", src)
	wrong := picturetest.WithChunk(data, "tEXt", []byte("Comment\x00hi"))
	wrong[8+25+8+12]++
	end := len(data) - 12
	var raw, packed bytes.Buffer
	at := bytes.Index(data, []byte("IDAT"))
	n := int(binary.BigEndian.Uint32(data[at-4:]))
	z, err := zlib.NewReader(bytes.NewReader(data[at+4 : at+4+n]))
	if err == nil {
		_, err = io.Copy(&raw, z)
	}
	if err != nil {
		t.Fatal(err)
	}
	w := zlib.NewWriter(&packed)
	_, _ = w.Write(append(raw.Bytes(), make([]byte, 100)...))
	_ = w.Close()
	more := picturetest.WithChunk(data[:at-4], "IDAT", packed.Bytes())
	cut := picturetest.WithChunk(data[:at-4], "IDAT", data[at+4:at+4+n-4])
	return map[string][]byte{
		"compressed data without their checksum": append(cut, data[end:]...), "half a checksum": data[:end-2],
		"a wrong checksum of a text": wrong, "no end": data[:end], "data behind the picture": append(more, data[end:]...),
	}, src
}

func TestPNG(t *testing.T) {
	files, want := portable(t)
	for name, data := range files {
		if _, err := png.Decode(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: image/png reads it: the test tests nothing", name)
		}
		shows(t, name, data, want)
	}
	data := picturetest.Encode(t, "png", want)
	data[len(data)-12-1]++ // the checksum of the pixels
	if _, _, err := picture.Decode(data, picture.Limits{}); err == nil {
		t.Error("decoded pixels with a wrong checksum")
	}
}

// TestWebPLength: a header that says less than there is, as some writers forget padding.
func TestWebPLength(t *testing.T) {
	for _, name := range []string{"lossy.webp", "lossless.webp", "alpha.webp", "orientation6.webp"} {
		data := testdata(t, name)
		want, _, err := picture.Decode(data, picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		short := bytes.Clone(data)
		binary.LittleEndian.PutUint32(short[4:], binary.LittleEndian.Uint32(short[4:])-2)
		shows(t, name, short, want)
	}
}

// TestTIFFPacked: fax compression and JPEG strips show what the plain ones do.
func TestTIFFPacked(t *testing.T) {
	bits, _, err := picture.Decode(testdata(t, "bits.tif"), picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if c := color.GrayModel.Convert(bits.At(40, 25)).(color.Gray); c.Y != 255 {
		t.Errorf("yellow is %v, want white", c)
	}
	for _, name := range []string{"fax3.tif", "fax4.tif"} {
		shows(t, name, testdata(t, name), bits)
	}
	for _, name := range []string{"jpeg-rgba.tif", "jpeg-ycc.tif"} {
		img, _, err := picture.Decode(testdata(t, name), picture.Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for q, want := range quarters {
			c := color.NRGBAModel.Convert(img.At(12+24*(q%2), 8+16*(q/2))).(color.NRGBA)
			for i, v := range []uint8{c.R, c.G, c.B} {
				if d := float64(v) - want[i]; d < -6 || d > 6 || c.A != 255 {
					t.Errorf("%s: quarter %d: got %v, want %v", name, q, c, want)
				}
			}
		}
	}
}
