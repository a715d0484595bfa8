package picture_test

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
)

func TestRecipeValidate(t *testing.T) {
	good := picturetest.Recipe(299, picture.TF1Bilinear)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		field  string
		change func(*picture.Recipe)
	}{
		{"size", func(r *picture.Recipe) { r.Size = 0 }},
		{"size", func(r *picture.Recipe) { r.Size = picture.MaxSize + 1 }},
		{"geometry", func(r *picture.Recipe) { r.Geometry = "stretch" }},
		{"resize", func(r *picture.Recipe) { r.Geometry = picture.Crop }},
		{"resize", func(r *picture.Recipe) { r.Geometry, r.Resize = picture.Crop, 298 }},
		{"resize", func(r *picture.Recipe) { r.Resize = 342 }},
		{"fraction", func(r *picture.Recipe) { r.Geometry, r.Fraction = picture.Central, 1.01 }},
		{"fraction", func(r *picture.Recipe) { r.Geometry, r.Fraction = picture.Central, math.NaN() }},
		{"fraction", func(r *picture.Recipe) { r.Fraction = 0.875 }},
		{"filter", func(r *picture.Recipe) { r.Filter = "area" }},
		{"mean[1]", func(r *picture.Recipe) { r.Mean[1] = float32(math.NaN()) }},
		{"std[2]", func(r *picture.Recipe) { r.Std[2] = 0 }},
		{"std[0]", func(r *picture.Recipe) { r.Std[0] = float32(math.Inf(1)) }},
	} {
		r := good
		test.change(&r)
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", test.field)) {
			t.Errorf("got %v, want one that names %q", err, test.field)
		}
		if err := r.Apply(picturetest.Noise(9, 9, 1), 1, nil); err == nil {
			t.Errorf("%s: applied although invalid", test.field)
		}
	}
}

func TestRecipeJSON(t *testing.T) {
	want := picture.Recipe{Size: 299, Orient: true, Geometry: picture.Crop, Resize: 342, Filter: picture.Bilinear,
		Mean: [3]float32{127.5, 127.5, 127.5}, Std: [3]float32{127.5, 127.5, 127.5}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got picture.Recipe
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if err := json.Unmarshal([]byte(`{"size":299,"gamma":2.2}`), &got); err == nil || !strings.Contains(err.Error(), "gamma") {
		t.Errorf("an unknown field: %v", err)
	}
}

// geometries of a recipe with room for every filter.
func geometries(size int, filter string) []picture.Recipe {
	squash, crop, central := picturetest.Recipe(size, filter), picturetest.Recipe(size, filter),
		picturetest.Recipe(size, filter)
	crop.Geometry, crop.Resize = picture.Crop, size+size/7
	central.Geometry, central.Fraction = picture.Central, 0.875
	return []picture.Recipe{squash, crop, central}
}

func TestConstantStaysConstant(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {3, 2}, {31, 47}, {130, 64}, {20, 900}} {
		img := image.NewNRGBA(image.Rect(0, 0, size[0], size[1]))
		for i := range img.Pix {
			img.Pix[i] = [4]uint8{17, 130, 251, 255}[i%4]
		}
		for _, filter := range filters {
			for _, r := range geometries(31, filter) {
				r.Mean, r.Std = [3]float32{7, 30, 1}, [3]float32{2, 4, 5}
				got := apply(t, r, img, 1)
				for i, v := range got {
					if want := [3]float32{5, 25, 50}[i/(31*31)]; v != want {
						t.Fatalf("%v %s %s: value %d is %v, want %v", size, r.Geometry, filter, i, v, want)
					}
				}
			}
		}
	}
}

func TestSameSizeIsIdentity(t *testing.T) {
	img := picturetest.Noise(37, 37, 2)
	for _, filter := range filters {
		got := apply(t, picturetest.Recipe(37, filter), img, 1)
		for i, v := range got {
			c, y, x := i/(37*37), i/37%37, i%37
			if want := float32(img.Pix[y*img.Stride+4*x+c]); v != want {
				t.Fatalf("%s: (%d,%d) channel %d: got %v, want %v", filter, x, y, c, v, want)
			}
		}
	}
}

// slow resizes channel c of img to w x h in float64 by the filter's definition.
func slow(img *image.NRGBA, c, w, h int, filter string) []float64 {
	taps := func(in, out int) [][]float64 {
		rows := make([][]float64, out)
		for i := range rows {
			rows[i] = make([]float64, in)
			if filter == picture.TF1Bilinear {
				at := float64(i) * float64(in) / float64(out)
				lo := int(at)
				rows[i][lo] += 1 - (at - float64(lo))
				rows[i][min(lo+1, in-1)] += at - float64(lo)
				continue
			}
			scale := max(float64(in)/float64(out), 1)
			centre, sum := (float64(i)+0.5)*float64(in)/float64(out), 0.0
			for j := range rows[i] {
				rows[i][j] = kernel(filter, (float64(j)+0.5-centre)/scale)
				sum += rows[i][j]
			}
			for j := range rows[i] {
				rows[i][j] /= sum
			}
		}
		return rows
	}
	across, down := taps(img.Rect.Dx(), w), taps(img.Rect.Dy(), h)
	middle := make([]float64, w*img.Rect.Dy())
	for v := range img.Rect.Dy() {
		for x, tx := range across {
			for u, wx := range tx {
				middle[v*w+x] += wx * float64(img.Pix[v*img.Stride+4*u+c])
			}
		}
	}
	out := make([]float64, w*h)
	for y, ty := range down {
		for v, wy := range ty {
			if wy == 0 {
				continue
			}
			for x := range w {
				out[y*w+x] += wy * middle[v*w+x]
			}
		}
	}
	return out
}

func kernel(filter string, x float64) float64 {
	x = math.Abs(x)
	sinc := func(x float64) float64 {
		if x == 0 {
			return 1
		}
		return math.Sin(math.Pi*x) / (math.Pi * x)
	}
	switch {
	case filter == picture.Bilinear && x < 1:
		return 1 - x
	case filter == picture.Bicubic && x < 1:
		return 1.5*x*x*x - 2.5*x*x + 1
	case filter == picture.Bicubic && x < 2:
		return -0.5*x*x*x + 2.5*x*x - 4*x + 2
	case filter == picture.Lanczos && x < 3:
		return sinc(x) * sinc(x/3)
	}
	return 0
}

// stored lays an upright picture down as a camera would that writes the orientation. Source: Exif
// 2.32, section 4.6.4 (which side of the scene row 0 and column 0 are).
func stored(up *image.NRGBA, orientation int) *image.NRGBA {
	w, h := up.Rect.Dx(), up.Rect.Dy()
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 {
		out = image.NewNRGBA(image.Rect(0, 0, h, w))
	}
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			var ux, uy int
			switch orientation {
			case 1:
				ux, uy = x, y
			case 2:
				ux, uy = w-1-x, y
			case 3:
				ux, uy = w-1-x, h-1-y
			case 4:
				ux, uy = x, h-1-y
			case 5:
				ux, uy = y, x
			case 6:
				ux, uy = w-1-y, x
			case 7:
				ux, uy = w-1-y, h-1-x
			case 8:
				ux, uy = y, h-1-x
			}
			out.SetNRGBA(x, y, up.NRGBAAt(ux, uy))
		}
	}
	return out
}

// TestOrientationsAgree: one scene stored in the eight orientations gives one tensor, bit for bit.
func TestOrientationsAgree(t *testing.T) {
	up := picturetest.Noise(61, 40, 5)
	for _, filter := range filters {
		for _, r := range geometries(33, filter) {
			want := make([]float32, 3*33*33)
			if _, err := r.Load(picturetest.Encode(t, "png", up), picture.Limits{}, want); err != nil {
				t.Fatal(err)
			}
			for orientation := 1; orientation <= 8; orientation++ {
				data := picturetest.WithEXIF(picturetest.Encode(t, "png", stored(up, orientation)), orientation)
				got := make([]float32, len(want))
				info, err := r.Load(data, picture.Limits{}, got)
				if err != nil || info.Orientation != orientation {
					t.Fatalf("orientation %d: %+v, %v", orientation, info, err)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s %s: orientation %d gives another tensor", r.Geometry, filter, orientation)
				}
				asStored := r
				asStored.Orient = false
				if _, err := asStored.Load(data, picture.Limits{}, got); err != nil {
					t.Fatal(err)
				}
				if slices.Equal(got, want) != (orientation == 1) {
					t.Errorf("%s %s: orientation %d with Orient off", r.Geometry, filter, orientation)
				}
			}
		}
	}
}

// TestModelsAgree: a picture gives one tensor in any Go type that holds it, wherever its rectangle
// begins.
func TestModelsAgree(t *testing.T) {
	img := picturetest.Noise(50, 34, 6)
	at := image.Pt(5, 3)
	rect := img.Rect.Add(at)
	moved := image.NewNRGBA(image.Rect(0, 0, 60, 40))
	rgba, deep, deeper := image.NewRGBA(rect), image.NewNRGBA64(rect), image.NewRGBA64(rect)
	for y := range 34 {
		for x := range 50 {
			c := img.NRGBAAt(x, y)
			moved.Set(x+at.X, y+at.Y, c)
			rgba.Set(x+at.X, y+at.Y, c)
			deep.Set(x+at.X, y+at.Y, c)
			deeper.Set(x+at.X, y+at.Y, c)
		}
	}
	for _, filter := range filters {
		r := picturetest.Recipe(29, filter)
		want := apply(t, r, img, 1)
		for _, other := range []image.Image{moved.SubImage(rect), rgba, deep, deeper, anonymous{rgba}} {
			if !slices.Equal(apply(t, r, other, 1), want) {
				t.Errorf("%s: %T gives another tensor", filter, other)
			}
		}
	}
}

// anonymous hides an image's type.
type anonymous struct{ image.Image }

func TestApplyRefuses(t *testing.T) {
	r := picturetest.Recipe(8, picture.Bilinear)
	if err := r.Apply(picturetest.Noise(5, 5, 1), 1, make([]float32, 191)); err == nil ||
		!strings.Contains(err.Error(), "191") {
		t.Errorf("dst too short: %v", err)
	}
	if err := r.Apply(nil, 1, make([]float32, 192)); err == nil {
		t.Error("nil picture accepted")
	}
	if err := r.Apply(image.NewGray(image.Rect(0, 0, 0, 4)), 1, make([]float32, 192)); err == nil {
		t.Error("empty picture accepted")
	}
	lying := &image.Gray{Pix: make([]uint8, 3), Stride: 9, Rect: image.Rect(0, 0, 9, 9)}
	for _, filter := range filters {
		if err := picturetest.Recipe(8, filter).Apply(lying, 1, make([]float32, 192)); err == nil {
			t.Errorf("%s: a picture without pixels accepted", filter)
		}
	}
}

// TestCropOfStrip: of a strip of 65,535 x 40 only the middle is resized.
func TestCropOfStrip(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 65535, 40))
	for i := range img.Pix {
		img.Pix[i] = 90
		if i%65535 < 65535/2 {
			img.Pix[i] = 30
		}
	}
	for _, filter := range filters {
		r := geometries(16, filter)[1]
		got := apply(t, r, img, 1)
		if got[0] != 30 || got[15] != 90 {
			t.Errorf("%s: got %v .. %v, want the middle: 30 .. 90", filter, got[0], got[15])
		}
	}
}

func TestApplyTF1AllocatesNothing(t *testing.T) {
	if picturetest.RaceEnabled {
		t.Skip("sync.Pool drops its contents at random under the race detector")
	}
	img := image.NewYCbCr(image.Rect(0, 0, 320, 240), image.YCbCrSubsampleRatio420)
	r := picturetest.Recipe(299, picture.TF1Bilinear)
	dst := make([]float32, 3*299*299)
	if n := testing.AllocsPerRun(20, func() {
		if err := r.Apply(img, 1, dst); err != nil {
			t.Error(err)
		}
	}); n >= 1 {
		t.Errorf("got %v allocations a picture, want none", n)
	}
}

func TestPaletteHoles(t *testing.T) {
	img := image.NewPaletted(image.Rect(0, 0, 2, 1), color.Palette{color.NRGBA{R: 200, A: 255}})
	img.Pix[1] = 9 // not in the palette
	got := apply(t, picturetest.Recipe(2, picture.Nearest), img, 1)
	if got[0] != 200 || got[1] != 0 {
		t.Errorf("got %v, want 200 and black", got[:2])
	}
}

// TestLevels: filters that round to 8 bits write nothing but levels.
func TestLevels(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 31, 23))
	for i := range img.Pix {
		img.Pix[i] = byte(i * i)
	}
	for _, filter := range []string{picture.Bilinear, picture.Bicubic, picture.Lanczos, picture.Nearest} {
		r := picture.Recipe{Size: 13, Geometry: picture.Squash, Filter: filter,
			Mean: [3]float32{1, 120, 127.5}, Std: [3]float32{1, 58.4, 127.5}}
		dst, levels := make([]float32, 3*13*13), r.Levels()
		if err := r.Apply(img, 1, dst); err != nil {
			t.Fatal(err)
		}
		for i, v := range dst {
			if of := levels[i/(13*13)]; !slices.Contains(of[:], v) {
				t.Errorf("%s: value %d: got %v, which is no level", filter, i, v)
			}
		}
	}
}
