package dataset_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/c236555e/rehead/dataset"
)

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// noise is a picture of smooth colours with noise on top, so that every pixel counts and JPEG does
// little harm.
func noise(w, h int, seed uint64) *image.NRGBA {
	rng := rand.New(rand.NewPCG(seed, 7))
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{
				R: uint8(40 + 150*x/w + rng.IntN(60)),
				G: uint8(40 + 150*y/h + rng.IntN(60)),
				B: uint8(40 + 75*(x+y)/(w+h) + rng.IntN(120)),
				A: 255,
			})
		}
	}
	return img
}

func encode(t testing.TB, format string, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, img)
	case "jpeg":
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: 95})
	case "gif":
		err = gif.Encode(&b, img, nil)
	case "bmp":
		err = bmp.Encode(&b, img)
	case "tiff":
		err = tiff.Encode(&b, img, &tiff.Options{Compression: tiff.Deflate})
	default:
		t.Fatalf("no encoder for %q", format)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// exif is a TIFF structure that holds nothing but an orientation.
func exif(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("II")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM")
	}
	b = order.AppendUint16(b, 42)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 1)
	b = order.AppendUint16(b, 0x112)
	b = order.AppendUint16(b, 3)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(b, orientation)
	return append(b, 0, 0, 0, 0, 0, 0)
}

// withEXIF puts an orientation into a PNG (eXIf) or a JPEG (APP1).
func withEXIF(data []byte, orientation int) []byte {
	if bytes.HasPrefix(data, []byte("\xff\xd8")) {
		body := append([]byte("Exif\x00\x00"), exif(binary.BigEndian, uint16(orientation))...)
		app1 := append([]byte{0xff, 0xe1, 0, byte(len(body) + 2)}, body...)
		return append(append([]byte("\xff\xd8"), app1...), data[2:]...)
	}
	return withChunk(data, "eXIf", exif(binary.LittleEndian, uint16(orientation)))
}

// withChunk puts a chunk behind a PNG's header.
func withChunk(data []byte, kind string, body []byte) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	chunk = append(append(chunk, kind...), body...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	const header = 8 + 25 // signature, IHDR
	return append(append(append([]byte(nil), data[:header]...), chunk...), data[header:]...)
}

// recipe is a small one that shows pixels as they are.
func recipe(size int, filter string) dataset.Recipe {
	return dataset.Recipe{Size: size, Orient: true, Geometry: dataset.Squash, Filter: filter, Std: [3]float32{1, 1, 1}}
}

var filters = []string{dataset.TF1Bilinear, dataset.Bilinear, dataset.Bicubic, dataset.Lanczos, dataset.Nearest}

func apply(t testing.TB, r dataset.Recipe, img image.Image, orientation int) []float32 {
	t.Helper()
	dst := make([]float32, 3*r.Size*r.Size)
	if err := r.Apply(img, orientation, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

// near fails unless |got-want| <= tolerance everywhere; NaN fails.
func near(t testing.TB, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d values, want %d", len(got), len(want))
	}
	for i := range got {
		d := float64(got[i]) - float64(want[i])
		if !(-tolerance <= d && d <= tolerance) {
			t.Fatalf("value %d: got %v, want %v within %v", i, got[i], want[i], tolerance)
		}
	}
}
