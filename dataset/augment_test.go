package dataset_test

import (
	"crypto/sha256"
	"encoding/hex"
	"image"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/disintegration/imaging"

	"github.com/c236555e/rehead/dataset"
)

func view(t testing.TB, a dataset.Augment, img image.Image, orientation int, r dataset.Recipe,
	v dataset.View) []float32 {
	t.Helper()
	dst := make([]float32, 3*r.Size*r.Size)
	if err := a.View(img, orientation, r, v, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

// TestAugmentNothing: the zero value is the recipe itself, to the last bit.
func TestAugmentNothing(t *testing.T) {
	img := noise(70, 51, 1)
	for _, geometry := range []string{dataset.Squash, dataset.Crop, dataset.Central} {
		for _, filter := range filters {
			r := recipe(32, filter)
			r.Geometry, r.Mean, r.Std = geometry, [3]float32{127.5, 120, 100}, [3]float32{127.5, 60, 58}
			switch geometry {
			case dataset.Crop:
				r.Resize = 40
			case dataset.Central:
				r.Fraction = 0.875
			}
			for _, orientation := range []int{1, 6} {
				if got := view(t, dataset.Augment{}, img, orientation, r, dataset.View{K: 3}); !slices.Equal(got,
					apply(t, r, img, orientation)) {
					t.Errorf("%s, %s, orientation %d: differs from Apply", geometry, filter, orientation)
				}
			}
		}
	}
}

// TestAugmentRepeats: a view depends on its name and settings alone, and on all of them.
func TestAugmentRepeats(t *testing.T) {
	img, r := noise(90, 71, 2), recipe(24, dataset.Bilinear)
	all := dataset.Augment{Flip: true, Crop: 0.2, Scale: 0.3, Rotate: 15, Brightness: 0.2, Color: 0.3}
	base := dataset.View{Sum: sha256.Sum256([]byte("x")), Seed: 5, K: 1}
	want := view(t, all, img, 1, r, base)
	if !slices.Equal(view(t, all, img, 1, r, base), want) {
		t.Error("the same view twice differs")
	}
	sums := map[[32]byte]string{all.CacheSum(base): "base", base.Sum: "picture"}
	for name, change := range map[string]func(*dataset.Augment, *dataset.View){
		"k": func(_ *dataset.Augment, v *dataset.View) {
			v.K = 2
		}, "seed": func(_ *dataset.Augment, v *dataset.View) { v.Seed = 6 },
		"picture": func(_ *dataset.Augment, v *dataset.View) {
			v.Sum[31]++
		}, "crop": func(a *dataset.Augment, _ *dataset.View) { a.Crop = 0.21 },
		"scale": func(a *dataset.Augment, _ *dataset.View) {
			a.Scale = 0.31
		}, "rotate": func(a *dataset.Augment, _ *dataset.View) { a.Rotate = 14 },
		"brightness": func(a *dataset.Augment, _ *dataset.View) {
			a.Brightness = 0.21
		}, "color": func(a *dataset.Augment, _ *dataset.View) { a.Color = 0.31 },
		"flip": func(a *dataset.Augment, _ *dataset.View) { a.Flip = false },
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
	img, r := noise(64, 64, 3), recipe(64, dataset.Bilinear)
	plain, mirrored := apply(t, r, img, 1), apply(t, r, imaging.FlipH(img), 1)
	flipped := 0
	for k := range 200 {
		switch got := view(t, dataset.Augment{Flip: true}, img, 1, r, dataset.View{K: k}); {
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
	r := recipe(50, dataset.Bilinear)
	a := dataset.Augment{Crop: 0.25, Scale: 0.6}
	least, most := 1e9, 0.0
	left, right := 1e9, 0.0
	for k := range 300 {
		v := view(t, a, img, 1, r, dataset.View{K: k})
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
	r := recipe(60, dataset.Bilinear)
	largest := 0.0
	for k := range 60 {
		v := view(t, dataset.Augment{Rotate: 20}, img, 1, r, dataset.View{K: k})
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
	img, r := noise(40, 40, 4), recipe(40, dataset.Nearest)
	plain := apply(t, r, img, 1)
	var least, most float64 = 9, 0
	for k := range 100 {
		v := view(t, dataset.Augment{Brightness: 0.25}, img, 1, r, dataset.View{K: k})
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
	v := view(t, dataset.Augment{Color: 0.4}, grey, 1, r, dataset.View{})
	for c := range 3 {
		if got := float64(v[c*1600]); !(80 <= got && got <= 120) {
			t.Errorf("channel %d: got %v of 100", c, got)
		}
	}
}

// TestAugmentAwkward: strips, single pixels and turned pictures go through all settings.
func TestAugmentAwkward(t *testing.T) {
	a := dataset.Augment{Flip: true, Crop: 1, Scale: 1, Rotate: 180, Brightness: 1, Color: 1}
	for _, size := range [][2]int{{1, 1}, {1, 900}, {900, 1}, {2, 3}, {33, 31}} {
		for _, geometry := range []string{dataset.Squash, dataset.Crop, dataset.Central} {
			for _, filter := range filters {
				r := recipe(16, filter)
				r.Geometry = geometry
				switch geometry {
				case dataset.Crop:
					r.Resize = 20
				case dataset.Central:
					r.Fraction = 0.5
				}
				for k := range 12 {
					for i, x := range view(t, a, noise(size[0], size[1], 1), 1+k%8, r, dataset.View{K: k}) {
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
	r, img := recipe(8, dataset.Bilinear), noise(9, 9, 1)
	for _, test := range []struct {
		want string
		a    dataset.Augment
	}{
		{"crop", dataset.Augment{Crop: -0.1}}, {"scale", dataset.Augment{Scale: 1.1}},
		{"rotate", dataset.Augment{Rotate: 181}},
		{"brightness", dataset.Augment{Brightness: math.NaN()}}, {"color", dataset.Augment{Color: math.Inf(1)}},
	} {
		if err := test.a.View(img, 1, r, dataset.View{}, make([]float32, 192)); err == nil ||
			!strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want one that names %q", err, test.want)
		}
	}
	for name, err := range map[string]error{
		"dst":     dataset.Augment{Crop: 0.1}.View(img, 1, r, dataset.View{}, make([]float32, 191)),
		"picture": dataset.Augment{}.View(nil, 1, r, dataset.View{}, make([]float32, 192)),
		"view":    dataset.Augment{}.View(img, 1, r, dataset.View{K: -1}, make([]float32, 192)),
		"recipe":  dataset.Augment{}.View(img, 1, dataset.Recipe{}, dataset.View{}, nil),
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestAugmentInCache: views are rows like any picture's.
func TestAugmentInCache(t *testing.T) {
	c := open(t, t.TempDir(), 4)
	defer closed(t, c)
	a := dataset.Augment{Flip: true}
	fill(t, c, 0, 3, 4)
	for k := range 5 {
		if err := c.Put(a.CacheSum(dataset.View{Sum: sum(0), K: k}), vector(100+k, 4)); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, c, 0, 3, 4)
	for k := range 5 {
		if v, ok := c.Get(a.CacheSum(dataset.View{Sum: sum(0), K: k})); !ok || !slices.Equal(v, vector(100+k, 4)) {
			t.Errorf("view %d: got %v, %v", k, v, ok)
		}
	}
	if _, ok := c.Get(dataset.Augment{Crop: 0.1}.CacheSum(dataset.View{Sum: sum(0)})); ok || c.Len() != 8 {
		t.Errorf("other settings found something, or %d rows", c.Len())
	}
}
