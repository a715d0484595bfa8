package matrix

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
)

// Classifier answers for rows: a head, its labels, temperature and thresholds. Fit makes one, Open reads
// one; the zero value answers nothing.
type Classifier struct {
	model inception.Model // without trunk and recipe
}

// errNone is what a classifier answers that Fit and Open did not make.
var errNone = errors.New("matrix: got no classifier: want one that Fit or Open returned")

// usable says whether there is a head.
func (c *Classifier) usable() error {
	if c == nil || c.model.Head.Classes == 0 {
		return errNone
	}
	return nil
}

// Labels returns the labels in the order of the head's rows. They are only to be read.
func (c *Classifier) Labels() []string { return c.model.Labels }

// Head returns the head; its slices are only to be read.
func (c *Classifier) Head() inception.Head { return c.model.Head }

// Temperature is what logits are divided by before they become probabilities.
func (c *Classifier) Temperature() float64 { return c.model.Temperature }

// MultiLabel reports whether a row may have any number of labels.
func (c *Classifier) MultiLabel() bool { return c.model.MultiLabel() }

// Classify answers for rows [n][F]: ranked labels with their probabilities, and where a row may have
// several labels, those that it has. A row that cannot be answered for has an Err in its result. What
// concerns pictures is empty; Bottleneck is the row itself.
func (c *Classifier) Classify(ctx context.Context, rows [][]float32) ([]inception.Result, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	results := make([]inception.Result, len(rows))
	err := par.Each(ctx, 0, len(rows), func(_, i int) error {
		results[i] = c.model.Answer(rows[i])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("matrix: classify: %w", err)
	}
	return results, nil
}

// Probabilities answers for rows [n][F] with probabilities [n][K], in the order of Labels. A row that
// cannot be answered for is an error that says which.
func (c *Classifier) Probabilities(ctx context.Context, rows [][]float32) ([][]float64, error) {
	results, err := c.Classify(ctx, rows)
	if err != nil {
		return nil, err
	}
	out := make([][]float64, len(rows))
	for i, r := range results {
		if r.Err != nil {
			return nil, fmt.Errorf("matrix: row %d: %w", i, r.Err)
		}
		out[i] = make([]float64, len(c.model.Labels))
		for _, p := range r.Predictions {
			out[i][p.Class] = p.Probability
		}
	}
	return out, nil
}

// Measure measures the classifier on other data than it was trained on. All rows count, whatever their
// part; labels that the classifier does not have are an error.
func (c *Classifier) Measure(ctx context.Context, data Data) (metrics.Metrics, error) {
	if err := c.usable(); err != nil {
		return metrics.Metrics{}, err
	}
	if err := data.check(); err != nil {
		return metrics.Metrics{}, err
	}
	if (data.Sets != nil) != c.MultiLabel() {
		return metrics.Metrics{}, errors.New("matrix: measure: want Sets for a classifier of several labels a row, Labels " +
			"for others")
	}
	f, err := data.folder(c.model.Labels)
	if err != nil {
		return metrics.Metrics{}, err
	}
	return c.measure(ctx, data, f, true)
}

func (c *Classifier) measure(ctx context.Context, data Data, f *dataset.Folder, others bool) (metrics.Metrics, error) {
	for i, row := range data.Rows {
		if safetensors.NotFinite(row) >= 0 {
			return metrics.Metrics{}, fmt.Errorf("matrix: measure: row %d: %w", i, inception.ErrNotFinite)
		}
	}
	logits, err := head.Logits(ctx, c.model.Head, data.Rows, 0)
	if err != nil {
		return metrics.Metrics{}, err
	}
	p := metrics.Predictions{Items: f.Items, Logits: logits, Labels: c.model.Labels, Temperature: c.model.Temperature,
		MultiLabel: f.MultiLabel, Thresholds: c.model.Thresholds}
	if others {
		p.Part, p.Evaluation, p.Strange = "all", true, slices.Repeat([]bool{true}, len(f.Items))
	}
	m, _ := p.Measure()
	return m, nil
}

// Model makes a model for pictures of a classifier whose rows are bottlenecks of the trunk w, those of
// inception.NewTrunk(w, ...). Others are refused.
func (c *Classifier) Model(w *inception.Weights) (*inception.Model, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	m, err := inception.NewModel(w, c.model.Labels, c.model.Head)
	if err != nil {
		return nil, err
	}
	m.Temperature, m.Thresholds = c.model.Temperature, c.model.Thresholds
	return m, m.Validate()
}
