package report

import (
	"bytes"
	"context"
	"fmt"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/train/internal/reporttest"
	"github.com/c236555e/rehead/train/internal/traintest"
)

// mustPlots draws the plots, reads each as XML and returns their texts by name.
func mustPlots(t *testing.T, in *Input) map[string]string {
	t.Helper()
	plots, err := Plots(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, p := range plots {
		if dir := os.Getenv("REHEAD_PLOTS"); dir != "" { // to look at them
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(in.Metrics.Classes, "-", p.Name)), p.SVG, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		checkPNG(t, p)
		texts[p.Name] = reporttest.ReadPlot(t, p.Name, p.SVG)
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
	if !traintest.Near(float64(b.Dx())/float64(b.Dy()), w/h, 0, 0.02) || max(b.Dx(), b.Dy()) > 1<<14 || b.Dx() < int(w) {
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

func TestPlots(t *testing.T) {
	labels := []string{"daisy", "<script>alert(1)</script>", "rose & \"tulip\"", strings.Repeat("very long ", 30),
		"\u65e5\u672c\u8a9e", "bell\a"}
	in := madeUp(t, labels, 30)
	texts := mustPlots(t, in)
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
		"confusion.svg": fmt.Sprintf("daisy taken for daisy: %d of %d", in.Metrics.Confusion[0][0],
			in.Metrics.PerClass[0].Measured), "labels.svg": "recall"} {
		if !strings.Contains(texts[name], want) {
			t.Errorf("%s does not say %q", name, want)
		}
	}
	if !strings.Contains(texts["labels.svg"], strings.ReplaceAll(percent(in.Metrics.PerClass[0].F1), "\u00a0", " ")) {
		t.Errorf("labels.svg does not have the F1 of %s", labels[0])
	}
	one, err := Plots(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Plots(context.Background(), in)
	if err != nil || !slices.EqualFunc(one, two, func(a, b Plot) bool {
		return a.Name == b.Name && bytes.Equal(a.SVG, b.SVG)
	}) {
		t.Errorf("a second drawing differs from the first (%v)", err)
	}
}

func TestPlotsOfManyLabels(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
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
	if _, err := Plots(context.Background(), &Input{}); err == nil || !strings.Contains(err.Error(), "no bottlenecks") {
		t.Errorf("got %v, want an error", err)
	}
	broken := madeUp(t, []string{"a", "b"}, 10)
	broken.Logits = nil // would be out of range
	if _, err := Plots(context.Background(), broken); err == nil || !strings.Contains(err.Error(), "plots") {
		t.Errorf("got %v, want an error instead of a panic", err)
	}
}
