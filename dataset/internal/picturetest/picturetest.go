// Package picturetest draws and encodes the pictures that tests of the data set's rooms share.
package picturetest

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
)

// Noise is a picture of smooth colours with noise on top, so that every pixel counts and JPEG does
// little harm.
func Noise(w, h int, seed uint64) *image.NRGBA {
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

// Encode encodes a picture: "png", "jpeg", "gif", "bmp" or "tiff".
func Encode(t testing.TB, format string, img image.Image) []byte {
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

// EXIF is a TIFF structure that holds nothing but an orientation.
func EXIF(order binary.AppendByteOrder, orientation uint16) []byte {
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

// WithEXIF puts an orientation into a PNG (eXIf) or a JPEG (APP1).
func WithEXIF(data []byte, orientation int) []byte {
	if bytes.HasPrefix(data, []byte("\xff\xd8")) {
		body := append([]byte("Exif\x00\x00"), EXIF(binary.BigEndian, uint16(orientation))...)
		app1 := append([]byte{0xff, 0xe1, 0, byte(len(body) + 2)}, body...)
		return append(append([]byte("\xff\xd8"), app1...), data[2:]...)
	}
	return WithChunk(data, "eXIf", EXIF(binary.LittleEndian, uint16(orientation)))
}

// WithChunk puts a chunk behind a PNG's header.
func WithChunk(data []byte, kind string, body []byte) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	chunk = append(append(chunk, kind...), body...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	const header = 8 + 25 // signature, IHDR
	return append(append(append([]byte(nil), data[:header]...), chunk...), data[header:]...)
}

// Near fails unless |got-want| <= tolerance everywhere; NaN fails.
func Near(t testing.TB, got, want []float32, tolerance float64) {
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

// Tree writes files below a new folder; a name's picture shows its number.
func Tree(t testing.TB, names ...string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "pictures")
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		Write(t, filepath.Join(root, filepath.FromSlash(name)), Encode(t, "png", Noise(3, 2, uint64(i))))
	}
	return root
}

// Write writes a file, and makes its folder.
func Write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
