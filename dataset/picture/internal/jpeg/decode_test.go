package jpeg

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/datatest"
)

// transforms are the ones that there are, by name.
var transforms = map[string]transform{"plain": plainTransform, "best": best}

// layouts are pictures of every subsampling that image/jpeg knows, whole and cut at every side of
// an MCU.
func layouts() []layout {
	var all []layout
	for i, s := range [][]uint8{
		{0x11}, {0x22}, {0x11, 0x11, 0x11}, {0x21, 0x11, 0x11}, {0x22, 0x11, 0x11}, {0x12, 0x11, 0x11}, {0x41, 0x11, 0x11},
		{0x42, 0x11, 0x11}, {0x21, 0x21, 0x21}, {0x22, 0x12, 0x12}, {0x22, 0x21, 0x21}, {0x41, 0x21, 0x21},
	} {
		for j, size := range [][2]int{{1, 1}, {8, 8}, {17, 31}, {64, 48}, {131, 70}} {
			n := i + j
			all = append(all, layout{
				width: size[0], height: size[1], sampling: s,
				marker: []byte{markSOF0, markSOF1}[n%2], restart: []int{0, 0, 1, 7}[n%4],
				wide: n%3 == 1, long: n%5 == 2, rich: []int{0, 3, 20, 100}[n%4],
			})
		}
	}
	return all
}

// decodeWith decodes data with a transform, and says whether something in it was odd.
func decodeWith(data []byte, kernel transform) (img image.Image, odd bool, err error) {
	d := &decoder{ctx: context.Background(), data: data, kernel: kernel}
	img, err = d.decode()
	return img, d.odd, err
}

// agree decodes data with each transform. A picture with nothing odd in it must be image/jpeg's; it
// says whether there is one.
func agree(t *testing.T, data []byte) bool {
	t.Helper()
	decoded := 0
	for name, kernel := range transforms {
		img, odd, err := decodeWith(data, kernel)
		if err != nil {
			continue
		}
		decoded++
		want, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil && !odd {
			t.Fatalf("%s: decoded what image/jpeg refuses: %v", name, err)
		}
		if !odd && !reflect.DeepEqual(img, want) {
			t.Fatalf("%s: another picture than image/jpeg's, of %v", name, want.Bounds())
		}
	}
	if decoded != 0 && decoded != len(transforms) {
		t.Fatalf("%d of %d transforms decoded it", decoded, len(transforms))
	}
	return decoded > 0
}

func TestDecodesAsImageJPEG(t *testing.T) {
	for i, l := range layouts() {
		t.Run(fmt.Sprintf("%x/%dx%d", l.sampling, l.width, l.height), func(t *testing.T) {
			if !agree(t, l.encode(rand.New(rand.NewPCG(1, uint64(i))))) {
				t.Errorf("not decoded: %+v", l)
			}
		})
	}
}

// TestDamaged changes, cuts and doubles bytes: whatever image/jpeg then makes of a picture, nothing
// else may come of it here.
func TestDamaged(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	rng := rand.New(rand.NewPCG(2, 3))
	damaged, decoded := 0, 0
	for _, l := range layouts() {
		if l.width > 64 {
			continue
		}
		data := l.encode(rng)
		for range rounds {
			bad := bytes.Clone(data)
			at := rng.IntN(len(bad))
			switch rng.IntN(4) {
			case 0:
				bad[at] ^= 1 << rng.IntN(8)
			case 1:
				bad[at] = []byte{0, 0xff, 0xd9, 0xd0}[rng.IntN(4)]
			case 2:
				bad = bad[:at]
			default:
				bad = append(bad[:at:at], data[max(0, at-rng.IntN(8)):]...)
			}
			damaged++
			if agree(t, bad) {
				decoded++
			}
		}
	}
	if decoded == 0 || decoded == damaged {
		t.Errorf("%d of %d damaged pictures were decoded: the damage tests nothing", decoded, damaged)
	}
}

// TestOddities has pictures with what T.81 does not quite allow, but image/jpeg reads.
func TestOddities(t *testing.T) {
	good := layout{width: 24, height: 16, sampling: []uint8{0x22, 0x11, 0x11}, marker: markSOF0,
		rich: 20}.encode(rand.New(rand.NewPCG(4, 5)))
	replace := func(old, with string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("the picture has no %q", old)
		}
		return bytes.Replace(good, []byte(old), []byte(with), 1)
	}
	const comment = "\xff\xfe\x00\x09made up"
	const jfif = "\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
	const adobe = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
	for name, data := range map[string][]byte{
		"Adobe's marker":          replace(comment, adobe+"\x01"),
		"Adobe's marker for RGB":  replace(jfif, adobe+"\x00"),
		"bytes before a marker":   replace(comment, comment+"\x00\x00"),
		"fill bytes":              replace(comment, comment+"\xff\xff"),
		"bytes before the end":    append(bytes.Clone(good[:len(good)-2]), 0, 0, 0xff, markEOI),
		"a comment at the end":    append(append(bytes.Clone(good[:len(good)-2]), comment...), 0xff, markEOI),
		"a restart marker at end": append(bytes.Clone(good[:len(good)-2]), 0xff, markRST0, 0xff, markEOI),
	} {
		got, _, err := decodeWith(data, best)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: another picture than image/jpeg's, %v", name, err)
		}
	}
}

// TestTrailingBytes: what follows the end of the picture does not count.
func TestTrailingBytes(t *testing.T) {
	data := layout{width: 24, height: 16, sampling: []uint8{0x11}, marker: markSOF0,
		rich: 20}.encode(rand.New(rand.NewPCG(6, 7)))
	if !agree(t, append(data, "\xff\xd8\xff\xda and more"...)) {
		t.Error("not decoded")
	}
}

// TestPhotographs decodes real ones, nearly all of which are of this package.
func TestPhotographs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(datatest.Shared(t, "data", "flowers"), "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	seen, decoded := 0, 0
	for i, path := range files {
		if testing.Short() && i%10 > 0 || !strings.HasSuffix(path, ".jpg") {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		seen++
		if agree(t, data) {
			decoded++
		}
	}
	t.Logf("%d of %d photographs decoded", decoded, seen)
	if decoded < seen*9/10 || seen == 0 {
		t.Errorf("%d of %d photographs decoded", decoded, seen)
	}
}

func FuzzDecode(f *testing.F) {
	for i, l := range layouts() {
		if l.width <= 64 {
			f.Add(l.encode(rand.New(rand.NewPCG(8, uint64(i)))))
		}
	}
	for _, data := range files(f, "*.jpg") {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := jpeg.DecodeConfig(bytes.NewReader(data)); err == nil && c.Width*c.Height > 1<<20 {
			t.Skip("large")
		}
		agree(t, data)
	})
}

// BenchmarkDecode decodes a photograph-like picture: 500x375, 4:2:0, as image/jpeg writes it at
// quality 90.
func BenchmarkDecode(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 9))
	img := image.NewYCbCr(image.Rect(0, 0, 500, 375), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = uint8(i%img.YStride/4 + i/img.YStride/4 + rng.IntN(24))
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = uint8(100+i%img.CStride/8), uint8(120+i/img.CStride/8)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	b.Run("image/jpeg", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := jpeg.Decode(bytes.NewReader(file.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, kernel := range transforms {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := decodeWith(file.Bytes(), kernel); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
