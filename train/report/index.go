package report

import (
	"errors"

	"github.com/c236555e/rehead/train/metrics"
)

// Summary is a run in one row.
type Summary struct {
	Labels, Images     int
	Part               string // that the accuracy is of
	Accuracy           float64
	Interval           [2]float64
	LogLoss            float64
	Measured           int // pictures of that part
	CrossValidated     *float64
	MacroF1            *float64
	ROCAUC             *float64
	ECE                float64
	Quarantined, Equal int
}

// summary is the row of the run.
func (in *Input) summary(p *page) Summary { return summaryOf(in.Metrics, p) }

func summaryOf(m *metrics.Metrics, p *page) Summary {
	s := Summary{Labels: m.Classes, Images: m.Images, ROCAUC: m.ROCAUC, ECE: m.ECE, Quarantined: m.Quarantined,
		Equal: m.Duplicates}
	if len(p.Parts) > 0 {
		first := p.Parts[0].Part
		s.Part, s.Accuracy, s.Interval = p.Parts[0].Name, first.Accuracy, first.Interval
		s.LogLoss, s.Measured = first.LogLoss, first.Images
	}
	if c := m.CrossValidated; c != nil {
		s.CrossValidated = &c.Accuracy
	}
	switch {
	case m.Averages != nil:
		s.MacroF1 = &m.Averages.MacroF1
	case m.MultiLabel != nil:
		s.MacroF1 = &m.MultiLabel.MacroF1
	}
	return s
}

// Entry is a run on the index page.
type Entry struct {
	Page *Page
	Link string // to its report, relative to the index
}

// indexRow is an Entry as the template shows it.
type indexRow struct {
	Link string
	page
}

// Index writes a page with a row for each of several runs, which can be sorted and links to their
// reports.
func Index(runs []Entry) ([]byte, error) {
	return guarded("index", func() ([]byte, error) {
		if len(runs) == 0 {
			return nil, errors.New("got no run, want at least one")
		}
		rows := make([]indexRow, len(runs))
		for i, e := range runs {
			rows[i] = indexRow{e.Link, e.Page.view}
		}
		return fill("index.html", rows)
	})
}
