package svg

import (
	"fmt"
	"image"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/font"
)

// distant are pictures of which most lies outside.
var distant = []string{
	`<rect x="-90" y="-80" width="105" height="95" fill="#ff0000"/>`,
	`<rect x="-150" y="-130" width="370" height="290" fill="#ff0000" stroke="#000000"/>`,
	`<path d="M-150-120L190 170L-150 170z" fill="#ff0000"/>`,
	`<path d="M-170 9L200 20L-20 140L20-120" fill="none" stroke="#000000"/>`,
	`<style>.d { stroke: #ff0000; stroke-width: 3; stroke-dasharray: 5 4; }</style><path class="d" fill="none" d="M-163 3L201 8L190 14L-170 27l30 110L30-101z"/>`,
	`<style>.d { stroke: #ff0000; stroke-width: 2; stroke-dasharray: 5 2 1; }</style><line class="d" x1="-91" y1="-62" x2="180" y2="130"/>`,
	`<style>line { stroke: #ff0000; stroke-width: 60; }</style><line x1="-100" y1="-60" x2="60" y2="-20"/>`,
	`<circle cx="-20" cy="60" r="55" fill="#ff0000"/>`,
	`<style>text { font: 13px x; }</style><text x="-145" y="20">AVERY Tall Way, as ever To You; and further on</text><text x="3" y="-3">gjpq</text>`,
	`<style>text { font: 13px x; text-anchor: middle; }</style><text transform="translate(20 25) rotate(-90)">AVERY Tall Way, as ever To You; and on</text>`,
	`<style>text { font: 13px x; }</style><text transform="translate(-2 140) rotate(-90)">AVERY Tall Way, as ever</text><text transform="translate(30 60) rotate(-90)">To You; and further</text>`,
}

// What lies outside is left out without a change to what is seen: a picture is the middle of a
// larger one. That is painted large enough for the rasteriser to compute in floating point; in
// fixed point it loses half a pixel on a long line.
func TestOutsideIsLeftOut(t *testing.T) {
	const right, down, scale = 250, 190, 2
	for _, body := range distant {
		got := mustDraw(t, body, scale)
		large, err := Draw(fmt.Appendf(nil, `<svg width="540" height="410"><g transform="translate(%d %d)">%s</g></svg>`, right, down, body), scale)
		if err != nil {
			t.Fatal(err)
		}
		ink, worst := 0, 0
		for y := range got.Rect.Dy() {
			for x := range got.Rect.Dx() {
				a, b := got.RGBAAt(x, y), large.RGBAAt(x+right*scale, y+down*scale)
				for _, d := range []int{int(a.R) - int(b.R), int(a.G) - int(b.G), int(a.B) - int(b.B)} {
					worst = max(worst, d, -d)
				}
				if b.G < 128 {
					ink++
				}
			}
		}
		if worst > 16 || ink < 40 { // of 255: both round along a line
			t.Errorf("%s: %d levels from the middle of a larger picture, want at most 16; %d pixels are dark, want some", body,
				worst, ink)
		}
	}
}

// A few letters must not make thousands of pieces that nobody sees.
func TestRegression_DistantPiecesCost(t *testing.T) {
	seen := frameOf(image.Rect(0, 0, 40, 30), 1)
	l := []point{{-3e4, 15}, {3e4, 15}, {-3e4, 15}}
	pieces := dashes(l, []float64{1}, 1, seen)
	if n := len(pieces); n < 42 || n > 50 {
		t.Errorf("%d dashes of 2 pixels each way across 42, want about 42", n)
	}
	for _, p := range pieces {
		if x := p[0].x; x >= 0 && x < 40 && int(x)%2 != 0 {
			t.Errorf("a dash begins at %g, want even places: the line begins at one", x)
		}
	}
	if pieces := dashes([]point{{0, 5e8}, {1e9, 6e8}}, []float64{1, 2}, 1, seen); len(pieces) > 4 {
		t.Errorf("%d dashes that nobody sees", len(pieces))
	}
	var far []point
	for i := range 100 {
		far = append(far, point{float64(i), -3e4}, point{float64(i), -2e4})
	}
	if areas := ribbon(far, 1, true, seen); len(areas) != 0 {
		t.Errorf("%d pieces of a line that nobody sees", len(areas))
	}
	got := seen.cut([]point{{-1e8, -1e8}, {1e8, -1e8}, {1e8, 1e8}, {-1e8, 1e8}})
	if len(got) != 4 || slices.ContainsFunc(got, func(p point) bool { return max(-p.x, p.x-40, -p.y, p.y-30) > 1.01 }) {
		t.Errorf("a huge square is cut to %v, want the picture's corners", got)
	}
	fonts, err := newFonts()
	if err != nil {
		t.Fatal(err)
	}
	face, err := fonts.face(20, false)
	if err != nil {
		t.Fatal(err)
	}
	before := strings.Repeat("AVi", 100)
	at := float64(font.MeasureString(face, before)) / 64
	part, skipped := shown(face, before+"x"+strings.Repeat("AVi", 10000), at-30, at+70)
	left, right, found := strings.Cut(part, "x")
	if len(left) < 2 || len(left) > 6 || len(right) < 3 || len(right) > 12 || !found {
		t.Errorf("within 30 pixels before x and 70 after it: got %q", part)
	}
	// letters are kerned
	if want := at - float64(font.MeasureString(face, left))/64; skipped < want-4 || skipped > want+4 {
		t.Errorf("%q begins at %g pixels, want about %g", part, skipped, want)
	}
	if part, _ := shown(face, "text", 100, 200); part != "" {
		t.Errorf("beyond its end: got %q", part)
	}
	if part, _ := shown(face, "text", -200, -100); part != "" {
		t.Errorf("before its beginning: got %q", part)
	}
}
