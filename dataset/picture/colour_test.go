package picture_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
)

// TestManaged holds the conversion of profiles to LittleCMS's: testdata/colour/make.py.
func TestManaged(t *testing.T) {
	for _, name := range []string{"p3.png", "adobe.tif", "adobe.webp", "table.png", "p3.jpg", "srgb.png"} {
		data := testdata(t, filepath.Join("colour", name))
		want, err := png.Decode(bytes.NewReader(testdata(t, filepath.Join("colour",
			strings.Replace(name, ".", "-", 1)+"-srgb.png"))))
		if err != nil {
			t.Fatal(err)
		}
		tolerance := 1
		if name == "p3.jpg" {
			tolerance = 8 // another inverse DCT, of which the conversion makes more where it is dark
		}
		r := picturetest.Recipe(9, picture.Bilinear)
		plain, _, err := r.Decode(t.Context(), data, picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		r.Color = picture.Managed
		got, _, err := r.Decode(t.Context(), data, picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if worst := apart(got, want); worst > tolerance {
			t.Errorf("%s: off by %d levels, want %d at most", name, worst, tolerance)
		}
		if changed := apart(plain, want) > 4; changed != (name != "srgb.png") {
			t.Errorf("%s: the profile changes something: %t", name, changed)
		}
	}
}

// apart returns by how many levels two pictures differ at most.
func apart(a, b image.Image) int {
	worst := 0
	for y := range b.Bounds().Dy() {
		for x := range b.Bounds().Dx() {
			ar, ag, ab, _ := a.At(x, y).RGBA()
			br, bg, bb, _ := b.At(x, y).RGBA()
			for _, pair := range [][2]uint32{{ar, br}, {ag, bg}, {ab, bb}} {
				d := int(pair[0]>>8) - int(pair[1]>>8)
				worst = max(worst, d, -d)
			}
		}
	}
	return worst
}

// FuzzProfile: no profile, however damaged, may stop a picture from being read.
func FuzzProfile(f *testing.F) {
	data := testdata(f, filepath.Join("colour", "adobe.tif"))
	at := bytes.Index(data, []byte("mntrRGB XYZ ")) - 12
	size := int(binary.BigEndian.Uint32(data[at:]))
	f.Add(data[at : at+size])
	f.Fuzz(func(t *testing.T, profile []byte) {
		body := append([]byte("\xff\xd8\xff\xe2"), binary.BigEndian.AppendUint16(nil, uint16(min(len(profile), 60000)+16))...)
		body = append(append(body, "ICC_PROFILE\x00\x01\x01"...), profile[:min(len(profile), 60000)]...)
		jpg := append(body, picturetest.Encode(t, "jpeg", picturetest.Noise(5, 4, 1))[2:]...)
		r := picturetest.Recipe(3, picture.Bilinear)
		r.Color = picture.Managed
		if _, err := r.Load(jpg, picture.Limits{}, make([]float32, 27)); err != nil {
			t.Fatal(err)
		}
	})
}

// TestStretch: 12 bits in 16 become white at their largest; 8 bits stay.
func TestStretch(t *testing.T) {
	deep := image.NewGray16(image.Rect(0, 0, 5, 4))
	for i := range 20 {
		binary.BigEndian.PutUint16(deep.Pix[2*i:], uint16(i*4095/19))
	}
	r := picture.Recipe{Size: 8, Geometry: picture.Squash, Filter: picture.Nearest, Std: [3]float32{1, 1, 1},
		Stretch: true}
	for name, img := range map[string]image.Image{"16 bits": deep, "8 bits": picturetest.Noise(5, 4, 1)} {
		data := picturetest.Encode(t, "png", img)
		got, _, err := r.Decode(t.Context(), data, picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		largest, isDeep := picture.Largest(img)
		if isDeep != (name == "16 bits") || isDeep && largest != 4095 {
			t.Errorf("%s: largest %d, %t", name, largest, isDeep)
		}
		for i := range 20 {
			red, _, _, _ := got.At(i%5, i/5).RGBA()
			want := fmt.Sprint(uint32(i*4095/19) * 65535 / 4095 >> 8)
			if name == "8 bits" {
				r, _, _, _ := img.At(i%5, i/5).RGBA()
				want = fmt.Sprint(r >> 8)
			}
			if fmt.Sprint(red>>8) != want {
				t.Errorf("%s: pixel %d: got %d, want %s", name, i, red>>8, want)
			}
		}
	}
}
