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
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
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
	device   string // nn.Config's
	kernel   string // nn.Config's
	limits   picture.Limits
	verdict  *verdict // nil until labels were judged
}

// iteration is a step of the solver. Its losses are the same in every run; what else an Event has
// depends on the clock.
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
	"pct": percent, "num": number, "auc": func(v *float64) string {
		return fmt.Sprintf("%.4f", *v)
	}, "inc": func(i int) int { return i + 1 }, "sci": func(v float64) string { return fmt.Sprintf("%.3g", v) },
}).ParseFS(reportFiles, "report/page.html", "report/charts.html", "report/style.css"))

// Report writes the run's report: one HTML file of at most about 2 MB that needs nothing else,
// neither network nor scripts. It reads the pictures that it shows again, compiles the network for
// the activation maps of the mistakes it shows, at most 20, with one forward pass each, and spends
// some seconds of computing on suspected label errors and the learning curve; where that would take
// longer it does less, and says so. The same run gives the same bytes, wherever the pictures lie
// and however many threads there are.
//
// The result must come from Run. Report reads it only; a failure, ctx's end among them, leaves it
// as good as it was.
func (r *Result) Report(ctx context.Context) ([]byte, error) {
	return guarded("report", func() ([]byte, error) {
		if err := r.whole(); err != nil {
			return nil, err
		}
		p, err := r.page(ctx)
		if err != nil {
			return nil, err
		}
		return p.html()
	})
}

// guarded says what failed, and makes a panic a failure: a report is never worth a trained model.
func guarded[T any](what string, f func() (T, error)) (out T, err error) {
	var none T
	defer func() {
		if p := recover(); p != nil {
			out, err = none, fmt.Errorf("train: %s: %v", what, p)
		}
	}()
	if out, err = f(); err != nil {
		return none, fmt.Errorf("train: %s: %w", what, err)
	}
	return out, nil
}

// whole asks that the result has what a run leaves behind.
func (r *Result) whole() error {
	if r.Model == nil || len(r.evidence.rows) == 0 || len(r.evidence.rows) != len(r.Pictures) {
		return errors.New("got a result without its bottlenecks, want one that Run returned")
	}
	return nil
}

// page is what the template shows. What is nil has no section.
type page struct {
	Title       string
	Lead        string
	Tool        string
	Part        string // what the confusion matrix and so on are about
	Cards       []card
	Parts       []partRow
	TopK        []float64
	ROCAUC      *float64
	Notes       []string
	Learning    *learning
	Calibration calibration
	Several     *severalView   // where pictures have several labels
	Confusion   *confusionView // where they have one
	Classes     classView
	Mistakes    mistakeView
	Map         mapView
	Suspects    *suspectView
	Duplicates  duplicateView
	LeftOut     []source.Problem
	MoreLeftOut int
	Facts       []fact
}

// html fills the template.
func (p *page) html() ([]byte, error) {
	for _, m := range p.Mistakes.List {
		p.Mistakes.Mapped = p.Mistakes.Mapped || len(m.Maps) > 0
		p.Mistakes.Similar = p.Mistakes.Similar || len(m.Nearest) > 0
	}
	var b bytes.Buffer
	if err := reportTemplate.Execute(&b, p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
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

// page gathers what a training and an evaluation have in common.
func (e *evidence) page(m *Metrics, pictures []Picture, model *inception.Model, problems []source.Problem) *page {
	p := &page{Tool: model.ToolVersion, Part: m.ConfusionPart, TopK: m.TopK, ROCAUC: m.ROCAUC}
	p.Cards, p.Parts = headline(m)
	p.Calibration = e.calibration(m)
	if m.MultiLabel != nil {
		p.Several = newSeveral(m.MultiLabel)
	} else {
		c := newConfusion(m)
		p.Confusion = &c
	}
	p.Classes = newClasses(m)
	p.Map = e.bottleneckMap(pictures, model.Labels)
	p.LeftOut, p.MoreLeftOut = e.leftOut(problems)
	p.Duplicates = e.duplicates(pictures)
	return p
}

// page gathers everything. What needs pictures comes last, when it is known which.
func (r *Result) page(ctx context.Context) (*page, error) {
	e := &r.evidence
	p := e.page(&r.Metrics, r.Pictures, r.Model, r.Problems)
	p.Title, p.Notes, p.Facts = "Training report", r.Notes, r.facts()
	p.Lead = fmt.Sprintf("%s, from %d pictures.", describeHead(r.Model), r.Metrics.Images)
	learned, err := e.learning(ctx, r.Fit, r.Metrics.Classes)
	if err != nil {
		return nil, err
	}
	p.Learning = &learned
	if r.Metrics.MultiLabel == nil { // labels are judged where pictures have one
		suspected, err := e.suspects(ctx, r.Pictures, r.Model.Labels, r.Model.Temperature)
		if err != nil {
			return nil, err
		}
		p.Suspects = &suspected
	}
	p.Mistakes = e.mistakes(r.Pictures, true)
	if err := e.compare(ctx, r.Pictures, p.Mistakes.List); err != nil {
		return nil, err
	}
	if err := e.activations(ctx, r.Model, p.Mistakes.List, false); err != nil {
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
	if p.Suspects != nil {
		for i := range p.Suspects.List {
			out = append(out, &p.Suspects.List[i].pictureView)
		}
	}
	for i := range p.Duplicates.List {
		out = append(out, &p.Duplicates.List[i].First)
	}
	for i := range p.Mistakes.List {
		for j := range p.Mistakes.List[i].Nearest {
			if v := &p.Mistakes.List[i].Nearest[j].pictureView; v.index >= 0 { // the model's own have theirs
				out = append(out, v)
			}
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
		cards = append(cards, partCard(p.Name+" ", p.Part))
		rows = append(rows, p)
	}
	if len(rows) == 1 { // all of them
		return cards, rows
	}
	return cards, append(rows, partRow{"all", m.All})
}

// partCard is the card of a part's accuracy.
func partCard(name string, p Part) card {
	return card{
		Name:  name + "accuracy",
		Value: percent(p.Accuracy),
		Detail: fmt.Sprintf("%s to %s with 95 %% confidence; %d of %d pictures",
			percent(p.Interval[0]), percent(p.Interval[1]), p.Correct, p.Images),
	}
}

// mostLeftOut is how many files that were left out are listed.
const mostLeftOut = 200

// leftOut lists problems without saying where the folder lies.
func (e *evidence) leftOut(problems []source.Problem) (list []source.Problem, more int) {
	for _, p := range problems[:min(len(problems), mostLeftOut)] {
		short := e.relative(p.Path)
		reason := strings.ReplaceAll(p.Reason, p.Path, short)
		if e.root != "" {
			reason = strings.ReplaceAll(reason,
				strings.TrimSuffix(e.root, string(filepath.Separator))+string(filepath.Separator), "")
		}
		list = append(list, source.Problem{Path: short, Reason: reason})
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
