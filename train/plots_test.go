package train

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mustPlots draws the plots, reads each as XML and returns their texts by name.
func mustPlots(t *testing.T, r *Result) map[string]string {
	t.Helper()
	plots, err := r.Plots(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, p := range plots {
		if dir := os.Getenv("REHEAD_PLOTS"); dir != "" { // to look at them
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(r.Metrics.Classes, "-", p.Name)), p.SVG, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		checkPNG(t, p)
		texts[p.Name] = readPlot(t, p)
	}
	return texts
}

// checkPNG asks for a picture of the plot's proportions that is not blank.
func checkPNG(t *testing.T, p Plot) {
	t.Helper()
	data, err := p.PNG()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var w, h float64
	_, box, _ := strings.Cut(string(p.SVG), `viewBox="0 0 `)
	if _, err := fmt.Sscanf(box, "%g %g", &w, &h); err != nil {
		t.Fatal(err)
	}
	b := img.Bounds()
	if !near(float64(b.Dx())/float64(b.Dy()), w/h, 0, 0.02) || max(b.Dx(), b.Dy()) > 1<<14 || b.Dx() < int(w) {
		t.Errorf("%s: got %v, want the proportions of %g x %g", p.Name, b, w, h)
	}
	colours := map[color.Color]bool{}
	for y := 0; y < b.Dy(); y += 3 {
		for x := 0; x < b.Dx(); x++ {
			colours[img.At(x, y)] = true
		}
	}
	if len(colours) < 10 {
		t.Errorf("%s: got %d colours, want a picture", p.Name, len(colours))
	}
	if dir := os.Getenv("REHEAD_PLOTS"); dir != "" { // to look at it
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%dx%d.png", p.Name, b.Dx(), b.Dy())), data,
			0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// readPlot is the text of a plot, which must be SVG that asks for nothing beyond itself.
func readPlot(t *testing.T, p Plot) string {
	t.Helper()
	for _, bad := range []string{"var(", "url(", "ZgotmplZ", "NaN", "Inf", "%!", "href", "<script"} {
		if bytes.Contains(p.SVG, []byte(bad)) {
			t.Errorf("%s has %q in it", p.Name, bad)
		}
	}
	var text strings.Builder
	dec := xml.NewDecoder(bytes.NewReader(p.SVG))
	for n := 0; ; n++ {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return space.ReplaceAllString(text.String(), " ")
		}
		if err != nil {
			t.Fatalf("%s is no XML: %v", p.Name, err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if n == 0 && tok.Name.Local != "svg" || tok.Name.Space != "http://www.w3.org/2000/svg" {
				t.Errorf("%s: element %d is %s of %q, want svg first and SVG alone", p.Name, n, tok.Name.Local, tok.Name.Space)
			}
		case xml.CharData:
			text.Write(tok)
			text.WriteByte(' ')
		}
	}
}

func TestPlots(t *testing.T) {
	labels := []string{"daisy", "<script>alert(1)</script>", "rose & \"tulip\"", strings.Repeat("very long ", 30),
		"\u65e5\u672c\u8a9e", "bell\a"}
	r := madeUp(t, labels, 30)
	texts := mustPlots(t, r)
	for _, name := range []string{"loss.svg", "accuracy.svg", "reliability.svg", "confusion.svg", "labels.svg",
		"map.svg"} {
		if texts[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
	for _, name := range []string{"confusion.svg", "labels.svg", "map.svg"} {
		for _, l := range labels {
			if want := strings.TrimSpace(strings.ReplaceAll(l, "\a", "\ufffd")); !strings.Contains(texts[name], want) {
				t.Errorf("%s has no label %q", name, want)
			}
		}
	}
	for name, want := range map[string]string{"loss.svg": "iteration of the solver", "accuracy.svg": "validation",
		"reliability.svg": "temperature 1.25",
		"confusion.svg": fmt.Sprintf("daisy taken for daisy: %d of %d", r.Metrics.Confusion[0][0],
			r.Metrics.PerClass[0].Measured), "labels.svg": "recall"} {
		if !strings.Contains(texts[name], want) {
			t.Errorf("%s does not say %q", name, want)
		}
	}
	if !strings.Contains(texts["labels.svg"], strings.ReplaceAll(percent(r.Metrics.PerClass[0].F1), "\u00a0", " ")) {
		t.Errorf("labels.svg does not have the F1 of %s", labels[0])
	}
	one, err := r.Plots(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	two, err := r.Plots(context.Background())
	if err != nil || !slices.EqualFunc(one, two, func(a, b Plot) bool {
		return a.Name == b.Name && bytes.Equal(a.SVG, b.SVG)
	}) {
		t.Errorf("a second drawing differs from the first (%v)", err)
	}
}

func TestPlotsOfManyLabels(t *testing.T) {
	for _, n := range []int{40, 110} {
		var labels []string
		for i := range n {
			labels = append(labels, fmt.Sprintf("label %03d", i))
		}
		texts := mustPlots(t, madeUp(t, labels, 5))
		if got, want := texts["confusion.svg"] != "", n <= 100; got != want {
			t.Errorf("%d labels: a confusion matrix: %t, want %t", n, got, want)
		}
		if got, want := strings.Contains(texts["map.svg"], "and 10 more"), n == 110; got != want ||
			!strings.Contains(texts["labels.svg"], labels[n-1]) {
			t.Errorf("%d labels: the legend is cut: %t, want %t; or the bars lack the last label", n, got, want)
		}
	}
}

func TestPlotsFail(t *testing.T) {
	if _, err := (&Result{}).Plots(context.Background()); err == nil || !strings.Contains(err.Error(), "Run") {
		t.Errorf("got %v, want an error", err)
	}
	broken := madeUp(t, []string{"a", "b"}, 10)
	broken.evidence.logits = nil // would be out of range
	if _, err := broken.Plots(context.Background()); err == nil || !strings.Contains(err.Error(), "plots") {
		t.Errorf("got %v, want an error instead of a panic", err)
	}
}
