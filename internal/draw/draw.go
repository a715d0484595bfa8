// Package draw makes small labelled data sets of drawn pictures, so that tests, examples and
// demonstrations need no download. A label is a shape in a colour, "red-circle"; place, size, turn,
// shade, background and noise differ from picture to picture.
package draw

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// MaxClasses is how many labels there are.
const MaxClasses = len(colours) * len(shapes)

var colours = [...]struct {
	name    string
	r, g, b float64 // 0..1
}{
	{"red", 0.85, 0.15, 0.12}, {"green", 0.15, 0.62, 0.2}, {"blue", 0.15, 0.3, 0.85},
	{"yellow", 0.92, 0.8, 0.1}, {"purple", 0.55, 0.2, 0.65}, {"orange", 0.95, 0.5, 0.08},
}

// A shape says whether the point (x,y) is inside; the shape fills about -1..1.
var shapes = [...]struct {
	name   string
	inside func(x, y float64) bool
}{
	{"circle", func(x, y float64) bool { return x*x+y*y < 0.8 }},
	{"stripes", func(x, y float64) bool { return square(x, y, 0.9) && int(math.Floor(y*5+100))%2 == 0 }},
	{"cross", func(x, y float64) bool { return square(x, y, 0.9) && (math.Abs(x) < 0.28 || math.Abs(y) < 0.28) }},
	{"checks", func(x, y float64) bool {
		return square(x, y, 0.9) && int(math.Floor(x*3+100)+math.Floor(y*3+100))%2 == 0
	}},
	{"ring", func(x, y float64) bool { d := x*x + y*y; return 0.3 < d && d < 0.85 }},
	{"square", func(x, y float64) bool { return square(x, y, 0.75) }},
	{"dots", func(x, y float64) bool {
		u, v := x*2.5-math.Round(x*2.5), y*2.5-math.Round(y*2.5)
		return square(x, y, 0.95) && u*u+v*v < 0.1
	}},
	{"triangle", func(x, y float64) bool { return y < 0.7 && y > 2*math.Abs(x)-0.9 }},
	{"star", func(x, y float64) bool {
		return math.Hypot(x, y) < 0.62+0.34*math.Cos(5*math.Atan2(y, x))
	}},
	{"bars", func(x, y float64) bool { return square(x, y, 0.9) && math.Abs(x*2.2-math.Round(x*2.2)) < 0.17 }},
	{"moon", func(x, y float64) bool { return x*x+y*y < 0.85 && (x-0.5)*(x-0.5)+y*y > 0.55 }},
	{"zigzag", func(x, y float64) bool {
		return square(x, y, 0.95) && math.Abs(y*1.6-math.Abs(x*3-2*math.Round(x*1.5))+0.5) < 0.3
	}},
}

func square(x, y, half float64) bool { return math.Abs(x) < half && math.Abs(y) < half }

// Label names a class 0..MaxClasses-1, lower case, letters and a hyphen. The first six differ in
// colour and shape.
func Label(class int) string {
	c, s := class%len(colours), (class+class/len(colours))%len(shapes)
	return colours[c].name + "-" + shapes[s].name
}

// Picture draws picture i of a class, 96 to 159 pixels a side, opaque. Equal arguments give equal
// pictures.
func Picture(class, i int, seed uint64) *image.NRGBA {
	rng := rand.New(rand.NewPCG(seed, uint64(class)<<32|uint64(uint32(i))))
	w, h := 96+rng.IntN(64), 96+rng.IntN(64)
	colour, shape := colours[class%len(colours)], shapes[(class+class/len(colours))%len(shapes)]
	scale := float64(min(w, h)) * (0.3 + 0.15*rng.Float64())
	cx, cy := float64(w)*(0.42+0.16*rng.Float64()), float64(h)*(0.42+0.16*rng.Float64())
	sin, cos := math.Sincos((rng.Float64() - 0.5) * 0.7)
	shade := 0.75 + 0.35*rng.Float64()
	ground := 0.35 + 0.5*rng.Float64()
	slopeX, slopeY := (rng.Float64()-0.5)*0.4/float64(w), (rng.Float64()-0.5)*0.4/float64(h)
	noise := 0.03 + 0.05*rng.Float64()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			cover := 0.0
			for sub := range 4 { // four samples a pixel soften the edges
				dx, dy := (float64(x)+0.25+0.5*float64(sub&1)-cx)/scale, (float64(y)+0.25+0.5*float64(sub>>1)-cy)/scale
				if shape.inside(cos*dx+sin*dy, cos*dy-sin*dx) {
					cover += 0.25
				}
			}
			grey := ground + slopeX*float64(x) + slopeY*float64(y)
			n := (rng.Float64() + rng.Float64() - 1) * noise
			img.SetNRGBA(x, y, color.NRGBA{
				R: level(grey + cover*(colour.r*shade-grey) + n),
				G: level(grey + cover*(colour.g*shade-grey) + n),
				B: level(grey + cover*(colour.b*shade-grey) + n),
				A: 255,
			})
		}
	}
	return img
}

func level(v float64) uint8 { return uint8(math.Round(255 * min(max(v, 0), 1))) }

// Folder writes perClass pictures of each of the classes 0..classes-1 to dir/<label>/<number>.jpg,
// every fifth as PNG. dir is made where it is missing; existing files of the same names are
// replaced. Equal arguments give equal files.
func Folder(dir string, classes, perClass int, seed uint64) error {
	if classes < 1 || classes > MaxClasses {
		return fmt.Errorf("draw: classes: got %d, want 1..%d", classes, MaxClasses)
	}
	if perClass < 1 {
		return errors.New("draw: pictures of each class: want at least 1")
	}
	var buf bytes.Buffer
	for class := range classes {
		sub := filepath.Join(dir, Label(class))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return fmt.Errorf("draw: %w", err)
		}
		for i := range perClass {
			buf.Reset()
			name, img := fmt.Sprintf("%04d.jpg", i), Picture(class, i, seed)
			var err error
			if i%5 == 4 {
				name, err = fmt.Sprintf("%04d.png", i), png.Encode(&buf, img)
			} else {
				err = jpeg.Encode(&buf, img, &jpeg.Options{Quality: 90})
			}
			if err != nil {
				return fmt.Errorf("draw: %w", err)
			}
			if err := os.WriteFile(filepath.Join(sub, name), buf.Bytes(), 0o644); err != nil {
				return fmt.Errorf("draw: %w", err)
			}
		}
	}
	return nil
}
