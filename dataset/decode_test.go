package dataset_test

import (
	"bytes"
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

	"github.com/c236555e/rehead/dataset"
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
			img, info, err := dataset.Decode(data, dataset.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			want := dataset.Info{Format: test.format, Width: 24, Height: 16, Orientation: test.orientation}
			if test.orientation == 6 {
				want.Width, want.Height = 16, 24
			}
			if info != want || img.Bounds().Dx() != want.Width || img.Bounds().Dy() != want.Height {
				t.Fatalf("got %+v, bounds %v, want %+v", info, img.Bounds(), want)
			}
			const n = 16
			pixels := apply(t, recipe(n, dataset.Nearest), img, info.Orientation)
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
				if _, _, err := dataset.Decode(data[:cut], dataset.Limits{}); err == nil && cut < len(data)/2 {
					t.Errorf("decoded although cut from %d to %d bytes", len(data), cut)
				}
			}
			if _, _, err := dataset.Decode(append(data[:len(data):len(data)], "trailing garbage"...),
				dataset.Limits{}); err != nil {
				t.Errorf("with bytes behind its end: %v", err)
			}
		})
	}
}

func TestDecodeModels(t *testing.T) {
	src := noise(37, 23, 1)
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
		{"png", encode(t, "png", src), func(x, y, c int) float64 { return float64(src.Pix[y*src.Stride+4*x+c]) }, 0},
		{"bmp", encode(t, "bmp", src), func(x, y, c int) float64 { return float64(src.Pix[y*src.Stride+4*x+c]) }, 0},
		{"tiff", encode(t, "tiff", src), func(x, y, c int) float64 { return float64(src.Pix[y*src.Stride+4*x+c]) }, 0},
		{"jpeg", encode(t, "jpeg", src), func(x, y, c int) float64 { return float64(src.Pix[y*src.Stride+4*x+c]) }, 90},
		{"png grey", encode(t, "png", grey), func(x, y, _ int) float64 { return float64(grey.GrayAt(x, y).Y) }, 0},
		{"jpeg grey", encode(t, "jpeg", grey), func(x, y, _ int) float64 { return float64(grey.GrayAt(x, y).Y) }, 12},
		{"png grey of 16 bits", encode(t, "png", deepGrey), func(x, y, _ int) float64 {
			return float64(grey.GrayAt(x, y).Y)
		}, 0},
		{"png alpha", encode(t, "png", glass), func(x, y, c int) float64 {
			return laid(float64(src.Pix[y*src.Stride+4*x+c]), float64(uint8(x*7))/255)
		}, 0.5},
		{"png alpha of 16 bits", encode(t, "png", deep), func(x, y, c int) float64 {
			return laid(float64(src.Pix[y*src.Stride+4*x+c]), float64(uint16(x)*1771)/65535)
		}, 1.5},
	} {
		t.Run(test.name, func(t *testing.T) {
			img, info, err := dataset.Decode(test.data, dataset.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if format, _, _ := strings.Cut(test.name, " "); info.Format != format || info.Width != 37 || info.Height != 23 {
				t.Fatalf("got %+v", info)
			}
			const n = 64 // nearest shows every pixel
			got := apply(t, recipe(n, dataset.Nearest), img, 1)
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
	data := encode(t, "png", noise(40, 30, 1))
	var large *dataset.TooLargeError
	if _, _, err := dataset.Decode(data, dataset.Limits{MaxPixels: 1199}); !errors.As(err, &large) || large.Got != 1200 ||
		large.What != "pixels" {
		t.Errorf("1,200 pixels at a limit of 1,199: %v", err)
	}
	if _, _, err := dataset.Decode(data, dataset.Limits{MaxPixels: 1200}); err != nil {
		t.Errorf("1,200 pixels at a limit of 1,200: %v", err)
	}
	if _, _, err := dataset.Decode(data, dataset.Limits{MaxBytes: int64(len(data)) - 1}); !errors.As(err, &large) ||
		large.What != "bytes" {
		t.Errorf("one byte too many: %v", err)
	}
	bomb := append([]byte(nil), data...) // a header that claims 2^31-1 pixels a side
	binary.BigEndian.PutUint32(bomb[16:], math.MaxInt32)
	binary.BigEndian.PutUint32(bomb[20:], math.MaxInt32)
	if _, _, err := dataset.Decode(bomb, dataset.Limits{}); !errors.As(err, &large) ||
		large.Got != math.MaxInt32*math.MaxInt32 {
		t.Errorf("a bomb: %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, test := range []struct{ name, data, want string }{
		{"heic", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC"},
		{"avif", "\x00\x00\x00\x20ftypavif\x00\x00\x00\x00", "AVIF"},
		{"jp2", "\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"},
		{"jxl", "\xff\x0a\xfa\x1f\x41", "JPEG XL"},
		{"svg", "<?xml version=\"1.0\"?>\n<!-- drawn -->\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG"},
		{"pdf", "%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF"},
		{"html", "<!DOCTYPE html><title>404</title>", "an HTML page"},
		{"text", "just some words, ä", "text"},
		{"lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"},
		{"pnm", "P6\n2 2\n255\n\x00\x01", "PNM"},
		{"bigtiff", "II\x2b\x00\x08\x00\x00\x00", "BigTIFF"},
		{"psd", "8BPS\x00\x01", "Photoshop"},
		{"nothing known", "\x00\x01\x02\x03", "no known format"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := dataset.Decode([]byte(test.data), dataset.Limits{})
			if !errors.Is(err, dataset.ErrUnsupported) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want ErrUnsupported that names %q", err, test.want)
			}
		})
	}
	var damaged *dataset.DecodeError
	if _, _, err := dataset.Decode(nil, dataset.Limits{}); !errors.As(err, &damaged) ||
		!strings.Contains(err.Error(), "empty") {
		t.Errorf("no bytes: %v", err)
	}
}

// TestDecodeTruncated: whatever the format, a picture of which the second half is missing is called
// truncated.
func TestDecodeTruncated(t *testing.T) {
	for _, format := range []string{"png", "jpeg", "gif", "bmp"} {
		data := encode(t, format, noise(200, 150, 3))
		_, _, err := dataset.Decode(data[:len(data)/2], dataset.Limits{})
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
	if _, _, err := dataset.Decode(bomb, dataset.Limits{}); !errors.Is(err, dataset.ErrUnsupported) {
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
	if _, _, err := dataset.Decode(data, dataset.Limits{}); err == nil || !strings.Contains(err.Error(), "tiles") {
		t.Errorf("got %v, want one that names the tiles", err)
	}
}

func TestOrientationIsRead(t *testing.T) {
	plain := encode(t, "png", noise(5, 4, 1))
	raw := "Raw profile type exif\x00\nexif\n      32\n" + "457869660000" + "4d4d002a00000008" +
		"000101120003000000010003000000000000\n"
	for _, test := range []struct {
		name string
		data []byte
		want int
	}{
		{"none", plain, 1},
		{"eXIf", withEXIF(plain, 7), 7},
		{"eXIf with mark", withChunk(plain, "eXIf", append([]byte("Exif\x00\x00"), exif(binary.BigEndian, 5)...)), 5},
		{"ImageMagick", withChunk(plain, "tEXt", []byte(raw)), 3},
		{"zero", withEXIF(plain, 0), 1},
		{"nine", withEXIF(plain, 9), 1},
		{"cut short", withChunk(plain, "eXIf", exif(binary.BigEndian, 5)[:18]), 1},
		{"jpeg", withEXIF(encode(t, "jpeg", noise(5, 4, 1)), 8), 8},
	} {
		_, info, err := dataset.Decode(test.data, dataset.Limits{})
		if err != nil || info.Orientation != test.want {
			t.Errorf("%s: got %d, %v, want %d", test.name, info.Orientation, err, test.want)
		}
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.png")
	data := encode(t, "png", noise(9, 9, 1))
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := dataset.ReadFile(path, dataset.Limits{}); err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	var large *dataset.TooLargeError
	if _, err := dataset.ReadFile(path, dataset.Limits{MaxBytes: 10}); !errors.As(err, &large) ||
		!strings.Contains(err.Error(), "a.png") {
		t.Errorf("too large: %v", err)
	}
	if _, err := dataset.ReadFile(dir, dataset.Limits{}); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := dataset.ReadFile(filepath.Join(dir, "b.png"), dataset.Limits{}); !errors.Is(err, os.ErrNotExist) {
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
		f.Add(encode(f, format, noise(9, 7, 1)))
	}
	limits := dataset.Limits{MaxBytes: 1 << 16, MaxPixels: 1 << 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		img, info, err := dataset.Decode(data, limits)
		if err != nil {
			if img != nil {
				t.Fatal("a picture beside an error")
			}
			var damaged *dataset.DecodeError
			var large *dataset.TooLargeError
			if !errors.Is(err, dataset.ErrUnsupported) && !errors.As(err, &damaged) && !errors.As(err, &large) {
				t.Fatalf("error of no type: %v", err)
			}
			return
		}
		if info.Orientation < 1 || info.Orientation > 8 || int64(info.Width)*int64(info.Height) > limits.MaxPixels {
			t.Fatalf("got %+v", info)
		}
		for _, filter := range []string{dataset.TF1Bilinear, dataset.Bilinear} {
			for i, v := range apply(t, recipe(8, filter), img, info.Orientation) {
				if !(v >= 0 && v <= 255) {
					t.Fatalf("%s: value %d is %v, want 0..255", filter, i, v)
				}
			}
		}
	})
}

// TestInspect: the header says what decoding finds, and what it refuses for its size.
func TestInspect(t *testing.T) {
	for _, format := range []string{"jpeg", "png", "gif", "bmp", "tiff"} {
		data := encode(t, format, noise(23, 17, 1))
		if format == "jpeg" || format == "png" {
			data = withEXIF(data, 6)
		}
		_, want, err := dataset.Decode(data, dataset.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := dataset.Inspect(data, dataset.Limits{}); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", format, got, err, want)
		}
		var large *dataset.TooLargeError
		if _, err := dataset.Inspect(data, dataset.Limits{MaxPixels: 23*17 - 1}); !errors.As(err, &large) {
			t.Errorf("%s: too many pixels: %v", format, err)
		}
	}
	if _, err := dataset.Inspect([]byte("words"), dataset.Limits{}); !errors.Is(err, dataset.ErrUnsupported) {
		t.Errorf("words: %v", err)
	}
}
