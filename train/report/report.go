package report

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/train/metrics"
)

// Page is what a report shows, as data: Encode keeps it, and HTML writes it as often as wanted, without
// the pictures and without the network.
type Page struct{ view page }

// Make gathers what the report shows. It reads the pictures that it shows again, and compiles the
// network for the activation maps of the mistakes it shows, at most 20, with one forward pass each. The
// same input gives the same page, wherever the pictures lie and however many threads there are.
func Make(ctx context.Context, in *Input) (*Page, error) {
	return guarded("report", func() (*Page, error) {
		if err := in.whole(); err != nil {
			return nil, err
		}
		p, err := in.page(ctx)
		if err != nil {
			return nil, err
		}
		return &Page{*p}, nil
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
	Heading  string // what the run is called
	Title    string // of the window
	Kind     string // "Training" or "Evaluation"
	Lead     string
	Run      Run
	Trunk    string
	Features string
	Tool     string
	Lacks    string // what the page of an older model cannot show, a sentence or ""
	Part     string // what the confusion matrix and so on are about
	Summary  Summary
	Cards    []card
	Parts    []partRow
	TopK     []float64
	ROCAUC   *float64
	Averages *metrics.Averages // nil where pictures have any number of labels

	CrossValidated bool // and the temperature fitted on that
	Notes          []string
	Findings       []doctor.Finding
	Near           groupsView
	Same           groupsView
	Balance        []balanceRow
	Least, Most    int // pictures of a label
	Learning       *learning
	Calibration    *calibration
	Curves         *curvesView
	MultiLabel     *multiLabelView // where pictures have any number of labels
	Confusion      *confusionView  // where they have one
	Classes        classView
	Mistakes       *mistakeView
	Examples       []exampleRow
	Map            *mapView
	Suspects       *suspectView
	Table          *tableView
	LeftOut        []source.Problem
	MoreLeftOut    int
	Facts          []fact
}

// card is a headline number.
type card struct{ Name, Value, Detail string }

// partRow is a row of the table of parts.
type partRow struct {
	Name string
	Part metrics.Part
}

// fact is a row of the summary.
type fact struct{ Name, Value string }

// page gathers everything. What needs pictures comes last, when it is known which.
func (in *Input) page(ctx context.Context) (*page, error) {
	p := &page{}
	p.measured(in.Metrics)
	in.title(p)
	p.Tool = in.Model.ToolVersion
	p.Summary = in.summary(p)
	c, m, t := in.calibration(), in.pictureMap(), in.table()
	p.Calibration, p.Map, p.Table = &c, &m, &t
	p.Curves = in.curves()
	p.LeftOut, p.MoreLeftOut = in.leftOut()
	p.Same, p.Near = in.duplicates(), in.nearDuplicates()
	mistakes := in.mistakes()
	p.Mistakes, p.Examples = &mistakes, in.examples()
	if in.Learning == nil {
		in.evaluation(p)
	} else if err := in.training(ctx, p); err != nil {
		return nil, err
	}
	if err := in.activations(ctx, p.Mistakes.List); err != nil {
		return nil, err
	}
	for _, m := range p.Mistakes.List {
		p.Mistakes.Mapped = p.Mistakes.Mapped || len(m.Maps) > 0
		p.Mistakes.Similar = p.Mistakes.Similar || len(m.Nearest) > 0
	}
	return p, in.thumbnails(ctx, p.pictures())
}

// measured shows what metrics alone tell.
func (p *page) measured(m *metrics.Metrics) {
	p.Part, p.TopK, p.ROCAUC, p.Averages = m.ConfusionPart, m.TopK, m.ROCAUC, m.Averages
	p.CrossValidated, p.Findings = m.CrossValidated != nil, findings(m.Findings)
	p.Cards, p.Parts = headline(m)
	if m.MultiLabel != nil {
		p.MultiLabel = newMultiLabel(m.MultiLabel)
	} else {
		c := newConfusion(m)
		p.Confusion = &c
	}
	p.Classes = newClasses(m)
	p.Balance, p.Least, p.Most = newBalance(m)
}

// elsewhere are the findings that have a place of their own on the page.
var elsewhere = [...]string{doctor.CodeSame, doctor.CodeSameAcross, doctor.CodeNear, doctor.CodeNearAcross,
	doctor.CodeUnreadable, doctor.CodeLeftOut}

// findings are those of the checks that the page does not show better elsewhere.
func findings(list []doctor.Finding) []doctor.Finding {
	return slices.DeleteFunc(slices.Clone(list), func(f doctor.Finding) bool {
		return slices.Contains(elsewhere[:], f.Code)
	})
}

// training adds what only a training knows.
func (in *Input) training(ctx context.Context, p *page) error {
	p.Notes, p.Facts = in.Notes, in.facts()
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
	for _, groups := range []groupsView{p.Near, p.Same} {
		for i := range groups.List {
			for j := range groups.List[i].Shown {
				out = append(out, &groups.List[i].Shown[j])
			}
		}
	}
	for i := range p.Examples {
		for j := range p.Examples[i].List {
			out = append(out, &p.Examples[i].List[j].pictureView)
		}
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
		if p.Part.Images > 0 {
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
