package picture_test

import (
	"crypto/sha256"
	"encoding/hex"
	"image"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/disintegration/imaging"

	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
)

func view(t testing.TB, a picture.Augment, img image.Image, orientation int, r picture.Recipe,
	v picture.View) []float32 {
	t.Helper()
	dst := make([]float32, 3*r.Size*r.Size)
	if err := a.View(img, orientation, r, v, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

// TestAugmentNothing: the zero value is the recipe itself, to the last bit.
func TestAugmentNothing(t *testing.T) {
	img := picturetest.Noise(70, 51, 1)
	for _, geometry := range []string{picture.Squash, picture.Crop, picture.Central} {
		for _, filter := range filters {
			r := picturetest.Recipe(32, filter)
			r.Geometry, r.Mean, r.Std = geometry, [3]float32{127.5, 120, 100}, [3]float32{127.5, 60, 58}
			switch geometry {
			case picture.Crop:
				r.Resize = 40
			case picture.Central:
				r.Fraction = 0.875
			}
			for _, orientation := range []int{1, 6} {
				if got := view(t, picture.Augment{}, img, orientation, r, picture.View{K: 3}); !slices.Equal(got,
					apply(t, r, img, orientation)) {
					t.Errorf("%s, %s, orientation %d: differs from Apply", geometry, filter, orientation)
				}
			}
		}
	}
}

// TestAugmentRepeats: a view depends on its name and settings alone, and on all of them.
func TestAugmentRepeats(t *testing.T) {
	img, r := picturetest.Noise(90, 71, 2), picturetest.Recipe(24, picture.Bilinear)
	all := picture.Augment{Flip: true, Crop: 0.2, Scale: 0.3, Rotate: 15, Brightness: 0.2, Color: 0.3}
	base := picture.View{Sum: sha256.Sum256([]byte("x")), Seed: 5, K: 1}
	want := view(t, all, img, 1, r, base)
	if !slices.Equal(view(t, all, img, 1, r, base), want) {
		t.Error("the same view twice differs")
	}
	sums := map[[32]byte]string{all.CacheSum(base): "base", base.Sum: "picture"}
	for name, change := range map[string]func(*picture.Augment, *picture.View){
		"k": func(_ *picture.Augment, v *picture.View) {
			v.K = 2
		}, "seed": func(_ *picture.Augment, v *picture.View) { v.Seed = 6 },
		"picture": func(_ *picture.Augment, v *picture.View) {
			v.Sum[31]++
		}, "crop": func(a *picture.Augment, _ *picture.View) { a.Crop = 0.21 },
		"scale": func(a *picture.Augment, _ *picture.View) {
			a.Scale = 0.31
		}, "rotate": func(a *picture.Augment, _ *picture.View) { a.Rotate = 14 },
		"brightness": func(a *picture.Augment, _ *picture.View) {
			a.Brightness = 0.21
		}, "color": func(a *picture.Augment, _ *picture.View) { a.Color = 0.31 },
		"flip": func(a *picture.Augment, _ *picture.View) { a.Flip = false },
	} {
		a, v := all, base
		change(&a, &v)
		if name != "flip" && slices.Equal(view(t, a, img, 1, r, v), want) {
			t.Errorf("another %s gives the same view", name)
		}
		if other, met := sums[a.CacheSum(v)]; met {
			t.Errorf("%s and %s share a cache row", name, other)
		}
		sums[a.CacheSum(v)] = name
	}
	// Part of the format: this never changes.
	if got := all.CacheSum(base); hex.EncodeToString(got[:8]) != goldenView {
		t.Errorf("the cache sum of version 1 changed: got %x", got[:8])
	}
}

const goldenView = "38602c429061b75d"

func TestAugmentFlip(t *testing.T) {
	img, r := picturetest.Noise(64, 64, 3), picturetest.Recipe(64, picture.Bilinear)
	plain, mirrored := apply(t, r, img, 1), apply(t, r, imaging.FlipH(img), 1)
	flipped := 0
	for k := range 200 {
		switch got := view(t, picture.Augment{Flip: true}, img, 1, r, picture.View{K: k}); {
		case slices.Equal(got, mirrored):
			flipped++
		case !slices.Equal(got, plain):
			t.Fatalf("view %d is neither the picture nor its mirror image", k)
		}
	}
	if flipped < 70 || flipped > 130 {
		t.Errorf("%d of 200 are mirrored", flipped)
	}
}

// TestAugmentWindow: of a picture whose red and green are its coordinates, windows have the
// promised size and reach everywhere.
func TestAugmentWindow(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 256, 200))
	for y := range 200 {
		for x := range 256 {
			copy(img.Pix[img.PixOffset(x, y):], []uint8{uint8(x), uint8(y), 0, 255})
		}
	}
	r := picturetest.Recipe(50, picture.Bilinear)
	a := picture.Augment{Crop: 0.25, Scale: 0.6}
	least, most := 1e9, 0.0
	left, right := 1e9, 0.0
	for k := range 300 {
		v := view(t, a, img, 1, r, picture.View{K: k})
		row := v[25*50 : 26*50]
		width := float64(row[48]-row[1]) / 47 * 50
		least, most = min(least, width), max(most, width)
		left, right = min(left, float64(row[0])), max(right, float64(row[49]))
		if down := float64(v[2500+48*50+25]-v[2500+50+25]) / 47 * 50; !(math.Abs(down/200-width/256) < 0.03) {
			t.Fatalf("view %d: a window of %.1f x %.1f of 256 x 200", k, width, down)
		}
	}
	if !(math.Abs(most-256/1.25) < 4) || !(math.Abs(least-256/1.25/1.6) < 6) || left > 6 || right < 249 {
		t.Errorf("windows %.1f to %.1f wide, from %.1f to %.1f", least, most, left, right)
	}
}

// TestAugmentRotate: a picture turned by an angle and its coordinates agree.
func TestAugmentRotate(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 240, 240))
	for y := range 240 {
		for x := range 240 {
			copy(img.Pix[img.PixOffset(x, y):], []uint8{uint8(x), uint8(y), 0, 255})
		}
	}
	r := picturetest.Recipe(60, picture.Bilinear)
	largest := 0.0
	for k := range 60 {
		v := view(t, picture.Augment{Rotate: 20}, img, 1, r, picture.View{K: k})
		at := func(c, x, y int) float64 { return float64(v[c*3600+y*60+x]) }
		// Along a row the coordinates change by 4 (cos, sin), the same everywhere near the centre.
		dx, dy := (at(0, 45, 30)-at(0, 15, 30))/30, (at(1, 45, 30)-at(1, 15, 30))/30
		if got := math.Hypot(dx, dy); !(math.Abs(got-4) < 0.1) {
			t.Fatalf("view %d: a step is %.2f pixels, want 4", k, got)
		}
		angle := math.Abs(math.Atan2(dy, dx)) * 180 / math.Pi
		largest = max(largest, angle)
		if angle > 20.5 {
			t.Fatalf("view %d: turned by %.1f degrees", k, angle)
		}
		if x, y := at(0, 30, 30), at(1, 30, 30); !(math.Abs(x-121) < 3) || !(math.Abs(y-121) < 3) {
			t.Fatalf("view %d: the centre is at %.1f, %.1f", k, x, y)
		}
	}
	if largest < 15 {
		t.Errorf("turned by %.1f degrees at most", largest)
	}
}

func TestAugmentColours(t *testing.T) {
	img, r := picturetest.Noise(40, 40, 4), picturetest.Recipe(40, picture.Nearest)
	plain := apply(t, r, img, 1)
	var least, most float64 = 9, 0
	for k := range 100 {
		v := view(t, picture.Augment{Brightness: 0.25}, img, 1, r, picture.View{K: k})
		factor := float64(v[0] / plain[0])
		least, most = min(least, factor), max(most, factor)
		for i := range v {
			if want := min(float64(plain[i])*factor, 255); !(math.Abs(float64(v[i])-want) < 0.1) {
				t.Fatalf("view %d, value %d: got %v, want %v", k, i, v[i], want)
			}
		}
	}
	if !(0.75 <= least && least < 0.8 && 1.2 < most && most <= 1.25) {
		t.Errorf("factors %.3f..%.3f", least, most)
	}
	grey := image.NewGray(image.Rect(0, 0, 40, 40))
	for i := range grey.Pix {
		grey.Pix[i] = 100
	}
	v := view(t, picture.Augment{Color: 0.4}, grey, 1, r, picture.View{})
	for c := range 3 {
		if got := float64(v[c*1600]); !(80 <= got && got <= 120) {
			t.Errorf("channel %d: got %v of 100", c, got)
		}
	}
}

// TestAugmentAwkward: strips, single pixels and turned pictures go through all settings.
func TestAugmentAwkward(t *testing.T) {
	a := picture.Augment{Flip: true, Crop: 1, Scale: 1, Rotate: 180, Brightness: 1, Color: 1}
	for _, size := range [][2]int{{1, 1}, {1, 900}, {900, 1}, {2, 3}, {33, 31}} {
		for _, geometry := range []string{picture.Squash, picture.Crop, picture.Central} {
			for _, filter := range filters {
				r := picturetest.Recipe(16, filter)
				r.Geometry = geometry
				switch geometry {
				case picture.Crop:
					r.Resize = 20
				case picture.Central:
					r.Fraction = 0.5
				}
				for k := range 12 {
					for i, x := range view(t, a, picturetest.Noise(size[0], size[1], 1), 1+k%8, r, picture.View{K: k}) {
						if !(0 <= x && x <= 255) {
							t.Fatalf("%v, %s, %s: value %d is %v", size, geometry, filter, i, x)
						}
					}
				}
			}
		}
	}
}

func TestAugmentRefuses(t *testing.T) {
	r, img := picturetest.Recipe(8, picture.Bilinear), picturetest.Noise(9, 9, 1)
	for _, test := range []struct {
		want string
		a    picture.Augment
	}{
		{"crop", picture.Augment{Crop: -0.1}}, {"scale", picture.Augment{Scale: 1.1}},
		{"rotate", picture.Augment{Rotate: 181}},
		{"brightness", picture.Augment{Brightness: math.NaN()}}, {"color", picture.Augment{Color: math.Inf(1)}},
	} {
		if err := test.a.View(img, 1, r, picture.View{}, make([]float32, 192)); err == nil ||
			!strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want one that names %q", err, test.want)
		}
	}
	for name, err := range map[string]error{
		"dst":     picture.Augment{Crop: 0.1}.View(img, 1, r, picture.View{}, make([]float32, 191)),
		"picture": picture.Augment{}.View(nil, 1, r, picture.View{}, make([]float32, 192)),
		"view":    picture.Augment{}.View(img, 1, r, picture.View{K: -1}, make([]float32, 192)),
		"recipe":  picture.Augment{}.View(img, 1, picture.Recipe{}, picture.View{}, nil),
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
