package train

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"path/filepath"
	"strings"

	"github.com/c236555e/rehead/dataset"
)

// evidence is what a run keeps for its report. Slices run along Result.Pictures.
type evidence struct {
	root     string
	items    []dataset.Item
	sums     [][sha256.Size]byte // of the pictures' bytes
	rows     [][]float32         // bottlenecks
	logits   []float64           // [n,K]
	losses   []iteration         // of the solver's fits
	settings Settings
	threads  int
	limits   dataset.Limits
	verdict  *verdict // nil until labels were judged
}

// iteration is a step of the solver. Its losses are the same in every run; what else an Event has depends on the clock.
type iteration struct {
	done       int
	l2         float64
	loss       float64
	validation float64 // NaN where there is no validation part
}

// watch returns a Progress that keeps the losses and calls next.
func (e *evidence) watch(next func(Event)) func(Event) {
	return func(ev Event) {
		if ev.Phase == PhaseFit {
			e.losses = append(e.losses, iteration{ev.Done, ev.L2, ev.Loss, ev.ValidationLoss})
		}
		if next != nil {
			next(ev)
		}
	}
}

// goodSums returns the digests of the items that have a bottleneck.
func (e *embedded) goodSums() [][sha256.Size]byte {
	out := make([][sha256.Size]byte, 0, len(e.sums))
	for i, s := range e.sums {
		if e.rows[i] != nil {
			out = append(out, s)
		}
	}
	return out
}

//go:embed report/*
var reportFiles embed.FS

// reportTemplate is only executed, never changed.
var reportTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"pct": percent, "num": number, "auc": func(v *float64) string { return fmt.Sprintf("%.4f", *v) }, "inc": func(i int) int { return i + 1 }, "sci": func(v float64) string { return fmt.Sprintf("%.3g", v) },
}).ParseFS(reportFiles, "report/page.html", "report/charts.html", "report/plots.html", "report/style.css"))

// Report writes the run's report: one HTML file of at most about 2 MB that needs nothing else, neither network nor
// scripts. It reads the pictures that it shows again, and spends some seconds of computing on suspected label errors and
// the learning curve; where that would take longer it does less, and says so. The same run gives the same bytes, wherever
// the pictures lie and however many threads there are.
//
// The result must come from Run. Report reads it only; a failure, ctx's end among them, leaves it as good as it was.
func (r *Result) Report(ctx context.Context) (html []byte, err error) {
	defer func() { // a report is never worth a trained model
		if p := recover(); p != nil {
			html, err = nil, fmt.Errorf("train: report: %v", p)
		}
	}()
	if err := r.whole(); err != nil {
		return nil, fmt.Errorf("train: report: %w", err)
	}
	p, err := r.page(ctx)
	if err != nil {
		return nil, fmt.Errorf("train: report: %w", err)
	}
	var b bytes.Buffer
	if err := reportTemplate.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("train: report: %w", err)
	}
	return b.Bytes(), nil
}

// whole asks that the result has what a run leaves behind.
func (r *Result) whole() error {
	if r.Model == nil || len(r.evidence.rows) == 0 || len(r.evidence.rows) != len(r.Pictures) {
		return errors.New("got a result without its bottlenecks, want one that Run returned")
	}
	if r.Model.Independent() {
		return errors.New("pictures have several labels, and the report shows one label a picture: Metrics has what was measured")
	}
	return nil
}

// page is what the template shows.
type page struct {
	Title       string
	Tool        string
	Labels      int
	Images      int
	Part        string // what the confusion matrix and so on are about
	Cards       []card
	Parts       []partRow
	TopK        []float64
	ROCAUC      *float64
	Notes       []string
	Learning    learning
	Calibration calibration
	Confusion   confusionView
	Classes     classView
	Mistakes    mistakeView
	Map         mapView
	Suspects    suspectView
	Duplicates  duplicateView
	LeftOut     []dataset.Problem
	MoreLeftOut int
	Facts       []fact
}

// card is a headline number.
type card struct{ Name, Value, Detail string }

// partRow is a row of the table of parts.
type partRow struct {
	Name string
	Part
}

// fact is a row of the summary.
type fact struct{ Name, Value string }

// page gathers everything. What needs pictures comes last, when it is known which.
func (r *Result) page(ctx context.Context) (*page, error) {
	m, e := &r.Metrics, &r.evidence
	p := &page{
		Title: "Training report", Tool: r.Model.ToolVersion, Labels: m.Classes, Images: m.Images, Part: m.ConfusionPart,
		TopK: m.TopK, ROCAUC: m.ROCAUC, Notes: r.Notes, Facts: r.facts(),
	}
	p.Cards, p.Parts = headline(m)
	p.Calibration = e.calibration(m)
	p.Confusion = newConfusion(m)
	p.Classes = newClasses(m)
	p.Map = e.bottleneckMap(r.Pictures, r.Model.Labels)
	p.LeftOut, p.MoreLeftOut = e.leftOut(r.Problems)
	p.Duplicates = e.duplicates(r.Pictures)
	var err error
	if p.Learning, err = e.learning(ctx, r.Fit, m.Classes); err != nil {
		return nil, err
	}
	if p.Suspects, err = e.suspects(ctx, r.Pictures, r.Model.Labels, r.Model.Temperature); err != nil {
		return nil, err
	}
	if p.Mistakes, err = e.mistakes(ctx, r.Pictures); err != nil {
		return nil, err
	}
	return p, e.thumbnails(ctx, r.Model.Recipe, p.pictures())
}

// pictures lists the picture views of the page in the order in which they get thumbnails.
func (p *page) pictures() []*pictureView {
	var out []*pictureView
	for i := range p.Mistakes.List {
		out = append(out, &p.Mistakes.List[i].pictureView)
	}
	for i := range p.Suspects.List {
		out = append(out, &p.Suspects.List[i].pictureView)
	}
	for i := range p.Duplicates.List {
		out = append(out, &p.Duplicates.List[i].First)
	}
	for i := range p.Mistakes.List {
		for j := range p.Mistakes.List[i].Nearest {
			out = append(out, &p.Mistakes.List[i].Nearest[j].pictureView)
		}
	}
	return out
}

// headline returns the big numbers, the most honest first, and the table below them.
func headline(m *Metrics) (cards []card, rows []partRow) {
	for _, p := range []partRow{{"test", m.Test}, {"validation", m.Validation}, {"train", m.Train}} {
		if p.Images == 0 {
			continue
		}
		cards = append(cards, card{
			Name:  p.Name + " accuracy",
			Value: percent(p.Accuracy),
			Detail: fmt.Sprintf("%s to %s with 95 %% confidence; %d of %d pictures",
				percent(p.Interval[0]), percent(p.Interval[1]), p.Correct, p.Images),
		})
		rows = append(rows, p)
	}
	return cards, append(rows, partRow{"all", m.All})
}

// mostLeftOut is how many files that were left out are listed.
const mostLeftOut = 200

// leftOut lists problems without saying where the folder lies.
func (e *evidence) leftOut(problems []dataset.Problem) (list []dataset.Problem, more int) {
	for _, p := range problems[:min(len(problems), mostLeftOut)] {
		short := e.relative(p.Path)
		reason := strings.ReplaceAll(p.Reason, p.Path, short)
		if e.root != "" {
			reason = strings.ReplaceAll(reason, strings.TrimSuffix(e.root, string(filepath.Separator))+string(filepath.Separator), "")
		}
		list = append(list, dataset.Problem{Path: short, Reason: reason})
	}
	return list, len(problems) - len(list)
}

// relative returns path below the root with slashes, or its last element when it lies elsewhere.
func (e *evidence) relative(path string) string {
	rel, err := filepath.Rel(e.root, path)
	if err != nil || !filepath.IsLocal(rel) {
		rel = filepath.Base(path)
	}
	return filepath.ToSlash(rel)
}

// facts says what the model was made from and how.
func (r *Result) facts() []fact {
	m, s := r.Model, r.evidence.settings
	split := func(f float64) string {
		if f < 0 {
			return "none"
		}
		return percent(f)
	}
	how := "a hash of each picture's path below its label"
	switch {
	case m.Split.Legacy:
		how = "TensorFlow's retrain.py's rule"
	case m.Split.Stratified:
		how = "hashes, exactly stratified by label"
	}
	if m.Split.Salt != "" {
		how += fmt.Sprintf(", salted with %q", m.Split.Salt)
	}
	given := 0
	for _, it := range r.evidence.items {
		if it.Fixed {
			given++
		}
	}
	if given > 0 {
		how += fmt.Sprintf("; given for %d of the pictures", given)
	}
	facts := []fact{
		{"Pictures used", fmt.Sprintf("%d of %d labels", r.Metrics.Images, r.Metrics.Classes)},
		{"Unreadable pictures", fmt.Sprint(r.Metrics.Quarantined)},
		{"Exact duplicates", fmt.Sprint(r.Metrics.Duplicates)},
		{"Split", fmt.Sprintf("validation %s, test %s, by %s", split(m.Split.Validation), split(m.Split.Test), how)},
		{"Trunk", fmt.Sprintf("InceptionV3, %s, width %g, frozen", m.Flavor, m.Width)},
		{"Trunk's SHA-256", m.TrunkDigest},
		{"Input", describeRecipe(m.Recipe)},
		{"Bottleneck", fmt.Sprintf("%d features", m.Head.Features)},
		{"Head", fmt.Sprintf("softmax, %d weights and biases", len(m.Head.W)+len(m.Head.B))},
		{"Solver", fmt.Sprintf("%s, %d iterations, loss and gradient computed %d times, largest component of the gradient %.2g (%s)",
			s.Solver, s.Iterations, s.Evaluations, s.Gradient, converged(s.Converged, s.Tolerance))},
		{"L2", fmt.Sprintf("%.4g on features scaled %q", s.L2, s.Scaling)},
		{"Temperature", fmt.Sprintf("%.4g", m.Temperature)},
		{"Seed", fmt.Sprint(m.Seed)},
	}
	if m.ToolVersion != "" {
		facts = append(facts, fact{"Made by", "rehead " + m.ToolVersion})
	}
	return facts
}

func converged(yes bool, tolerance float64) string {
	if yes {
		return fmt.Sprintf("converged: at most %g", tolerance)
	}
	return fmt.Sprintf("not converged: want at most %g", tolerance)
}

func describeRecipe(r dataset.Recipe) string {
	how := r.Geometry
	switch r.Geometry {
	case "crop":
		how = fmt.Sprintf("short side to %d pixels, centre cropped", r.Resize)
	case "central":
		how = fmt.Sprintf("central %s, then squashed", percent(r.Fraction))
	case "squash":
		how = "squashed"
	}
	upright := "as stored"
	if r.Orient {
		upright = "turned upright"
	}
	return fmt.Sprintf("%d x %d RGB, %s, %s, filter %s, mean %v, divided by %v", r.Size, r.Size, upright, how, r.Filter, r.Mean, r.Std)
}

// percent writes a share of 1.
func percent(share float64) string { return fmt.Sprintf("%.1f\u00a0%%", 100*share) }

// number writes a coordinate.
func number(v float64) string {
	s := strings.TrimRight(fmt.Sprintf("%.2f", v), "0")
	if s = strings.TrimSuffix(s, "."); s == "-0" {
		return "0"
	}
	return s
}
