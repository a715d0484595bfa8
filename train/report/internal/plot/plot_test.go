package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// charts has one of each kind, some of them hard, by the name of a file.
func charts() map[string]Chart {
	curve := Lines{Title: "Accuracy by iteration", Note: "Accuracy on the training part ends at 98.1\u00a0%.",
		XName: "iteration of the solver", YName: "accuracy",
		XTicks: []Tick{{0, "0"}, {0.5, "5"}, {1, "10"}}, YTicks: []Tick{{0, "80\u00a0%"}, {1, "100\u00a0%"}},
		Series: []Series{
			{Name: "train", Ink: Blue, Points: [][2]float64{{0, 0}, {0.5, 0.8}, {1, 0.9}}, Radii: []float64{3, 3, 3}},
			{Name: "validation", Ink: Gold, Points: [][2]float64{{0, 0.1}, {0.4, math.NaN()}, {0.6, 0.5}, {1, math.Inf(1)}},
				Radii: []float64{3, 3, 3, 3}}}}
	reliability := curve
	reliability.Title, reliability.Diagonal, reliability.Note = "Reliability", true, strings.Repeat("a long note ", 30)
	bars := Bars{Title: "Precision, recall and F1", Note: "The worst label first.",
		Names: []string{"precision", "recall", "F1"}, Foot: "3 labels that fared better are not shown."}
	scatter := Scatter{Title: "Map", Note: "A mark for each picture.", XName: "first, 30 %", YName: "second, 20 %",
		Width: 640, Height: 300, Foot: "and 7 more"}
	for i, label := range hardLabels {
		row := Row{Label: label}
		if i != 1 {
			row.Bars = []Bar{{0.2 * float64(i), fmt.Sprint(20 * i)}, {0.5, "50"}, {1, "100"}}
		}
		bars.Rows, scatter.Groups = append(bars.Rows, row), append(scatter.Groups, label)
	}
	for i := range 400 {
		scatter.Points = append(scatter.Points, Point{X: 20 + 600*math.Abs(math.Sin(float64(i))),
			Y: 20 + 260*math.Abs(math.Cos(3*float64(i))), Group: i % 45, Marked: i > 380})
	}
	return map[string]Chart{"accuracy": curve, "reliability": reliability, "labels": bars, "map": scatter,
		"confusion": matrix(hardLabels, 30), "confusion100": matrix(manyLabels(100), 50),
		"confusion25": matrix(manyLabels(25), 12345)}
}

var hardLabels = []string{"daisy", "</svg><script>alert(1)</script>", "rose & \"tulip\"",
	strings.Repeat("very long ", 30), "\u65e5\u672c\u8a9e", "bell\a", "line\nbreak", "not \xff UTF-8",
	"\u03b1\u03b2 \u0436\u0449 \u05d0\u05d1 \u00e5\u00df"}

func manyLabels(n int) (labels []string) {
	for i := range n {
		labels = append(labels, fmt.Sprintf("a label of middling length %03d", i))
	}
	return labels
}

func matrix(labels []string, total int) Matrix {
	m := Matrix{Title: "Confusion matrix", Note: "Pictures of the test part.", Labels: labels}
	for i := range labels {
		row := make([]int, len(labels))
		row[i], row[(i*7+1)%len(labels)] = total-total/5*(i%5), total/5*(i%5)
		m.Counts, m.Totals = append(m.Counts, row), append(m.Totals, total)
	}
	return m
}

// draw draws a chart both ways and keeps the files where REHEAD_PLOTS says, to look at them.
func draw(t *testing.T, name string, c Chart) (svg []byte, img image.Image, pixels []byte) {
	t.Helper()
	svg, err := SVG(c)
	if err != nil {
		t.Fatal(err)
	}
	if pixels, err = PNG(c); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("REHEAD_PLOTS"); dir != "" {
		for ext, data := range map[string][]byte{".svg": svg, ".png": pixels} {
			if err := os.WriteFile(filepath.Join(dir, name+ext), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if img, err = png.Decode(bytes.NewReader(pixels)); err != nil {
		t.Fatal(err)
	}
	return svg, img, pixels
}

// texts reads an SVG as XML, and returns what it says and the size it has.
func texts(t *testing.T, svg []byte) (all string, width, height float64) {
	t.Helper()
	var b strings.Builder
	for dec := xml.NewDecoder(bytes.NewReader(svg)); ; {
		tok, err := dec.Token()
		switch tok := tok.(type) {
		case xml.StartElement:
			for _, a := range tok.Attr {
				if a.Name.Local == "viewBox" {
					if _, err := fmt.Sscanf(a.Value, "0 0 %g %g", &width, &height); err != nil {
						t.Fatal(err)
					}
				}
			}
			if tok.Name.Space != "http://www.w3.org/2000/svg" || tok.Name.Local == "script" {
				t.Errorf("got the element %v, want SVG's alone", tok.Name)
			}
		case xml.CharData:
			fmt.Fprintf(&b, "%s\n", tok)
		}
		if errors.Is(err, io.EOF) {
			return b.String(), width, height
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestCharts(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	for name, c := range charts() {
		t.Run(name, func(t *testing.T) {
			svg, img, pixels := draw(t, name, c)
			all, w, h := texts(t, svg)
			size := img.Bounds().Size()
			if math.Abs(float64(size.X)-w*8/3) > 1 || math.Abs(float64(size.Y)-h*8/3) > 1 {
				t.Errorf("got a PNG of %v for an SVG of %g x %g points, want two pixels for each CSS pixel", size, w, h)
			}
			for _, bad := range []string{"NaN", "Inf", "%!", "\x01", "url(", "href"} {
				if bytes.Contains(svg, []byte(bad)) {
					t.Errorf("the SVG has %q in it", bad)
				}
			}
			for _, want := range wanted(c) {
				if !strings.Contains(all, want) {
					t.Errorf("the SVG does not say %q", want)
				}
			}
			for y := range 3 { // no ninth of it is blank but those beside the labels' corner
				for x := range 3 {
					part := image.Rect(size.X*x/3, size.Y*y/3, size.X*(x+1)/3, size.Y*(y+1)/3)
					if _, corner := c.(Matrix); blank(img, part) && !(corner && x*y == 0) {
						t.Errorf("the part %v is blank", part)
					}
				}
			}
			svg2, _, pixels2 := draw(t, name, c)
			if !bytes.Equal(svg, svg2) || !bytes.Equal(pixels, pixels2) {
				t.Error("a second drawing differs from the first")
			}
		})
	}
}

// wanted is what a chart has to say.
func wanted(c Chart) []string {
	switch c := c.(type) {
	case Lines:
		return []string{c.Title, c.XName, c.YName, "train", "validation", "100\u00a0%"}
	case Matrix:
		all := []string{"true label", "predicted label", "right", "wrong",
			fmt.Sprintf("%s taken for %s: %d of %d", clean(c.Labels[0]), clean(c.Labels[0]), c.Counts[0][0], c.Totals[0])}
		for _, l := range c.Labels {
			all = append(all, clean(l))
		}
		return all
	case Bars:
		all := []string{"precision", "recall", "F1", "not measured", c.Foot, "50 %"}
		for _, r := range c.Rows {
			all = append(all, clean(r.Label))
		}
		return all
	case Scatter:
		all := []string{c.XName, c.YName, c.Foot}
		for _, g := range c.Groups {
			all = append(all, clean(g))
		}
		return all
	}
	return []string{"a kind that the test does not know"}
}

// blank says whether a part is white.
func blank(img image.Image, part image.Rectangle) bool {
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			if r, g, b, _ := img.At(x, y).RGBA(); min(r, g, b) < 0xfa00 {
				return false
			}
		}
	}
	return true
}

func TestEmptyCharts(t *testing.T) {
	for name, c := range map[string]Chart{"lines": Lines{Title: "Loss"}, "bars": Bars{Title: "Labels"},
		"matrix": Matrix{Title: "Confusion"}, "scatter": Scatter{Title: "Map"}} {
		svg, img, _ := draw(t, "empty-"+name, c)
		if all, _, _ := texts(t, svg); !strings.Contains(all, "Nothing to draw.") || blank(img, img.Bounds()) {
			t.Errorf("%s: got %q, want a picture that says that there is nothing", name, all)
		}
	}
	one := Lines{Title: "Loss", Series: []Series{{Name: "none"}, {Name: "one", Points: [][2]float64{{0.5, 0.5}}}}}
	if all, _, _ := texts(t, first(draw(t, "empty-series", one))); !strings.Contains(all, "none") {
		t.Errorf("got %q, want the names of series without a line", all)
	}
}

func first(svg []byte, _ image.Image, _ []byte) []byte { return svg }

// A PNG has a bounded size, however many labels there are.
func TestTallChart(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	b := Bars{Title: "Labels", Names: []string{"recall"}}
	for range 1000 {
		b.Rows = append(b.Rows, Row{"label", []Bar{{0.5, "50"}}})
	}
	_, img, _ := draw(t, "tall", b)
	if got := img.Bounds().Dy(); got > mostPixels || got < mostPixels*9/10 {
		t.Errorf("got a height of %d pixels, want about %d and no more", got, mostPixels)
	}
}

// A map whose points are on a line still has room for its names.
func TestFlatScatter(t *testing.T) {
	flat := Scatter{Title: "Map", XName: "first", YName: "second, 0.0\u00a0%", Width: 640, Height: 20,
		Points: []Point{{X: 10, Y: 10}, {X: 630, Y: 10}}, Groups: []string{"a"}}
	if _, img, _ := draw(t, "flat", flat); img.Bounds().Dy() < 2*200 {
		t.Errorf("got the size %v, want room for the names", img.Bounds())
	}
}

// Letters of other scripts are boxes in a PNG, and themselves in an SVG.
func TestBoxes(t *testing.T) {
	f, err := loadFonts()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"daisy \u03b1\u0436\u05d0\u00e5": "daisy \u03b1\u0436\u05d0\u00e5",
		"\u65e5\u672c": "\u25a1\u25a1", "\u0639": "\u25a1", "\ufffd": "\u25a1"} {
		if got := f.boxes(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	f, err := loadFonts()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(hardLabels, "", "…", strings.Repeat("\u65e5", 40)) {
		got := f.fit(text, 100)
		if f.width(got, style{}) > 100 || got != clean(text) && !strings.HasSuffix(got, "…") {
			t.Errorf("%q: got %q, %g pixels wide, want at most 100", text, got, f.width(got, style{}))
		}
	}
	if got := f.wrap("one two 10.2\u00a0% with", f.width("one two 10.2", style{})); len(got) != 2 || got[0] != "one two" {
		t.Errorf("got the lines %q, want a number and its unit on one", got)
	}
}
