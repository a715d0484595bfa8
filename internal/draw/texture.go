package draw

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Surfaces are the kinds of pictures of low contrast that Surface draws: a brushed plate, and a
// part that lies before the camera at nearly the same place every time.
var surfaces = [...]string{"plate", "part"}

// defects are the labels of Surfaces.
var defects = [...]string{"good", "scratch", "pit", "stain"}

// surface draws picture i of a defect: 192 x 192 pixels of grey, of which noise and a small defect
// are all that differs from picture to picture.
func surface(kind, defect, i int, seed uint64) *image.NRGBA {
	const side = 192
	rng := rand.New(rand.NewPCG(seed, uint64(kind)<<48|uint64(defect)<<32|uint64(uint32(i))))
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	dx, dy := 3*rng.NormFloat64(), 3*rng.NormFloat64()
	atX, atY := 40+112*rng.Float64(), 40+112*rng.Float64()
	sin, cos := math.Sincos(rng.Float64() * math.Pi)
	long := 8 + 14*rng.Float64()
	light := 4 * rng.NormFloat64()
	var lines [side]float64
	for y := range lines {
		lines[y] = 3 * rng.NormFloat64()
	}
	drift := [side]float64{}
	for x := 1; x < side; x++ {
		drift[x] = 0.97*drift[x-1] + 0.5*rng.NormFloat64()
	}
	for y := range side {
		for x := range side {
			u, v := float64(x)-dx-side/2, float64(y)-dy-side/2
			shade := 138 + light - 0.0012*(u*u+v*v)
			if kind == 0 {
				shade += lines[y] + drift[x]
			} else if r := math.Hypot(u, v); r > 70 || r < 22 {
				shade -= 26 // beside the part, and its bore
			}
			if kind == 1 && math.Hypot(math.Abs(u)-33, math.Abs(v)-33) < 6 {
				shade -= 20 // four holes
			}
			p, q := cos*(float64(x)-atX)+sin*(float64(y)-atY), cos*(float64(y)-atY)-sin*(float64(x)-atX)
			switch r := math.Hypot(p, q); {
			case defect == 1 && math.Abs(p) < long && math.Abs(q) < 1.5:
				shade += 22
			case defect == 2 && r < 4:
				shade -= 30
			case defect == 3 && r < long:
				shade -= 9
			}
			l := level((shade + 2.5*rng.NormFloat64()) / 255)
			img.SetNRGBA(x, y, color.NRGBA{l, l, l, 255})
		}
	}
	return img
}

// Surfaces writes perClass pictures of a kind, "plate" or "part", under each of four labels to
// dir/<label>/<number>.jpg: pictures of low contrast that differ in little, as of industrial
// inspection. Equal arguments give equal files.
func Surfaces(dir, kind string, perClass int, seed uint64) error {
	for k, name := range surfaces {
		for defect, label := range defects {
			if name != kind {
				continue
			}
			if err := os.MkdirAll(filepath.Join(dir, label), 0o755); err != nil {
				return fmt.Errorf("draw: %w", err)
			}
			for i := range perClass {
				var buf bytes.Buffer
				if err := jpeg.Encode(&buf, surface(k, defect, i, seed), &jpeg.Options{Quality: 90}); err != nil {
					return fmt.Errorf("draw: %w", err)
				}
				path := filepath.Join(dir, label, fmt.Sprintf("%04d.jpg", i))
				if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
					return fmt.Errorf("draw: %w", err)
				}
			}
		}
	}
	return nil
}
