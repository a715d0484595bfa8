package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/c236555e/rehead/dataset/picture/internal/tiff"
)

// tiffWith is a big-endian TIFF structure that holds one orientation.
func tiffWith(orientation byte) []byte {
	return []byte{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0}
}

func TestRawProfile(t *testing.T) {
	block := append([]byte(exifMark), tiffWith(6)...)
	text := fmt.Sprintf("\nexif\n%8d\n%s\n", len(block), hex.EncodeToString(block))
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	const name = "Raw profile type exif\x00"
	for _, test := range []struct {
		kind, body string
		want       int
	}{
		{"tEXt", name + text, 6},
		{"zTXt", name + "\x00" + packed.String(), 6},
		{"zTXt", name + "\x00" + packed.String()[:packed.Len()/2], 1},
		{"zTXt", name, 1},
		{"tEXt", name + "\nexif\n", 1},
		{"tEXt", "Comment\x00" + text, 1},
	} {
		if got := exifOrientation(rawProfile(test.kind, []byte(test.body))); got != test.want {
			t.Errorf("%s %q: got %d, want %d", test.kind, test.body, got, test.want)
		}
	}
}

func FuzzEXIF(f *testing.F) {
	f.Add(tiffWith(3))
	f.Add(append([]byte(exifMark), tiffWith(8)...))
	f.Add([]byte("II\x2a\x00\x08\x00\x00\x00\xff\xff\x12\x01\x04\x00\x01\x00\x00\x00\x05\x00\x00\x00"))
	f.Add([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x04eXIfII\x2a\x00\x00\x00\x00\x00"))
	f.Add([]byte("RIFF\x10\x00\x00\x00WEBPEXIF\x02\x00\x00\x00II"))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x08Exif\x00\x00\xff\xda\x00\x02"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, orient := range map[string]func([]byte) int{
			"block": exifOrientation, "png": orientPNG, "webp": orientWebP, "tiff": tiff.Orientation,
			"jpeg": func(b []byte) int { h := scanJPEG(b); return h.orient(b) },
			"tEXt": func(b []byte) int { return exifOrientation(rawProfile("tEXt", b)) },
			"zTXt": func(b []byte) int { return exifOrientation(rawProfile("zTXt", b)) },
		} {
			if o := orient(data); o < 1 || o > 8 {
				t.Fatalf("%s: got orientation %d, want 1..8", name, o)
			}
		}
	})
}
