package svg

import (
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"
)

func mustDraw(t *testing.T, body string, scale float64) *image.RGBA {
	t.Helper()
	img, err := Draw([]byte(`<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30" viewBox="0 0 40 30">`+body+`</svg>`), scale)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// dark counts the pixels that are darker than half.
func dark(img *image.RGBA, in image.Rectangle) int {
	n := 0
	for y := in.Min.Y; y < in.Max.Y; y++ {
		for x := in.Min.X; x < in.Max.X; x++ {
			if c := img.RGBAAt(x, y); int(c.R)+int(c.G)+int(c.B) < 384 {
				n++
			}
		}
	}
	return n
}

func TestShapes(t *testing.T) {
	white, red, pink := color.RGBA{255, 255, 255, 255}, color.RGBA{255, 0, 0, 255}, color.RGBA{255, 128, 128, 255}
	for name, c := range map[string]struct {
		body string
		at   map[image.Point]color.RGBA // at scale 2
	}{
		"rect":          {`<rect x="10" y="5" width="10" height="6" fill="#ff0000"/>`, map[image.Point]color.RGBA{{21, 11}: red, {39, 21}: red, {19, 11}: white, {21, 9}: white, {41, 11}: white}},
		"half":          {`<rect x="10" y="5" width="10" height="6" fill="#ff0000" fill-opacity="0.5"/>`, map[image.Point]color.RGBA{{25, 15}: pink}},
		"inherited":     {`<g fill-opacity="0.5"><rect x="10" y="5" width="10" height="6" fill="#ff0000"/></g>`, map[image.Point]color.RGBA{{25, 15}: pink}},
		"none":          {`<rect x="10" y="5" width="10" height="6" fill="none"/>`, map[image.Point]color.RGBA{{25, 15}: white}},
		"circle":        {`<circle cx="20" cy="15" r="8" fill="#ff0000"/>`, map[image.Point]color.RGBA{{40, 30}: red, {40, 16}: red, {40, 12}: white, {26, 16}: white}},
		"line":          {`<line x1="5" y1="15" x2="35" y2="15" stroke="#ff0000"/>`, map[image.Point]color.RGBA{{40, 29}: red, {40, 30}: red, {40, 27}: white, {8, 30}: white}},
		"a sheet":       {`<style>.a, .b { fill: #ff0000; } rect.z { fill: #00ff00; }</style><rect class="b" x="10" y="5" width="10" height="6"/>`, map[image.Point]color.RGBA{{25, 15}: red}},
		"sheet wins":    {`<style>.a.b { fill: #ff0000; } .a { fill: #00ff00; }</style><rect class="b a" fill="#0000ff" x="10" y="5" width="10" height="6"/>`, map[image.Point]color.RGBA{{25, 15}: red}},
		"nested":        {`<svg x="8" y="4"><g transform="translate(2 1)"><rect width="10" height="6" fill="#ff0000"/></g></svg>`, map[image.Point]color.RGBA{{21, 11}: red, {19, 11}: white}},
		"path":          {`<path transform="translate(20 15)" d="M-3.6-3.6h7.2v7.2h-7.2z" fill="#ff0000"/>`, map[image.Point]color.RGBA{{34, 24}: red, {46, 36}: red, {31, 24}: white, {48, 36}: white}},
		"path of steps": {`<path transform="translate(20 15)" d="M0-5l5 5-5 5-5-5z" fill="#ff0000"/>`, map[image.Point]color.RGBA{{40, 30}: red, {40, 22}: red, {48, 30}: red, {32, 24}: white}},
		"dashes":        {`<style>.d { stroke: #ff0000; stroke-dasharray: 5 5; stroke-width: 2; }</style><line class="d" x1="0" y1="15" x2="40" y2="15"/>`, map[image.Point]color.RGBA{{4, 30}: red, {14, 30}: white, {24, 30}: red, {34, 30}: white}},
		"title":         {`<rect x="10" y="5" width="10" height="6" fill="#ff0000"><title>a name</title></rect>`, map[image.Point]color.RGBA{{25, 15}: red}},
	} {
		img := mustDraw(t, c.body, 2)
		for at, want := range c.at {
			got := img.RGBAAt(at.X, at.Y)
			for _, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G), int(got.B) - int(want.B)} {
				if d < -2 || d > 2 {
					t.Errorf("%s: got %v at %v, want %v", name, got, at, want)
					break
				}
			}
		}
	}
}

// A line that crosses itself, and pieces that overlap at a corner, are painted once: no hole, no
// darker spot.
func TestStrokesCoverThemselves(t *testing.T) {
	img := mustDraw(t, `<path d="M5 5L35 5L35 25L5 25L20 2" fill="none" stroke="#000000"/>`, 4)
	for _, at := range []image.Point{{140, 20}, {140, 100}, {80, 20}, {80, 100}} {
		if c := img.RGBAAt(at.X, at.Y); c.R > 2 {
			t.Errorf("got %v at %v, want black", c, at)
		}
	}
}

func TestText(t *testing.T) {
	const text = `<text x="20" y="15"%s>Hill</text>`
	at := func(attributes string) (left, right int) {
		img := mustDraw(t, fmt.Sprintf(`<style>text { font: 10px serif, "any"; } .m { text-anchor: middle; } .e { text-anchor: end; }</style>`+text, attributes), 2)
		return dark(img, image.Rect(0, 0, 40, 60)), dark(img, image.Rect(40, 0, 80, 60))
	}
	if left, right := at(""); left > 0 || right < 30 {
		t.Errorf("from the point on: %d dark pixels left of it and %d right, want none and many", left, right)
	}
	if left, right := at(` class="e"`); left < 30 || right > 0 {
		t.Errorf("to the point: %d dark pixels left of it and %d right, want many and none", left, right)
	}
	if left, right := at(` class="m"`); left < 10 || right < 10 {
		t.Errorf("around the point: %d dark pixels left of it and %d right, want some each", left, right)
	}
	img := mustDraw(t, `<style>text { font: 10px x; }</style><text transform="translate(20 28) rotate(-90)">Hill</text>`, 2)
	if up, beside := dark(img, image.Rect(20, 0, 42, 57)), dark(img, image.Rect(44, 0, 80, 60)); up < 30 || beside > 0 {
		t.Errorf("upwards: %d dark pixels above the point and %d beside it, want many and none", up, beside)
	}
}

func TestLargeIsScaledDown(t *testing.T) {
	img, err := Draw([]byte(`<svg width="10" height="12000"></svg>`), 2)
	if err != nil || img.Rect.Dy() != maxSide {
		t.Errorf("got %v, %v, want %d pixels", img.Bounds(), err, maxSide)
	}
}

func TestDrawRefuses(t *testing.T) {
	for body, want := range map[string]string{
		`<polygon/>`:                                        "polygon",
		`<rect x="one"/>`:                                   "number",
		`<rect fill="red"/>`:                                "#rrggbb",
		`<g transform="scale(2)"/>`:                         "transform",
		`<g transform="rotate(-90)"/>`:                      "transform",
		`<g transform="translate"/>`:                        "transform",
		`<path d="C1 2 3 4 5 6"/>`:                          "path",
		`<path d="L1 2"/>`:                                  "begins with M",
		`<style>.a { filter: x; }</style><rect class="a"/>`: "filter",
		`<style>.a { stroke-dasharray: 5 0; }</style><rect class="a"/>`:                              "1 or more",
		`<style>.a { stroke-width: 1e8; }</style><rect class="a"/>`:                                  "at most 32768",
		`<style>.a { fill-opacity: NaN; }</style><rect class="a"/>`:                                  "at most 32768",
		`<style>.a { stroke-dasharray: ` + strings.Repeat("1 ", 17) + `; }</style><rect class="a"/>`: "up to 16",
		`<style>` + strings.Repeat(",", 40) + `{` + strings.Repeat("fill: none;", 40) + `}</style>`:  "more than 1024 names",
		`<g transform="translate(NaN 1)"/>`:                                                          "at most 32768",
		`<g transform="translate(1 1e9)"/>`:                                                          "at most 32768",
		`<rect x="Inf"/>`:                                                                            "number",
		`<style>.a fill</style>`:                                                                     "style sheet",
		`<g>`:                                                                                        "",
		strings.Repeat("<g>", 40):                                                                    "deep",
	} {
		if _, err := Draw([]byte(`<svg width="40" height="30">`+body+`</svg>`), 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", body, err, want)
		}
	}
	for _, whole := range []string{"", "text", `<svg/>`, `<svg width="1e300" height="5"/>`, `<g width="5" height="5"/>`} {
		if _, err := Draw([]byte(whole), 1); err == nil {
			t.Errorf("%q: got no error", whole)
		}
	}
	if _, err := Draw([]byte(`<svg width="4" height="3"/>`), 0); err == nil {
		t.Error("a scale of 0: got no error")
	}
}

func FuzzDraw(f *testing.F) {
	f.Add(`<style>.a { fill: #ff0000; stroke-dasharray: 5 4; }</style><path class="a" d="M0-5l5 5-5 5-5-5z"/><text x="3" y="4">t</text>`)
	for _, body := range distant {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		img, err := Draw([]byte(`<svg width="40" height="30">`+body+`</svg>`), 1)
		if (img == nil) == (err == nil) {
			t.Errorf("got %v and %v", img, err)
		}
	})
}
