package train

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"image"
	"image/jpeg"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/internal/reporttest"
	"github.com/c236555e/rehead/train/internal/traintest"
	"github.com/c236555e/rehead/train/metrics"
	"github.com/c236555e/rehead/train/report"
)

// written is a report as it is written.
func written(page *report.Page, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return page.HTML()
}

func mustReport(t *testing.T, r *Result) []byte {
	t.Helper()
	html, err := written(r.Report(context.Background()))
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("REHEAD_PLOTS"); dir != "" { // to look at it
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("report-", r.Metrics.Classes, "-", r.Metrics.Images, ".html")),
			html, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if len(html) > 3_000_000 {
		t.Errorf("the report has %d bytes, want at most 3 MB", len(html))
	}
	return html
}

func TestReport(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir, w := drawn(t, perClass), narrow(t)
	one, two := draw.Label(0), draw.Label(1)
	good := read(t, dir, one, "0003.jpg")
	write(t, good[:len(good)/3], dir, one, "cut.jpg")
	write(t, read(t, dir, one, "0000.jpg"), dir, one, "again.jpg")
	write(t, read(t, dir, one, "0001.jpg"), dir, two, "mislabelled.jpg") // a copy under another label
	cache := t.TempDir()
	first := mustRun(t, dir, w, Config{ToolVersion: "1.2.3", Options: head.Options{Seed: 77},
		EmbedConfig: EmbedConfig{CacheDir: cache}})
	html := mustReport(t, first)
	d := reporttest.Parse(t, html)
	m := first.Metrics
	reporttest.Wants(t, d, "cross-validated accuracy", reporttest.Percent(m.CrossValidated.Accuracy), "balanced accuracy",
		reporttest.Percent(m.Averages.Balanced), reporttest.Percent(m.Averages.MacroF1), "Always answering the largest label",
		reporttest.Percent(m.PerClass[0].RecallInterval[0])+" to "+reporttest.Percent(m.PerClass[0].RecallInterval[1]))
	reporttest.Wants(t, d, reporttest.Percent(m.Test.Accuracy),
		fmt.Sprintf("%d of %d pictures", m.Test.Correct, m.Test.Images), one+"/cut.jpg",
		one+"/again.jpg",
		two+"/mislabelled.jpg", "Labels differ",
		"2 pictures are there more than once, byte for byte, 1 under more than one label",
		"cross-validated", w.Digest, "rehead 1.2.3", "77", "fewer than 20")
	checkMaps(t, first, html)
	if d.Pictures == 0 || d.Elements["circle"] < m.Images {
		t.Errorf("got %d pictures and %d circles for %d pictures", d.Pictures, d.Elements["circle"], m.Images)
	}
	if bytes.Contains(html, []byte(filepath.Dir(dir))) {
		t.Error("the report says where the folder lies")
	}

	moved := filepath.Join(t.TempDir(), filepath.Base(dir)) // the report has the folder's name
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	second := mustRun(t, moved, w,
		Config{ToolVersion: "1.2.3", Options: head.Options{Seed: 77},
			EmbedConfig: EmbedConfig{Batch: 3, Progress: func(Event) {}, Engine: nn.Config{Threads: 1}}})
	if !bytes.Equal(mustReport(t, second), html) {
		t.Error("the run in a moved folder, without cache, on one thread and in other batches gives another report")
	}

	if err := os.RemoveAll(moved); err != nil { // the pictures are gone, the rest is not
		t.Fatal(err)
	}
	if d := reporttest.Parse(t, mustReport(t, second)); d.Pictures != 0 {
		t.Errorf("got %d pictures of files that are gone", d.Pictures)
	} else {
		reporttest.Wants(t, d, "no thumbnail")
	}
}

func TestReportOfFewAndOfASearch(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	res := mustRun(t, drawn(t, 2), narrow(t), Config{Split: dataset.SplitConfig{Validation: -1, Test: -1}})
	reporttest.Wants(t, reporttest.Parse(t, mustReport(t, res)), "all of them trained on", "no temperature was fitted",
		"train accuracy")
	res = mustRun(t, drawn(t, 10), narrow(t), Config{Options: head.Options{L2: -1}})
	reporttest.Wants(t, reporttest.Parse(t, mustReport(t, res)), "L2 was searched for", "Search for L2")
}

func TestReportFails(t *testing.T) {
	r := mustRun(t, drawn(t, 4), narrow(t), Config{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if html, err := written(r.Report(ctx)); !errors.Is(err, context.Canceled) || html != nil {
		t.Errorf("got %d bytes and %v, want context.Canceled", len(html), err)
	}
	r.report.Items = r.report.Items[:1] // another would be out of range
	for what, err := range map[string]error{"no result": second(new(Result).Report(t.Context())),
		"no plots": second(new(Result).Plots(t.Context()))} {
		if err == nil || !strings.Contains(err.Error(), "Run") {
			t.Errorf("%s: got %v, want an error", what, err)
		}
	}
	r.report.Rows[0] = nil
	if _, err := r.Report(t.Context()); err == nil || !strings.Contains(err.Error(), "report") {
		t.Errorf("got %v, want an error instead of a panic", err)
	}
	if _, err := r.Plots(t.Context()); err == nil || !strings.Contains(err.Error(), "plots") {
		t.Errorf("got %v, want an error instead of a panic", err)
	}
}

func second[T any](_ T, err error) error { return err }

// A solver that is stopped early gives what the run had at that iteration: the curve is the run's
// own.
func TestLearningIsTheRunsOwn(t *testing.T) {
	r := mustRun(t, drawn(t, 24), narrow(t), Config{})
	v, err := r.learning(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	losses := map[int]float64{}
	for _, l := range v.Losses {
		losses[l.Iteration] = l.Loss
	}
	if len(v.Moments) < 4 || len(losses) < r.Fit.Iterations {
		t.Fatalf("got %d moments and %d losses of %d iterations", len(v.Moments), len(losses), r.Fit.Iterations)
	}
	for _, m := range v.Moments {
		if want, ok := losses[m.Iteration]; !ok || !traintest.Near(m.Loss, want, 0, 1e-12) {
			t.Errorf("iteration %d: got a loss of %.12g, want the run's %.12g", m.Iteration, m.Loss, want)
		}
	}
	last := v.Moments[len(v.Moments)-1]
	if last.Iteration != r.Fit.Iterations || last.Train != r.Metrics.Train.Accuracy ||
		last.Validation != r.Metrics.Validation.Accuracy {
		t.Errorf("got %+v at the end, want what was measured: %+v", last, r.Metrics.Train)
	}
}

// mistakes are the held-out pictures that a report shows as such, the surest first.
func mistakes(r *Result) []metrics.Picture {
	wrong := slices.DeleteFunc(slices.Clone(r.Pictures), func(p metrics.Picture) bool {
		return p.Part == "train" || p.Label == p.Predicted
	})
	slices.SortStableFunc(wrong, func(a, b metrics.Picture) int { return cmp.Compare(b.Probability, a.Probability) })
	return wrong[:min(len(wrong), 20)]
}

// checkMaps asks that every mistake of the report has the maps of its answer and of its label.
func checkMaps(t *testing.T, r *Result, html []byte) {
	t.Helper()
	var want []string
	for _, p := range mistakes(r) {
		want = append(want, p.Predicted+" in "+p.Rel, p.Label+" in "+p.Rel)
	}
	var got []string
	for _, m := range reporttest.Glowing.FindAllSubmatch(html, -1) {
		got = append(got, string(m[2])+" in "+string(m[3]))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the maps %q, want %q", got, want)
	}
}

// What glows in a report is what Explain says, on the picture itself, and the network runs once for
// each mistake shown.
func TestReportActivations(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir, w := drawn(t, 24), narrow(t)
	r := mustRun(t, dir, w, Config{Options: head.Options{MaxIterations: 1}}) // a poor head
	list := mistakes(r)
	if len(list) == 0 {
		t.Fatal("the head makes no mistake, want some to explain")
	}
	maps := map[string][][]string{} // [picture, label], by the picture's path
	for _, f := range reporttest.Glowing.FindAllStringSubmatch(string(mustReport(t, r)), -1) {
		maps[f[3]] = append(maps[f[3]], []string{html.UnescapeString(f[1]), f[2]})
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
		got := maps[m.Rel]
		if len(got) != 2 || got[0][1] != m.Predicted || got[1][1] != m.Label {
			t.Fatalf("%s: got the maps %.80q, want those of %s and %s", m.Rel, got, m.Predicted, m.Label)
		}
		for i := range got {
			img, _, err := r.Model.Recipe.Thumbnail(data, picture.Limits{}, reporttest.Side)
			if err != nil {
				t.Fatal(err)
			}
			x.Blend(img, &x.Maps[i])
			var b bytes.Buffer
			if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 72}); err != nil {
				t.Fatal(err)
			}
			if got[i][0] != "data:image/jpeg;base64,"+base64.StdEncoding.EncodeToString(b.Bytes()) {
				t.Errorf("%s: the map of %s is not the one that Explain gives", m.Rel, got[i][1])
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
	page := mustReport(t, r)
	reporttest.Wants(t, reporttest.Parse(t, page), "no thumbnail")
	if strings.Contains(string(page), "What speaks for "+list[0].Label+" in "+list[0].Rel) {
		t.Errorf("%s has changed and has a map", list[0].Rel)
	}
}

// TestEvaluationReport: an evaluation's report has what a training's has, but for what only a
// training knows, and says the same numbers.
func TestEvaluationReport(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir, w := drawn(t, 24), narrow(t)
	r := mustRun(t, dir, w, Config{Neighbours: 9, ToolVersion: "1.2.3", Options: head.Options{MaxIterations: 1}})
	v, err := Evaluate(context.Background(), r.Model, scan(t, dir), EvaluateConfig{Part: "test"})
	if err != nil {
		t.Fatal(err)
	}
	html, err := written(v.Report(context.Background()))
	if err != nil {
		t.Fatal(err)
	}
	own := slices.DeleteFunc(slices.Clone(reporttest.Sections), func(s string) bool {
		return s == "learning" || s == "suspects"
	})
	d := reporttest.ParseSections(t, html, own)
	reporttest.Wants(t, d, "Evaluation report", reporttest.Percent(r.Metrics.Test.Accuracy),
		fmt.Sprintf("measured on %d pictures", v.Images),
		"the test part", w.Digest,
		fmt.Sprintf("%d of %d pictures measured got a wrong answer", v.Images-v.All.Correct, v.Images))
	wrong := min(v.Images-v.All.Correct, 20)
	if got := len(reporttest.Glowing.FindAll(html, -1)); wrong == 0 || got != 2*wrong || d.Pictures != wrong*(1+2+3)+v.Images {
		t.Errorf("got %d maps and %d pictures for %d mistakes, want two maps each, three neighbours of the model's and every picture as an example", got,
			d.Pictures, wrong)
	}
	if bytes.Contains(html, []byte(dir)) {
		t.Error("the report says where the folder lies")
	}
	again, err := written(v.Report(context.Background()))
	if err != nil || !bytes.Equal(again, html) {
		t.Errorf("a second report differs from the first (%v)", err)
	}
	all, err := Evaluate(context.Background(), r.Model, scan(t, dir),
		EvaluateConfig{EmbedConfig: EmbedConfig{Engine: nn.Config{Threads: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if html, err = written(all.Report(context.Background())); err != nil {
		t.Fatal(err)
	}
	reporttest.Wants(t, reporttest.ParseSections(t, html, own), reporttest.Percent(all.All.Accuracy),
		"the parts are those that they had there", draw.Label(0))
	plots, err := all.Plots(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range plots {
		names = append(names, p.Name)
		reporttest.ReadPlot(t, p.Name, p.SVG)
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

// checkMultiLabelReport looks at the report and the plots of a run whose pictures have several
// labels.
func checkMultiLabelReport(t *testing.T, r *Result) {
	t.Helper()
	m := r.Metrics.MultiLabel
	html := mustReport(t, r)
	d := reporttest.ParseSections(t, html, strings.Fields("accuracy attention classes several curves calibration mistakes "+
		"examples map learning pictures left-out facts"))
	reporttest.Wants(t, d, "head of sigmoids", "Computed with", reporttest.Percent(m.SubsetAccuracy),
		reporttest.Percent(m.HammingLoss), reporttest.Percent(m.MeanAP),
		"average precision",
		fmt.Sprintf("%.4f", *r.Metrics.PerClass[0].Threshold),
		fmt.Sprintf("%d probabilities of labels", m.Images*r.Metrics.Classes))
	list := mistakes(r)
	if len(list) == 0 {
		t.Fatal("the run made no mistake, want some to look at")
	}
	maps := map[string][]string{} // labels by picture
	for _, f := range reporttest.Glowing.FindAllStringSubmatch(string(html), -1) {
		maps[f[3]] = append(maps[f[3]], f[2])
	}
	for _, p := range list {
		var want []string
		for _, l := range r.Model.Labels {
			if slices.Contains(p.Labels, l) != slices.Contains(p.Answered, l) {
				want = append(want, l)
			}
		}
		got := slices.Sorted(slices.Values(maps[p.Rel]))
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("%s is %s, taken for %s: got the maps of %q, want those of %q", p.Rel, p.Label, p.Predicted, got, want)
		}
	}
	plots, err := r.Plots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, p := range plots {
		texts[p.Name] = reporttest.ReadPlot(t, p.Name, p.SVG)
	}
	if len(texts) != 4 || texts["confusion.svg"] != "" || !strings.Contains(texts["labels.svg"], r.Model.Labels[0]) {
		t.Errorf("got %d plots, want the loss, reliability, labels and map", len(texts))
	}
}

// TestPathless: a note in a report is the same wherever the files of the run are.
func TestPathless(t *testing.T) {
	err := fmt.Errorf("write: %w", &fs.PathError{Op: "open", Path: "/home/me/cache/x", Err: fs.ErrPermission})
	if got := pathless(err).Error(); strings.Contains(got, "/home") || got != fs.ErrPermission.Error() {
		t.Errorf("got %q", got)
	}
}
