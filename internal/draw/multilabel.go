package draw

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// MaxTogether is how many classes one picture has room for.
const MaxTogether = 4

// Together draws picture i that shows each of up to MaxTogether classes once, each in a quarter of
// its own, 112 to 159 pixels a side, opaque; without a class it shows the ground alone. Equal
// arguments give equal pictures.
func Together(classes []int, i int, seed uint64) *image.NRGBA {
	rng := rand.New(rand.NewPCG(seed, 1<<63|uint64(uint32(i))))
	w, h := 112+rng.IntN(48), 112+rng.IntN(48)
	type placed struct {
		class              int
		cx, cy, scale      float64
		sin, cos, lightens float64
	}
	quarters := rng.Perm(MaxTogether)
	var shown []placed
	for n, class := range classes[:min(len(classes), MaxTogether)] {
		p := placed{class: class, scale: float64(min(w, h)) * (0.19 + 0.04*rng.Float64()),
			lightens: 0.75 + 0.35*rng.Float64()}
		p.cx = float64(w) * (0.25 + 0.5*float64(quarters[n]&1) + 0.04*(rng.Float64()-0.5))
		p.cy = float64(h) * (0.25 + 0.5*float64(quarters[n]>>1) + 0.04*(rng.Float64()-0.5))
		p.sin, p.cos = math.Sincos((rng.Float64() - 0.5) * 0.7)
		shown = append(shown, p)
	}
	ground, noise := 0.35+0.5*rng.Float64(), 0.03+0.05*rng.Float64()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			r, g, b := ground, ground, ground
			for _, p := range shown {
				dx, dy := (float64(x)+0.5-p.cx)/p.scale, (float64(y)+0.5-p.cy)/p.scale
				if shapes[(p.class+p.class/len(colours))%len(shapes)].inside(p.cos*dx+p.sin*dy, p.cos*dy-p.sin*dx) {
					c := colours[p.class%len(colours)]
					r, g, b = c.r*p.lightens, c.g*p.lightens, c.b*p.lightens
				}
			}
			n := (rng.Float64() + rng.Float64() - 1) * noise
			img.SetNRGBA(x, y, color.NRGBA{R: level(r + n), G: level(g + n), B: level(b + n), A: 255})
		}
	}
	return img
}

// MultiLabel writes n pictures of any number of the classes 0..classes-1, about two in five of them
// each but at most MaxTogether in all, to dir/<number>.jpg, and dir/labels.csv, which names the
// labels of each, parted by "|". Equal arguments give equal files.
func MultiLabel(dir string, classes, n int, seed uint64) error {
	if classes < 1 || classes > MaxClasses {
		return fmt.Errorf("draw: classes: got %d, want 1..%d", classes, MaxClasses)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	rng := rand.New(rand.NewPCG(seed, 1<<62))
	rows := [][]string{{"image", "label"}}
	var buf bytes.Buffer
	for i := range n {
		var set []int
		var names []string
		for _, class := range rng.Perm(classes) {
			if len(set) < MaxTogether && rng.Float64() < 0.4 {
				set, names = append(set, class), append(names, Label(class))
			}
		}
		name := fmt.Sprintf("%04d.jpg", i)
		rows = append(rows, []string{name, strings.Join(names, "|")})
		buf.Reset()
		if err := jpeg.Encode(&buf, Together(set, i, seed), &jpeg.Options{Quality: 90}); err != nil {
			return fmt.Errorf("draw: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), buf.Bytes(), 0o644); err != nil {
			return fmt.Errorf("draw: %w", err)
		}
	}
	buf.Reset()
	w := csv.NewWriter(&buf)
	if err := w.WriteAll(rows); err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "labels.csv"), buf.Bytes(), 0o644); err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	return nil
}
