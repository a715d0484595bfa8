package train

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
)

// glowing finds the activation maps of a report: the label, and the path of the picture.
var glowing = regexp.MustCompile(`<img src="(data:image/jpeg;base64,[^"]+)" width="\d+" height="\d+" alt="What speaks for ([^"]+) in ([^"]+)"/>`)

// checkMaps asks that every mistake of the report has the maps of its answer and of its label.
func checkMaps(t *testing.T, r *Result, html []byte) {
	t.Helper()
	var want []string
	for _, p := range r.evidence.mistakes(r.Pictures, true).List {
		want = append(want, p.Predicted+" in "+p.Rel, p.Label+" in "+p.Rel)
	}
	var got []string
	for _, m := range glowing.FindAllSubmatch(html, -1) {
		got = append(got, string(m[2])+" in "+string(m[3]))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the maps %q, want %q", got, want)
	}
}

// What glows in a report is what Explain says, on the picture itself, and the network runs once for
// each mistake shown.
func TestReportActivations(t *testing.T) {
	dir, w := drawn(t, 24), narrow(t)
	r := mustRun(t, dir, w, Config{MaxIterations: 1}) // a poor head
	list := r.evidence.mistakes(r.Pictures, true).List
	if len(list) == 0 {
		t.Fatal("the head makes no mistake, want some to explain")
	}
	if err := r.evidence.activations(context.Background(), r.Model, list, false); err != nil {
		t.Fatal(err)
	}
	c, err := inception.NewClassifier(r.Model, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, m := range list {
		data, err := os.ReadFile(m.Path)
		if err != nil {
			t.Fatal(err)
		}
		x, err := c.Explain(context.Background(), &inception.Input{Data: data}, 0)
		if err != nil {
			t.Fatal(err)
		}
		x.Maps = slices.DeleteFunc(x.Maps, func(a inception.Map) bool { return a.Label != m.Label && a.Label != m.Predicted })
		if len(m.Maps) != 2 || m.Maps[0].Label != m.Predicted || m.Maps[1].Label != m.Label || m.Maps[0].Right ||
			!m.Maps[1].Right {
			t.Fatalf("%s: got the maps %+.80v, want those of %s and %s", m.Rel, m.Maps, m.Predicted, m.Label)
		}
		for i := range m.Maps {
			img, _, err := r.Model.Recipe.Thumbnail(data, picture.Limits{}, reportSide)
			if err != nil {
				t.Fatal(err)
			}
			x.Blend(img, &x.Maps[i])
			if want, err := inline(img); err != nil || m.Maps[i].Picture != want {
				t.Errorf("%s: the map of %s is not the one that Explain gives (%v)", m.Rel, m.Maps[i].Label, err)
			}
		}
	}
	// A picture that has changed since has neither maps nor a thumbnail, for they would not be of
	// what was answered.
	var other bytes.Buffer
	if err := jpeg.Encode(&other, image.NewGray(image.Rect(0, 0, 40, 30)), nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list[0].Path, other.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	html := mustReport(t, r)
	wants(t, parse(t, html), "no thumbnail")
	if strings.Contains(string(html), "What speaks for "+list[0].Label+" in "+list[0].Rel) {
		t.Errorf("%s has changed and has a map", list[0].Rel)
	}
}

// A label far down the ranking is not worth computing every map before it.
func TestReportActivationsAreBounded(t *testing.T) {
	const k = mostMaps + 5
	e := evidence{items: []dataset.Item{{Label: k - 1}}, logits: make([]float64, k)}
	for i := range e.logits {
		e.logits[i] = float64(k - i)
	}
	if got := e.rank(0); got != k-1 {
		t.Errorf("got the rank %d, want %d", got, k-1)
	}
}

// TestEvaluationReport: an evaluation's report has what a training's has, but for what only a
// training knows, and says the same numbers.
func TestEvaluationReport(t *testing.T) {
	dir, w := drawn(t, 24), narrow(t)
	r := mustRun(t, dir, w, Config{MaxIterations: 1, Neighbours: 9, ToolVersion: "1.2.3"})
	v, err := Evaluate(context.Background(), r.Model, scan(t, dir), EvaluateConfig{Part: "test"})
	if err != nil {
		t.Fatal(err)
	}
	html, err := v.Report(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	own := slices.DeleteFunc(slices.Clone(sections), func(s string) bool { return s == "learning" || s == "suspects" })
	d := parseSections(t, html, own)
	wants(t, d, "Evaluation report", percent(r.Metrics.Test.Accuracy), fmt.Sprintf("measured on %d pictures", v.Images),
		"the test part", w.Digest,
		fmt.Sprintf("%d of %d pictures measured got a wrong answer", v.Images-v.All.Correct, v.Images))
	wrong := min(v.Images-v.All.Correct, mostMistakes)
	if got := len(glowing.FindAll(html, -1)); wrong == 0 || got != 2*wrong || d.pictures != wrong*(1+2+3) {
		t.Errorf("got %d maps and %d pictures for %d mistakes, want two maps each and three neighbours of the model's", got,
			d.pictures, wrong)
	}
	if bytes.Contains(html, []byte(dir)) {
		t.Error("the report says where the folder lies")
	}
	again, err := v.Report(context.Background())
	if err != nil || !bytes.Equal(again, html) {
		t.Errorf("a second report differs from the first (%v)", err)
	}
	all, err := Evaluate(context.Background(), r.Model, scan(t, dir), EvaluateConfig{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if html, err = all.Report(context.Background()); err != nil {
		t.Fatal(err)
	}
	wants(t, parseSections(t, html, own), percent(all.All.Accuracy), "mean nothing if they are not", draw.Label(0))
	plots, err := all.Plots(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range plots {
		names = append(names, p.Name)
		readPlot(t, p)
	}
	if want := []string{"reliability.svg", "confusion.svg", "labels.svg", "map.svg"}; !slices.Equal(names, want) {
		t.Errorf("got the plots %q, want %q", names, want)
	}
}

func TestEvaluationReportFails(t *testing.T) {
	if _, err := (&Evaluation{}).Report(context.Background()); err == nil || !strings.Contains(err.Error(), "Evaluate") {
		t.Errorf("got %v, want an error", err)
	}
	if _, err := (&Evaluation{}).Plots(context.Background()); err == nil || !strings.Contains(err.Error(), "Evaluate") {
		t.Errorf("got %v, want an error", err)
	}
}
