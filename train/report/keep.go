package report

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/train/metrics"
)

// pageFormat is the format of an encoded page that this package writes and reads.
const pageFormat = "rehead-report/1"

// mostPageBytes bounds an encoded page when it is unpacked.
const mostPageBytes = 64 << 20

// kept is an encoded page.
type kept struct {
	Format string `json:"format"`
	Page   page   `json:"page"`
}

// Encode writes the page as compressed JSON, of which Decode makes the page again. The same page gives
// the same bytes.
func (p *Page) Encode() ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	err := json.NewEncoder(z).Encode(kept{pageFormat, p.view})
	if err = errors.Join(err, z.Close()); err != nil {
		return nil, fmt.Errorf("train: report: %w", err)
	}
	return b.Bytes(), nil
}

// Decode is the page that was encoded.
func Decode(data []byte) (*Page, error) {
	bad := func(err error) error {
		return fmt.Errorf("train: report: got data that are not a kept report (%w): train again", err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, bad(err)
	}
	text, err := io.ReadAll(io.LimitReader(z, mostPageBytes+1))
	if err != nil {
		return nil, bad(err)
	}
	if len(text) > mostPageBytes {
		return nil, bad(fmt.Errorf("it unpacks to more than %d bytes", mostPageBytes))
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, bad(err)
	}
	if k.Format != pageFormat {
		return nil, bad(fmt.Errorf("its format is %q, want %q", k.Format, pageFormat))
	}
	return &Page{k.Page}, nil
}

// OfModel is the page of a model: the one that it keeps, or, of a model of an older rehead, what its
// metrics tell, and a sentence on what is missing. Run says what the model itself does not.
func OfModel(m *inception.Model, run Run) (*Page, error) {
	if m == nil {
		return nil, errors.New("train: report: got no model")
	}
	if m.ReportData != nil {
		p, err := Decode(m.ReportData)
		if err != nil {
			return nil, err
		}
		v := &p.view
		v.Run.Name = cmp.Or(run.Name, v.Run.Name)
		v.name(m)
		return p, nil
	}
	return guarded("report", func() (*Page, error) { return older(m, run) })
}

// older is the page of a model that keeps none.
func older(m *inception.Model, run Run) (*Page, error) {
	var measured metrics.Metrics
	if len(m.Metrics) > 0 {
		if err := json.Unmarshal(m.Metrics, &measured); err != nil {
			return nil, fmt.Errorf("its metrics: %w", err)
		}
	}
	if len(measured.PerClass) == 0 {
		return nil, errors.New("the model has no metrics, as only a training gives: rehead evaluate MODEL DIR --report " +
			"FILE makes a report of any model")
	}
	p := &page{Run: run, Kind: "Training", Tool: m.ToolVersion, Facts: modelFacts(m), Part: measured.ConfusionPart}
	p.measured(&measured)
	p.name(m)
	p.Lead = fmt.Sprintf("Training report%s: %s, from %d pictures.", on(run.Date), describeHead(m), measured.Images)
	p.Lacks = "This model keeps its metrics alone. Curves, calibration, pictures, map and the way of the solver are " +
		"missing: train again for a model that keeps them, or have its pictures evaluated with --report."
	p.Summary = summaryOf(&measured, p)
	return &Page{*p}, nil
}
