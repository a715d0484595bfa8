package picture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
)

// quarters are the colours of testdata's pictures: upper left, upper right, lower left, lower
// right.
var quarters = [4][3]float64{{220, 40, 30}, {30, 160, 60}, {40, 60, 200}, {230, 210, 40}}

func TestDecodeFixtures(t *testing.T) {
	grey := func(c [3]float64) [3]float64 {
		l := 0.299*c[0] + 0.587*c[1] + 0.114*c[2]
		return [3]float64{l, l, l}
	}
	for _, test := range []struct {
		name, format string
		orientation  int
		tolerance    float64
	}{
		{"progressive.jpg", "jpeg", 1, 6},
		{"subsampled.jpg", "jpeg", 1, 6},
		{"wide.jpg", "jpeg", 1, 6},
		{"cmyk.jpg", "jpeg", 1, 6},
		{"orientation6.jpg", "jpeg", 6, 6},
		{"orientation6.png", "png", 6, 0},
		{"orientation6.webp", "webp", 6, 0},
		{"orientation6.tif", "tiff", 6, 0},
		{"lossy.webp", "webp", 1, 6},
		{"lossless.webp", "webp", 1, 0},
		{"alpha.webp", "webp", 1, 6},
		{"animated.webp", "webp", 1, 0},
		{"animated.gif", "gif", 1, 0},
		{"deflate.tif", "tiff", 1, 0},
		{"grey.tif", "tiff", 1, 1},
		{"palette.bmp", "bmp", 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := testdata(t, test.name)
			img, info, err := picture.Decode(data, picture.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			want := picture.Info{Format: test.format, Width: 24, Height: 16, Orientation: test.orientation}
			if test.orientation == 6 {
				want.Width, want.Height = 16, 24
			}
			if info != want || img.Bounds().Dx() != want.Width || img.Bounds().Dy() != want.Height {
				t.Fatalf("got %+v, bounds %v, want %+v", info, img.Bounds(), want)
			}
			const n = 16
			pixels := apply(t, picturetest.Recipe(n, picture.Nearest), img, info.Orientation)
			for q, colour := range quarters {
				if test.name == "grey.tif" {
					colour = grey(colour)
				}
				x, y := n/4+n/2*(q%2), n/4+n/2*(q/2)
				for c := range 3 {
					if got := float64(pixels[(c*n+y)*n+x]); !(math.Abs(got-colour[c]) <= test.tolerance) {
						t.Errorf("quarter %d, channel %d: got %v, want %v", q, c, got, colour[c])
					}
				}
			}
			if test.name == "alpha.webp" && pixels[0] < 200 {
				t.Errorf("the transparent corner has red %v, want that of the background", pixels[0])
			}
			// Every cut that loses pixels is an error, and none a panic.
			for cut := range data {
				if _, _, err := picture.Decode(data[:cut], picture.Limits{}); err == nil && cut < len(data)/2 {
					t.Errorf("decoded although cut from %d to %d bytes", len(data), cut)
				}
			}
			if _, _, err := picture.Decode(append(data[:len(data):len(data)], "trailing garbage"...),
				picture.Limits{}); err != nil {
				t.Errorf("with bytes behind its end: %v", err)
			}
		})
	}
}

func TestDecodeModels(t *testing.T) {
	src := picturetest.Noise(37, 23, 1)
	grey := image.NewGray(src.Rect)
	deep := image.NewNRGBA64(src.Rect)
	deepGrey := image.NewGray16(src.Rect)
	glass := image.NewNRGBA(src.Rect)
	for y := range 23 {
		for x := range 37 {
			c := src.NRGBAAt(x, y)
			grey.SetGray(x, y, color.Gray{Y: c.R})
			deepGrey.SetGray16(x, y, color.Gray16{Y: uint16(c.R)<<8 | 0x80})
			deep.SetNRGBA64(x, y, color.NRGBA64{R: uint16(c.R) << 8, G: uint16(c.G) << 8, B: uint16(c.B) << 8,
				A: uint16(x) * 1771})
			glass.SetNRGBA(x, y, color.NRGBA{R: c.R, G: c.G, B: c.B, A: uint8(x * 7)})
		}
	}
	laid := func(v, a float64) float64 { return v*a + 255*(1-a) }
	for _, test := range []struct {
		name    string
		data    []byte
		want    func(x, y, c int) float64
		rounded float64
	}{
		{"png", picturetest.Encode(t, "png", src), func(x, y, c int) float64 {
			return float64(src.Pix[y*src.Stride+4*x+c])
		}, 0},
		{"bmp", picturetest.Encode(t, "bmp", src), func(x, y, c int) float64 {
			return float64(src.Pix[y*src.Stride+4*x+c])
		}, 0},
		{"tiff", picturetest.Encode(t, "tiff", src), func(x, y, c int) float64 {
			return float64(src.Pix[y*src.Stride+4*x+c])
		}, 0},
		{"jpeg", picturetest.Encode(t, "jpeg", src), func(x, y, c int) float64 {
			return float64(src.Pix[y*src.Stride+4*x+c])
		}, 90},
		{"png grey", picturetest.Encode(t, "png", grey), func(x, y, _ int) float64 {
			return float64(grey.GrayAt(x, y).Y)
		}, 0},
		{"jpeg grey", picturetest.Encode(t, "jpeg", grey), func(x, y, _ int) float64 {
			return float64(grey.GrayAt(x, y).Y)
		}, 12},
		{"png grey of 16 bits", picturetest.Encode(t, "png", deepGrey), func(x, y, _ int) float64 {
			return float64(grey.GrayAt(x, y).Y)
		}, 0},
		{"png alpha", picturetest.Encode(t, "png", glass), func(x, y, c int) float64 {
			return laid(float64(src.Pix[y*src.Stride+4*x+c]), float64(uint8(x*7))/255)
		}, 0.5},
		{"png alpha of 16 bits", picturetest.Encode(t, "png", deep), func(x, y, c int) float64 {
			return laid(float64(src.Pix[y*src.Stride+4*x+c]), float64(uint16(x)*1771)/65535)
		}, 1.5},
	} {
		t.Run(test.name, func(t *testing.T) {
			img, info, err := picture.Decode(test.data, picture.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if format, _, _ := strings.Cut(test.name, " "); info.Format != format || info.Width != 37 || info.Height != 23 {
				t.Fatalf("got %+v", info)
			}
			const n = 64 // nearest shows every pixel
			got := apply(t, picturetest.Recipe(n, picture.Nearest), img, 1)
			for y := range n {
				for x := range n {
					for c := range 3 {
						want := test.want((2*x+1)*37/(2*n), (2*y+1)*23/(2*n), c)
						if v := float64(got[(c*n+y)*n+x]); !(math.Abs(v-want) <= test.rounded) {
							t.Fatalf("(%d,%d) channel %d: got %v, want %v within %v", x, y, c, v, want, test.rounded)
						}
					}
				}
			}
		})
	}
}

func TestDecodeLimits(t *testing.T) {
	data := picturetest.Encode(t, "png", picturetest.Noise(40, 30, 1))
	var large *picture.TooLargeError
	if _, _, err := picture.Decode(data, picture.Limits{MaxPixels: 1199}); !errors.As(err, &large) || large.Got != 1200 ||
		large.What != "pixels" {
		t.Errorf("1,200 pixels at a limit of 1,199: %v", err)
	}
	if _, _, err := picture.Decode(data, picture.Limits{MaxPixels: 1200}); err != nil {
		t.Errorf("1,200 pixels at a limit of 1,200: %v", err)
	}
	if _, _, err := picture.Decode(data, picture.Limits{MaxBytes: int64(len(data)) - 1}); !errors.As(err, &large) ||
		large.What != "bytes" {
		t.Errorf("one byte too many: %v", err)
	}
	bomb := append([]byte(nil), data...) // a header that claims 2^31-1 pixels a side
	binary.BigEndian.PutUint32(bomb[16:], math.MaxInt32)
	binary.BigEndian.PutUint32(bomb[20:], math.MaxInt32)
	if _, _, err := picture.Decode(bomb, picture.Limits{}); !errors.As(err, &large) ||
		large.Got != math.MaxInt32*math.MaxInt32 {
		t.Errorf("a bomb: %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, test := range []struct{ name, data, want string }{
		{"heic", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC"},
		{"avif", "\x00\x00\x00\x20ftypavif\x00\x00\x00\x00", "AVIF (which builds with -tags avif,nodynamic read)"},
		{"jp2", "\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"},
		{"jxl", "\xff\x0a\xfa\x1f\x41", "JPEG XL"},
		{"svg", "<?xml version=\"1.0\"?>\n<!-- drawn -->\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG"},
		{"pdf", "%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF"},
		{"html", "<!DOCTYPE html><title>404</title>", "an HTML page"},
		{"text", "just some words, ä", "text"},
		{"lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"},
		{"pnm", "P6\n2 2\n255\n\x00\x01", "PNM"},
		{"psd", "8BPS\x00\x01", "Photoshop"},
		{"nothing known", "\x00\x01\x02\x03", "no known format"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := picture.Decode([]byte(test.data), picture.Limits{})
			if !errors.Is(err, picture.ErrUnsupported) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want ErrUnsupported that names %q", err, test.want)
			}
		})
	}
	var damaged *picture.DecodeError
	if _, _, err := picture.Decode(nil, picture.Limits{}); !errors.As(err, &damaged) ||
		!strings.Contains(err.Error(), "empty") {
		t.Errorf("no bytes: %v", err)
	}
}

// TestDecodeTruncated: in every format a picture of which the second half is missing is called
// truncated.
func TestDecodeTruncated(t *testing.T) {
	for _, format := range []string{"png", "jpeg", "gif", "bmp"} {
		data := picturetest.Encode(t, format, picturetest.Noise(200, 150, 3))
		_, _, err := picture.Decode(data[:len(data)/2], picture.Limits{})
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "truncated") {
			t.Errorf("%s: got %v, want one that says truncated", format, err)
		}
	}
}

// TestDecodeScans: a progressive JPEG of a few kilobytes cannot keep the decoder busy with
// thousands of scans.
func TestDecodeScans(t *testing.T) {
	data := testdata(t, "progressive.jpg")
	i := bytes.LastIndex(data, []byte("\xff\xda"))
	scan := data[i : len(data)-2]
	bomb := append([]byte(nil), data[:len(data)-2]...)
	for range 600 {
		bomb = append(bomb, scan...)
	}
	bomb = append(bomb, 0xff, 0xd9)
	if _, _, err := picture.Decode(bomb, picture.Limits{}); !errors.Is(err, picture.ErrUnsupported) {
		t.Errorf("600 scans: got %v, want ErrUnsupported", err)
	}
}

// TestDecodeTiles: tiles far larger than a narrow picture make much work of few bytes.
func TestDecodeTiles(t *testing.T) {
	le := binary.LittleEndian
	data := append([]byte("II\x2a\x00"), 8, 0, 0, 0, 10, 0)
	for _, tag := range [][2]uint32{{0x100, 1}, {0x101, 1 << 20}, {0x102, 8}, {0x103, 8}, {0x106, 1}, {0x115, 1},
		{0x142, 1024}, {0x143, 1024}, {0x144, 0}, {0x145, 0}} {
		data = le.AppendUint16(data, uint16(tag[0]))
		data = le.AppendUint16(data, 4)
		data = le.AppendUint32(data, 1)
		data = le.AppendUint32(data, tag[1])
	}
	data = append(data, make([]byte, 64)...)
	if _, _, err := picture.Decode(data, picture.Limits{}); err == nil || !strings.Contains(err.Error(), "tiles") {
		t.Errorf("got %v, want one that names the tiles", err)
	}
}

func TestOrientationIsRead(t *testing.T) {
	plain := picturetest.Encode(t, "png", picturetest.Noise(5, 4, 1))
	raw := "Raw profile type exif\x00\nexif\n      32\n" + "457869660000" + "4d4d002a00000008" +
		"000101120003000000010003000000000000\n"
	for _, test := range []struct {
		name string
		data []byte
		want int
	}{
		{"none", plain, 1},
		{"eXIf", picturetest.WithEXIF(plain, 7), 7},
		{"eXIf with mark", picturetest.WithChunk(plain, "eXIf",
			append([]byte("Exif\x00\x00"), picturetest.EXIF(binary.BigEndian, 5)...)), 5},
		{"ImageMagick", picturetest.WithChunk(plain, "tEXt", []byte(raw)), 3},
		{"zero", picturetest.WithEXIF(plain, 0), 1},
		{"nine", picturetest.WithEXIF(plain, 9), 1},
		{"cut short", picturetest.WithChunk(plain, "eXIf", picturetest.EXIF(binary.BigEndian, 5)[:18]), 1},
		{"jpeg", picturetest.WithEXIF(picturetest.Encode(t, "jpeg", picturetest.Noise(5, 4, 1)), 8), 8},
	} {
		_, info, err := picture.Decode(test.data, picture.Limits{})
		if err != nil || info.Orientation != test.want {
			t.Errorf("%s: got %d, %v, want %d", test.name, info.Orientation, err, test.want)
		}
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.png")
	data := picturetest.Encode(t, "png", picturetest.Noise(9, 9, 1))
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := source.Read(path, picture.Limits{}); err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	var large *picture.TooLargeError
	if _, err := source.Read(path, picture.Limits{MaxBytes: 10}); !errors.As(err, &large) ||
		!strings.Contains(err.Error(), "a.png") {
		t.Errorf("too large: %v", err)
	}
	if _, err := source.Read(dir, picture.Limits{}); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := source.Read(filepath.Join(dir, "b.png"), picture.Limits{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	names, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		f.Add(testdata(f, filepath.Base(name)))
	}
	for _, format := range []string{"png", "jpeg", "gif", "bmp", "tiff"} {
		f.Add(picturetest.Encode(f, format, picturetest.Noise(9, 7, 1)))
	}
	maps, _ := bitmaps()
	frames, _ := animations()
	chunks, _ := portable(f)
	for _, files := range []map[string][]byte{maps, frames, chunks} {
		for _, data := range files {
			f.Add(data)
		}
	}
	limits := picture.Limits{MaxBytes: 1 << 16, MaxPixels: 1 << 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		img, info, err := picture.Decode(data, limits)
		if err != nil {
			if img != nil {
				t.Fatal("a picture beside an error")
			}
			var damaged *picture.DecodeError
			var large *picture.TooLargeError
			if !errors.Is(err, picture.ErrUnsupported) && !errors.As(err, &damaged) && !errors.As(err, &large) {
				t.Fatalf("error of no type: %v", err)
			}
			return
		}
		if info.Orientation < 1 || info.Orientation > 8 || int64(info.Width)*int64(info.Height) > limits.MaxPixels {
			t.Fatalf("got %+v", info)
		}
		for _, filter := range []string{picture.TF1Bilinear, picture.Bilinear} {
			for i, v := range apply(t, picturetest.Recipe(8, filter), img, info.Orientation) {
				if !(v >= 0 && v <= 255) {
					t.Fatalf("%s: value %d is %v, want 0..255", filter, i, v)
				}
			}
		}
	})
}

// TestReadHeader: the header says what decoding finds, and what it refuses for its size.
func TestReadHeader(t *testing.T) {
	for _, format := range []string{"jpeg", "png", "gif", "bmp", "tiff"} {
		data := picturetest.Encode(t, format, picturetest.Noise(23, 17, 1))
		if format == "jpeg" || format == "png" {
			data = picturetest.WithEXIF(data, 6)
		}
		_, want, err := picture.Decode(data, picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := picture.ReadHeader(data, picture.Limits{}); err != nil || got.Info != want {
			t.Errorf("%s: got %+v, %v, want %+v", format, got, err, want)
		}
		var large *picture.TooLargeError
		if _, err := picture.ReadHeader(data, picture.Limits{MaxPixels: 23*17 - 1}); !errors.As(err, &large) {
			t.Errorf("%s: too many pixels: %v", format, err)
		}
	}
	if _, err := picture.ReadHeader([]byte("words"), picture.Limits{}); !errors.Is(err, picture.ErrUnsupported) {
		t.Errorf("words: %v", err)
	}
}

// TestDecodeContext: nothing is decoded for a request that has ended.
func TestDecodeContext(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, format := range []string{"jpeg", "png", "gif", "bmp", "tiff"} {
		data := picturetest.Encode(t, format, picturetest.Noise(23, 17, 1))
		if img, _, err := picture.DecodeContext(ended, data, picture.Limits{}); !errors.Is(err, context.Canceled) ||
			img != nil {
			t.Errorf("%s: got %v", format, err)
		}
	}
	for _, name := range []string{"progressive.jpg", "lossy.webp"} {
		if _, _, err := picture.DecodeContext(ended, testdata(t, name), picture.Limits{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestDenseLimit: a progressive picture of four whole components, which takes more memory, may have
// fewer pixels than one of three.
func TestDenseLimit(t *testing.T) {
	frame := func(marker byte, components int, first byte) []byte {
		data := []byte{0xff, 0xd8, 0xff, marker, 0, byte(8 + 3*components), 8, 0, 97, 1, 0, byte(components)} // 256x97
		for i := range components {
			data = append(data, byte(i), first, 0)
			first = 0x11
		}
		return append(data, 0xff, 0xda, 0, 8)
	}
	const pixels = 256 * 97
	for _, test := range []struct {
		name       string
		marker     byte
		components int
		first      byte
		limit      int64
	}{
		{"baseline CMYK", 0xc0, 4, 0x11, pixels}, {"progressive RGB", 0xc2, 3, 0x11, pixels},
		{"progressive CMYK, three components halved", 0xc2, 4, 0x22, pixels},
		{"progressive CMYK", 0xc2, 4, 0x11, (pixels*25 + 23) / 24},
	} {
		data := frame(test.marker, test.components, test.first)
		var large *picture.TooLargeError
		if _, err := picture.ReadHeader(data, picture.Limits{MaxPixels: test.limit}); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if _, err := picture.ReadHeader(data, picture.Limits{MaxPixels: test.limit - 1}); !errors.As(err, &large) {
			t.Errorf("%s, a pixel less: got %v, want it to be too large", test.name, err)
		}
	}
}
