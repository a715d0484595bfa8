package train

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
)

func mustReport(t *testing.T, r *Result) []byte {
	t.Helper()
	html, err := r.Report(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("REHEAD_PLOTS"); dir != "" { // to look at it
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("report-", r.Metrics.Classes, "-", r.Metrics.Images, ".html")),
			html, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if len(html) > 2<<20 {
		t.Errorf("the report has %d bytes, want at most 2 MiB", len(html))
	}
	return html
}

func TestReport(t *testing.T) {
	dir, w := drawn(t, perClass), narrow(t)
	one, two := draw.Label(0), draw.Label(1)
	good := read(t, dir, one, "0003.jpg")
	write(t, good[:len(good)/3], dir, one, "cut.jpg")
	write(t, read(t, dir, one, "0000.jpg"), dir, one, "again.jpg")
	write(t, read(t, dir, one, "0001.jpg"), dir, two, "mislabelled.jpg") // a copy under another label
	cache := t.TempDir()
	first := mustRun(t, dir, w, Config{CacheDir: cache, ToolVersion: "1.2.3", Seed: 77})
	html := mustReport(t, first)
	d := parse(t, html)
	m := first.Metrics
	wants(t, d, percent(m.Test.Accuracy), fmt.Sprintf("%d of %d pictures", m.Test.Correct, m.Test.Images), one+"/cut.jpg",
		one+"/again.jpg",
		two+"/mislabelled.jpg", "Labels differ",
		"2 pictures are there more than once, byte for byte, 1 under more than one label",
		"cross-validated", w.Digest, "rehead 1.2.3", "77", "fewer than 20")
	checkMaps(t, first, html)
	if d.pictures == 0 || d.elements["circle"] < m.Images {
		t.Errorf("got %d pictures and %d circles for %d pictures", d.pictures, d.elements["circle"], m.Images)
	}
	if bytes.Contains(html, []byte(filepath.Dir(dir))) {
		t.Error("the report says where the folder lies")
	}

	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	second := mustRun(t, moved, w, Config{Threads: 1, Batch: 3, ToolVersion: "1.2.3", Seed: 77, Progress: func(Event) {}})
	if !bytes.Equal(mustReport(t, second), html) {
		t.Error("the run in a moved folder, without cache, on one thread and in other batches gives another report")
	}

	if err := os.RemoveAll(moved); err != nil { // the pictures are gone, the rest is not
		t.Fatal(err)
	}
	if d := parse(t, mustReport(t, second)); d.pictures != 0 {
		t.Errorf("got %d pictures of files that are gone", d.pictures)
	} else {
		wants(t, d, "no thumbnail")
	}
}

func TestReportOfFewAndOfASearch(t *testing.T) {
	res := mustRun(t, drawn(t, 2), narrow(t), Config{Split: dataset.SplitConfig{Validation: -1, Test: -1}})
	wants(t, parse(t, mustReport(t, res)), "all of them trained on", "no temperature was fitted", "train accuracy")
	res = mustRun(t, drawn(t, 10), narrow(t), Config{L2: -1})
	wants(t, parse(t, mustReport(t, res)), "L2 was searched for", "Search for L2")
}

func TestReportFails(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if html, err := madeUp(t, []string{"a", "b"}, 10).Report(ctx); !errors.Is(err, context.Canceled) || html != nil {
		t.Errorf("got %d bytes and %v, want context.Canceled", len(html), err)
	}
	if _, err := (&Result{}).Report(context.Background()); err == nil || !strings.Contains(err.Error(), "Run") {
		t.Errorf("got %v, want an error", err)
	}
	broken := madeUp(t, []string{"a", "b"}, 10)
	broken.evidence.logits = nil // would be out of range
	if _, err := broken.Report(context.Background()); err == nil || !strings.Contains(err.Error(), "report") {
		t.Errorf("got %v, want an error instead of a panic", err)
	}
}

// madeUp is the result of a run on points around a centre for each label, whose pictures do not
// exist. Every fifth one is held out for validation and the next for the test.
func madeUp(t testing.TB, labels []string, per int) *Result {
	t.Helper()
	const features = 24
	rng := rand.New(rand.NewPCG(4, 5))
	r := &Result{}
	var train Examples
	train.Classes = len(labels)
	e := &r.evidence
	e.root = filepath.FromSlash("/data/set")
	for l, name := range labels {
		centre := make([]float64, features)
		for j := range centre {
			centre[j] = 0.9 * rng.NormFloat64()
		}
		for i := range per {
			row := make([]float32, features)
			for j := range row {
				row[j] = float32(centre[j] + rng.NormFloat64())
			}
			rel := fmt.Sprintf("%s/%d.jpg", name, i)
			it := dataset.Item{Path: filepath.Join(e.root, filepath.FromSlash(rel)), Rel: rel, Label: l}
			switch i % 5 {
			case 3:
				it.Split = dataset.Validation
			case 4:
				it.Split = dataset.Test
			default:
				train.Rows, train.Labels = append(train.Rows, row), append(train.Labels, l)
			}
			e.items, e.rows, e.sums = append(e.items, it), append(e.rows, row), append(e.sums, sha256.Sum256([]byte(rel)))
		}
	}
	fit, err := FitHead(context.Background(), train, FitConfig{Progress: e.watch(nil)})
	if err != nil {
		t.Fatal(err)
	}
	d := measured{items: e.items, labels: labels, temp: 1.25}
	if r.Metrics, r.Pictures, err = headMetrics(context.Background(), fit.Head, e.rows, &d, 0); err != nil {
		t.Fatal(err)
	}
	e.logits = d.logits
	e.settings = Settings{Solver: "lbfgs", Scaling: ScaleHalf, L2: fit.L2, Tolerance: DefaultTolerance,
		MaxIterations: DefaultMaxIterations, Iterations: fit.Iterations}
	r.Fit = fit
	r.Model = &inception.Model{Labels: labels, Head: fit.Head, Temperature: 1.25, Recipe: inception.TF2015.Recipe(),
		Flavor: inception.TF2015, Width: 1}
	return r
}

func TestReportEscapes(t *testing.T) {
	odd := []string{
		`<script>alert(1)</script>`, `"quotes' & <b>amps`, `https://example.com/?a=b`, "\u65e5\u672c\u8a9e \u0627\u0644\u0639\u0631\u0628\u064a\u0629", `</title></svg><img src=x onerror=alert(1)>`,
		`{{.Title}}`, strings.Repeat("very long ", 30), `javascript:alert(1)`, `a}body{display:none`, `</style>`, "\u202egnp.exe", "--> ]]>", "100 %",
	}
	r := madeUp(t, odd, 12)
	r.Notes = odd
	for _, l := range odd {
		r.Problems = append(r.Problems, source.Problem{Path: "/data/set/" + l, Reason: "open /data/set/" + l + ": broken"})
	}
	r.Model.ToolVersion = odd[0]
	r.Model.Split.Salt = odd[1]
	html := mustReport(t, r)
	d := parse(t, html)
	for _, l := range odd {
		wants(t, d, l)
	}
	for _, bad := range []string{"<script", "<img src=x", "/data/set", "<b>amps"} {
		if bytes.Contains(html, []byte(bad)) {
			t.Errorf("the report has %q in it", bad)
		}
	}
	if got := bytes.Count(html, []byte("</style>")); got != 1 {
		t.Errorf("got %d ends of the style sheet", got)
	}
	if !bytes.Equal(mustReport(t, r), html) {
		t.Error("a second report differs from the first")
	}
}

func TestReportOfManyLabels(t *testing.T) {
	for _, c := range []struct {
		labels, per int
		phrase      string
		rects       bool
	}{{40, 15, "hover for what a square stands for", true}, {110, 10, "too many labels to draw it: 110", false}} {
		var labels []string
		for i := range c.labels {
			labels = append(labels, fmt.Sprintf("label %03d", i))
		}
		d := parse(t, mustReport(t, madeUp(t, labels, c.per)))
		wants(t, d, c.phrase, "Most frequent confusions", labels[c.labels-1])
		if rects := d.elements["rect"] > c.labels; rects != c.rects {
			t.Errorf("%d labels: got %d rectangles", c.labels, d.elements["rect"])
		}
		if got := d.elements["tr"]; got < c.labels {
			t.Errorf("%d labels: got %d rows of tables", c.labels, got)
		}
	}
}

func TestConfusionIsBounded(t *testing.T) {
	m := Metrics{Confusion: make([][]int, mostHeat), PerClass: make([]Class, mostHeat)}
	for i := range m.Confusion {
		m.Confusion[i] = slices.Repeat([]int{2}, mostHeat)
		m.PerClass[i] = Class{Label: fmt.Sprint("label ", i), Measured: 2 * mostHeat}
	}
	v := newConfusion(&m)
	if len(v.Heat) != mostHeat*mostHeat || v.Heat[5].Title != "" || len(v.Pairs) != mostPairs ||
		v.More != mostHeat*(mostHeat-1)-mostPairs {
		t.Errorf("got %d squares, the title %q, %d pairs and %d more", len(v.Heat), v.Heat[5].Title, len(v.Pairs), v.More)
	}
}

// A solver that is stopped early gives what the run had at that iteration: the curve is the run's
// own.
func TestLearningIsTheRunsOwn(t *testing.T) {
	r := madeUp(t, []string{"a", "b", "c", "d"}, 40)
	v, err := r.evidence.learning(context.Background(), r.Fit, 4)
	if err != nil {
		t.Fatal(err)
	}
	losses := map[int]float64{}
	for _, it := range r.evidence.lossesOf(r.Fit.L2) {
		losses[it.done] = it.loss
	}
	if len(v.Rows) < 4 || len(losses) < r.Fit.Iterations {
		t.Fatalf("got %d rows and %d losses of %d iterations", len(v.Rows), len(losses), r.Fit.Iterations)
	}
	for _, row := range v.Rows {
		if want, ok := losses[row.Iteration]; !ok || !near(row.Loss, want, 0, 1e-12) {
			t.Errorf("iteration %d: got a loss of %.12g, want the run's %.12g", row.Iteration, row.Loss, want)
		}
	}
	last := v.Rows[len(v.Rows)-1]
	if last.Iteration != r.Fit.Iterations || last.Train != r.Metrics.Train.Accuracy ||
		last.Validation != r.Metrics.Validation.Accuracy {
		t.Errorf("got %+v at the end, want what was measured: %+v", last, r.Metrics.Train)
	}
}

func TestPrincipal(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	const n, f = 90, 30
	rows := make([][]float32, n)
	x := mat.NewDense(n, f, nil)
	for i := range rows {
		rows[i] = make([]float32, f)
		a, b := 6*rng.NormFloat64(), 3*rng.NormFloat64()
		for j := range f {
			rows[i][j] = float32(5 + a*math.Sin(float64(j)) + b*math.Cos(2*float64(j)) + rng.NormFloat64())
			x.Set(i, j, float64(rows[i][j]))
		}
	}
	xy, shares := principal(rows)
	var pc stat.PC
	if !pc.PrincipalComponents(x, nil) {
		t.Fatal("gonum's components do not converge")
	}
	vars := pc.VarsTo(nil)
	total := 0.0
	for _, v := range vars {
		total += v
	}
	var vectors, at mat.Dense
	pc.VectorsTo(&vectors)
	at.Mul(x, &vectors)
	for d := range 2 {
		if !near(shares[d], vars[d]/total, 0, 1e-6) {
			t.Errorf("axis %d: got %g of the variance, want %g", d, shares[d], vars[d]/total)
		}
		var mine, theirs []float64
		for i := range n {
			mine, theirs = append(mine, xy[i][d]), append(theirs, at.At(i, d))
		}
		if c := math.Abs(stat.Correlation(mine, theirs, nil)); !(c > 1-1e-9) ||
			!near(stat.Variance(mine, nil), vars[d], 0, 1e-6) {
			t.Errorf("axis %d: correlation %g with gonum's, variance %g, want %g", d, c, stat.Variance(mine, nil), vars[d])
		}
	}
	for _, flat := range [][][]float32{{{1, 2, 3}}, {{1, 2, 3}, {1, 2, 3}}, {{1}, {2}}} { // no or one direction only
		xy, shares := principal(flat)
		if len(xy) != len(flat) || math.IsNaN(xy[0][0]) || xy[0][1] != 0 || shares[1] != 0 {
			t.Errorf("%v: got %v, %v", flat, xy, shares)
		}
	}
}

func TestDuplicatesAcrossParts(t *testing.T) {
	r := madeUp(t, []string{"a", "b", "c"}, 10)
	e := &r.evidence
	e.sums[4], e.sums[6], e.sums[12] = e.sums[5], e.sums[5], e.sums[11] // test and train; train alone
	for _, i := range []int{4, 5, 6} {
		e.items[i].Fixed = true
	}
	v := e.duplicates(r.Pictures)
	if v.Groups != 2 || v.Crossing != 1 || v.Conflicts != 0 || len(v.List) != 2 || len(v.List[0].Copies) != 3 {
		t.Errorf("got %+v", v)
	}
	wants(t, parse(t, mustReport(t, r)), "1 has copies in different parts", "given for 3 of the pictures")
}

func TestNiceStep(t *testing.T) {
	for _, c := range [][2]float64{{1.61, 0.2}, {5, 1}, {0.069, 0.01}, {9.99, 2}, {0, 1}, {math.Inf(1), 1}} {
		if got := niceStep(c[0]); !near(got, c[1], 0, 1e-12) {
			t.Errorf("%g: got %g, want %g", c[0], got, c[1])
		}
	}
}
