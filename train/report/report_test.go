package report

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
	"github.com/c236555e/rehead/internal/visible"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/internal/reporttest"
	"github.com/c236555e/rehead/train/internal/traintest"
	"github.com/c236555e/rehead/train/metrics"
)

// written makes a report and writes it.
func written(ctx context.Context, in *Input) ([]byte, error) {
	p, err := Make(ctx, in)
	if err != nil {
		return nil, err
	}
	return p.HTML()
}

func mustReport(t *testing.T, in *Input) []byte {
	t.Helper()
	html, err := written(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("REHEAD_PLOTS"); dir != "" { // to look at it
		name := fmt.Sprint("report-", in.Metrics.Classes, "-", in.Metrics.Images, ".html")
		if err := os.WriteFile(filepath.Join(dir, name), html, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if len(html) > 3_000_000 {
		t.Errorf("the report has %d bytes, want at most 3 MB", len(html))
	}
	return html
}

// madeUp is what a run leaves behind on points around a centre for each label, whose pictures do
// not exist. Every fifth one is held out for validation and the next for the test.
func madeUp(t testing.TB, labels []string, per int) *Input {
	t.Helper()
	const features = 24
	rng := rand.New(rand.NewPCG(4, 5))
	in := &Input{Root: filepath.FromSlash("/data/set")}
	training := head.Examples{Classes: len(labels)}
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
			it := dataset.Item{Path: filepath.Join(in.Root, filepath.FromSlash(rel)), Rel: rel, Label: l}
			switch i % 5 {
			case 3:
				it.Split = dataset.Validation
			case 4:
				it.Split = dataset.Test
			default:
				training.Rows, training.Labels = append(training.Rows, row), append(training.Labels, l)
			}
			in.Items, in.Rows = append(in.Items, it), append(in.Rows, row)
			in.Sums = append(in.Sums, sha256.Sum256([]byte(rel)))
		}
	}
	fit, err := head.Fit(context.Background(), training, head.Config{})
	if err != nil {
		t.Fatal(err)
	}
	in.Labels, in.Temperature = labels, 1.25
	if in.Logits, err = head.Logits(context.Background(), fit.Head, in.Rows, 0); err != nil {
		t.Fatal(err)
	}
	m, pictures := in.Measure()
	p := pictures[1]
	m.LabelErrors = &metrics.LabelErrors{Method: "Made up.", Judged: len(in.Items), Found: 1, List: []metrics.LabelError{{
		Image: p.Rel, Label: p.Label, Suggested: labels[len(labels)-1], Probability: 0.9, OfLabel: 0.1, Part: p.Part}}}
	in.Metrics, in.Pictures = &m, pictures
	in.Learning = &Learning{Solution: fit, Losses: fit.Losses, Moments: []Moment{
		{1, fit.Losses[0].Loss, 0.5, 0.4, true}, {fit.Iterations, fit.Loss, m.Train.Accuracy, m.Validation.Accuracy, true}}}
	in.Model = &inception.Model{Labels: labels, Head: fit.Head, Temperature: 1.25, Recipe: inception.TF2015.Recipe(),
		Flavor: inception.TF2015, Width: 1}
	return in
}

func TestReportFails(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if html, err := written(ctx, madeUp(t, []string{"a", "b"}, 10)); !errors.Is(err, context.Canceled) || html != nil {
		t.Errorf("got %d bytes and %v, want context.Canceled", len(html), err)
	}
	if _, err := written(context.Background(), &Input{}); err == nil || !strings.Contains(err.Error(), "no bottlenecks") {
		t.Errorf("got %v, want an error", err)
	}
	broken := madeUp(t, []string{"a", "b"}, 10)
	broken.Logits = nil // would be out of range
	if _, err := written(context.Background(), broken); err == nil || !strings.Contains(err.Error(), "report") {
		t.Errorf("got %v, want an error instead of a panic", err)
	}
}

func TestDuplicatesAcrossParts(t *testing.T) {
	in := madeUp(t, []string{"a", "b", "c"}, 10)
	in.Sums[4], in.Sums[6], in.Sums[12] = in.Sums[5], in.Sums[5], in.Sums[11] // test and train; train alone
	for _, i := range []int{4, 5, 6} {
		in.Items[i].Fixed = true
	}
	v := in.duplicates()
	if v.Groups != 2 || v.Pictures != 5 || v.Crossing != 1 || v.Conflicts != 0 || len(v.List) != 2 || len(v.List[0].Copies) != 3 {
		t.Errorf("got %+v", v)
	}
	reporttest.Wants(t, reporttest.Parse(t, mustReport(t, in)), "1 has copies in different parts",
		"given for 3 of the pictures")
}

// A label far down the ranking is not worth computing every map before it.
func TestActivationsAreBounded(t *testing.T) {
	const k = mostMaps + 5
	in := Input{Predictions: metrics.Predictions{Items: []dataset.Item{{Label: k - 1}}, Logits: make([]float64, k)}}
	for i := range in.Logits {
		in.Logits[i] = float64(k - i)
	}
	if got := in.rank(0); got != k-1 {
		t.Errorf("got the rank %d, want %d", got, k-1)
	}
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
	d := reporttest.Parse(t, html)
	for _, l := range odd {
		reporttest.Wants(t, d, string(visible.Text([]byte(l))))
	}
	for _, bad := range []string{"<script>alert", "<img src=x", "/data/set", "<b>amps"} {
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
		cells       int
	}{{40, 15, "a row for each true label", 40 * 40}, {110, 10, "too many labels to draw it: 110", 0}} {
		var labels []string
		for i := range c.labels {
			labels = append(labels, fmt.Sprintf("label %03d", i))
		}
		d := reporttest.ParseSections(t, mustReport(t, madeUp(t, labels, c.per)), without("examples"))
		reporttest.Wants(t, d, c.phrase, "Most frequent confusions", labels[c.labels-1])
		if d.Elements["td"] < c.cells {
			t.Errorf("%d labels: got %d cells", c.labels, d.Elements["td"])
		}
		if got := d.Elements["tr"]; got < c.labels {
			t.Errorf("%d labels: got %d rows of tables", c.labels, got)
		}
	}
}

// without is every section but one.
func without(section string) []string {
	return slices.DeleteFunc(slices.Clone(reporttest.Sections), func(s string) bool { return s == section })
}

func TestConfusionIsBounded(t *testing.T) {
	m := metrics.Metrics{Confusion: make([][]int, mostHeat), PerClass: make([]metrics.Class, mostHeat)}
	for i := range m.Confusion {
		m.Confusion[i] = slices.Repeat([]int{2}, mostHeat)
		m.PerClass[i] = metrics.Class{Label: fmt.Sprint("label ", i), Measured: 2 * mostHeat}
	}
	v := newConfusion(&m)
	if len(v.Table) != mostHeat || v.Table[5][6] != (cell{2, "m1"}) || v.Table[5][5] != (cell{2, "h1"}) ||
		len(v.Pairs) != mostPairs || v.More != mostHeat*(mostHeat-1)-mostPairs {
		t.Errorf("got %d rows, the cell %+v, %d pairs and %d more", len(v.Table), v.Table[5][6], len(v.Pairs), v.More)
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
		if !traintest.Near(shares[d], vars[d]/total, 0, 1e-6) {
			t.Errorf("axis %d: got %g of the variance, want %g", d, shares[d], vars[d]/total)
		}
		var mine, theirs []float64
		for i := range n {
			mine, theirs = append(mine, xy[i][d]), append(theirs, at.At(i, d))
		}
		if c := math.Abs(stat.Correlation(mine, theirs, nil)); !(c > 1-1e-9) ||
			!traintest.Near(stat.Variance(mine, nil), vars[d], 0, 1e-6) {
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

func TestNiceStep(t *testing.T) {
	for _, c := range [][2]float64{{1.61, 0.2}, {5, 1}, {0.069, 0.01}, {9.99, 2}, {0, 1}, {math.Inf(1), 1}} {
		if got := niceStep(c[0]); !traintest.Near(got, c[1], 0, 1e-12) {
			t.Errorf("%g: got %g, want %g", c[0], got, c[1])
		}
	}
}
