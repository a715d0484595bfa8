package report

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"path/filepath"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/visible"
	"github.com/c236555e/rehead/train/metrics"
)

//go:embed template/*
var reportFiles embed.FS

// reportTemplate is only executed, never changed.
var reportTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"pct": percent, "num": number, "auc": func(v *float64) string {
		return fmt.Sprintf("%.4f", *v)
	}, "inc": func(i int) int { return i + 1 }, "sci": func(v float64) string { return fmt.Sprintf("%.3g", v) },
}).ParseFS(reportFiles, "template/page.html", "template/charts.html", "template/style.css"))

// HTML writes the report: one HTML file of at most about 2 MB that needs nothing else, neither
// network nor scripts. It reads the pictures that it shows again, and compiles the network for the
// activation maps of the mistakes it shows, at most 20, with one forward pass each. The same input
// gives the same bytes, wherever the pictures lie and however many threads there are.
func HTML(ctx context.Context, in *Input) ([]byte, error) {
	return guarded("report", func() ([]byte, error) {
		if err := in.whole(); err != nil {
			return nil, err
		}
		p, err := in.page(ctx)
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
			out, err = none, fmt.Errorf("train: %s: what it is made from does not belong together", what)
		}
	}()
	if out, err = f(); err != nil {
		return none, fmt.Errorf("train: %s: %w", what, err)
	}
	return out, nil
}

// page is what the template shows. What is nil has no section.
type page struct {
	Title    string
	Lead     string
	Tool     string
	Part     string // what the confusion matrix and so on are about
	Cards    []card
	Parts    []partRow
	TopK     []float64
	ROCAUC   *float64
	Averages *metrics.Averages // nil where pictures have any number of labels

	CrossValidated bool // and the temperature fitted on that
	Notes          []string
	Learning       *learning
	Calibration    calibration
	MultiLabel     *multiLabelView // where pictures have any number of labels
	Confusion      *confusionView  // where they have one
	Classes        classView
	Mistakes       mistakeView
	Map            mapView
	Suspects       *suspectView
	Duplicates     duplicateView
	LeftOut        []source.Problem
	MoreLeftOut    int
	Facts          []fact
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
	return visible.Text(b.Bytes()), nil
}

// card is a headline number.
type card struct{ Name, Value, Detail string }

// partRow is a row of the table of parts.
type partRow struct {
	Name string
	metrics.Part
}

// fact is a row of the summary.
type fact struct{ Name, Value string }

// page gathers everything. What needs pictures comes last, when it is known which.
func (in *Input) page(ctx context.Context) (*page, error) {
	m := in.Metrics
	p := &page{Tool: in.Model.ToolVersion, Part: m.ConfusionPart, TopK: m.TopK, ROCAUC: m.ROCAUC,
		Averages: m.Averages, CrossValidated: m.CrossValidated != nil}
	p.Cards, p.Parts = headline(m)
	p.Calibration = in.calibration()
	if m.MultiLabel != nil {
		p.MultiLabel = newMultiLabel(m.MultiLabel)
	} else {
		c := newConfusion(m)
		p.Confusion = &c
	}
	p.Classes = newClasses(m)
	p.Map = in.bottleneckMap()
	p.LeftOut, p.MoreLeftOut = in.leftOut()
	p.Duplicates = in.duplicates()
	p.Mistakes = in.mistakes()
	if in.Learning == nil {
		in.evaluation(p)
	} else if err := in.training(ctx, p); err != nil {
		return nil, err
	}
	if err := in.activations(ctx, p.Mistakes.List); err != nil {
		return nil, err
	}
	return p, in.thumbnails(ctx, p.pictures())
}

// training adds what only a training knows.
func (in *Input) training(ctx context.Context, p *page) error {
	p.Title, p.Notes, p.Facts = "Training report", in.Notes, in.facts()
	p.Lead = fmt.Sprintf("%s, from %d pictures.", describeHead(in.Model), in.Metrics.Images)
	learned := in.learning()
	p.Learning = &learned
	if in.Metrics.LabelErrors != nil {
		p.Suspects = in.suspects()
	}
	return in.compare(ctx, p.Mistakes.List)
}

// evaluation adds what only an evaluation says.
func (in *Input) evaluation(p *page) {
	m := in.Metrics
	p.Title = "Evaluation report"
	p.Lead = fmt.Sprintf("%s, measured on %d pictures.", describeHead(in.Model), m.Images)
	p.Facts = append([]fact{
		{"Pictures measured", fmt.Sprintf("%d, %s", m.Images, partWords(m.ConfusionPart))},
		{"Unreadable pictures", fmt.Sprint(m.Quarantined)},
		{"Exact duplicates", fmt.Sprint(m.Duplicates)},
	}, append(modelFacts(in.Model), in.environment())...)
	if m.ConfusionPart == "all" {
		p.Cards, p.Notes = []card{partCard("", m.All)}, []string{recalledNote(m.Recalled)}
		if len(p.Parts) > 1 {
			p.Parts = append([]partRow{{"all", m.All}}, p.Parts...)
		}
	}
}

// recalledNote says what is known of the pictures of an evaluation.
func recalledNote(recalled string) string {
	switch recalled {
	case "all":
		return "These are pictures of the model's training: the parts are those that they had there."
	case "some":
		return "Some of these pictures were in the model's training: it was trained or tuned on the seen ones, not on the " +
			"unseen ones."
	case "none":
		return "None of these pictures was in the model's training."
	}
	return "The model does not remember its training pictures. The parts follow the split rule that it stores: they are " +
		"those of its training if these are the pictures that it was trained on, and mean nothing if they are not."
}

// partWords says which pictures were measured.
func partWords(part string) string {
	if part == "all" {
		return "all of the folder"
	}
	return "the " + part + " part of the model's training"
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
func headline(m *metrics.Metrics) (cards []card, rows []partRow) {
	parts := []partRow{{"test", m.Test}, {"validation", m.Validation}, {"train", m.Train}}
	if m.Recalled == "some" || m.Recalled == "none" {
		parts = []partRow{{"unseen", *m.Unseen}, {"seen", *m.Seen}}
	}
	if c := m.CrossValidated; c != nil {
		parts = slices.Insert(parts, 1, partRow{"cross-validated", *c})
	}
	for _, p := range parts {
		if p.Images > 0 {
			cards, rows = append(cards, partCard(p.Name+" ", p.Part)), append(rows, p)
		}
	}
	if m.Recalled == "" && m.Train.Images < m.All.Images {
		rows = append(rows, partRow{"all", m.All})
	}
	return cards, rows
}

// partCard is the card of a part's accuracy.
func partCard(name string, p metrics.Part) card {
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
func (in *Input) leftOut() (list []source.Problem, more int) {
	problems := in.Problems
	for _, p := range problems[:min(len(problems), mostLeftOut)] {
		short := metrics.Relative(in.Root, p.Path)
		reason := strings.ReplaceAll(p.Reason, p.Path, short)
		if in.Root != "" {
			reason = strings.ReplaceAll(reason,
				strings.TrimSuffix(in.Root, string(filepath.Separator))+string(filepath.Separator), "")
		}
		list = append(list, source.Problem{Path: short, Reason: reason})
	}
	return list, len(problems) - len(list)
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
