package train

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
)

// UnknownMetrics says what the line between known and unknown pictures is worth.
type UnknownMetrics struct {
	FalseReject float64          `json:"false_reject"`      // share of known pictures that was asked for
	Threshold   float64          `json:"threshold"`         // of inception.UnknownScore
	Validation  int              `json:"validation"`        // pictures that it was fitted on
	Test        *float64         `json:"test_false_reject"` // share of the test part below it; null without one
	Detected    *float64         `json:"detected"`          // mean of LeftOut; null where nothing could be left out
	LeftOut     []UnknownLeftOut `json:"left_out"`
}

// UnknownLeftOut is a label that a head was trained without, its pictures standing for what is
// unknown.
type UnknownLeftOut struct {
	Label    string  `json:"label"`
	Images   int     `json:"images"`
	Detected float64 `json:"detected"` // share of them that such a head with a line of its own takes for unknown
}

// mostLeftLabels bounds how many labels are left out, one after another.
const mostLeftLabels = 20

// unknown draws the line at the share of the validation part that Config.Unknown says, and measures
// it on labels that are left out of training. It is nil where nothing was asked for or validation
// pictures are too few.
func (r *run) unknown(ctx context.Context, m *Metrics) (*inception.Unknown, error) {
	rate := r.cfg.Unknown
	if rate == 0 {
		return nil, nil
	}
	if r.res.Fit.Head.Activation == inception.Sigmoid {
		r.res.Notes = append(r.res.Notes,
			"no line for unknown pictures was drawn: a head of sigmoids says so itself, by giving no label")
		return nil, nil
	}
	e, k := &r.res.evidence, len(r.folder.Labels)
	known, held := e.scores(e.logits, k, dataset.Validation), e.scores(e.logits, k, dataset.Test)
	if need := int(math.Ceil(1 / rate)); len(known) < need {
		r.res.Notes = append(r.res.Notes,
			fmt.Sprintf("no line for unknown pictures was drawn: %d validation pictures are too few for a false reject rate "+
				"of %g, want at least %d", len(known), rate, need))
		return nil, nil
	}
	line := &inception.Unknown{Threshold: quantile(known, rate), FalseReject: rate}
	u := &UnknownMetrics{FalseReject: rate, Threshold: line.Threshold, Validation: len(known), LeftOut: []UnknownLeftOut{}}
	if len(held) > 0 {
		u.Test = share(held, line.Threshold)
	}
	m.Unknown = u
	tries := min(k, mostLeftLabels, int(reportWork/math.Max(1, e.fitWork(len(e.items), k, e.settings.Iterations))))
	if k < 3 {
		tries = 0
	}
	sum := 0.0
	for t := range tries {
		left, err := e.leaveOut(ctx, t*k/tries, r.folder.Labels, rate)
		if err != nil {
			return nil, fmt.Errorf("train: unknown: %w", err)
		}
		u.LeftOut = append(u.LeftOut, left)
		sum += left.Detected
	}
	if tries > 0 {
		mean := sum / float64(tries)
		u.Detected = &mean
	}
	return line, nil
}

// leaveOut trains on the other labels and looks at the pictures of label.
func (e *evidence) leaveOut(ctx context.Context, label int, labels []string, rate float64) (UnknownLeftOut, error) {
	k := len(labels) - 1
	ex := Examples{Classes: k}
	var known, strange [][]float32
	for i, it := range e.items {
		l := it.Label
		switch {
		case l == label:
			strange = append(strange, e.rows[i])
			continue
		case l > label:
			l--
		}
		switch it.Split {
		case dataset.Train:
			ex.Rows, ex.Labels = append(ex.Rows, e.rows[i]), append(ex.Labels, l)
		case dataset.Validation:
			known = append(known, e.rows[i])
		}
	}
	out := UnknownLeftOut{Label: labels[label], Images: len(strange)}
	fit, err := FitHead(ctx, ex, FitConfig{
		L2: e.settings.L2, Scaling: e.settings.Scaling, Tolerance: max(e.settings.Tolerance, 1e-3),
		MaxIterations: e.settings.MaxIterations, Threads: e.threads,
	})
	if err != nil {
		return out, err
	}
	var scores [2][]float64
	for n, rows := range [2][][]float32{known, strange} {
		logits, err := headLogits(ctx, fit.Head, rows, e.threads)
		if err != nil {
			return out, err
		}
		for i := range rows {
			scores[n] = append(scores[n], inception.UnknownScore(logits[i*k:(i+1)*k]))
		}
	}
	if len(scores[0]) > 0 && len(scores[1]) > 0 {
		out.Detected = *share(scores[1], quantile(scores[0], rate))
	}
	return out, nil
}

// scores are those of the pictures of a part.
func (e *evidence) scores(logits []float64, k int, part dataset.Split) []float64 {
	var out []float64
	for i, it := range e.items {
		if it.Split == part {
			out = append(out, inception.UnknownScore(logits[i*k:(i+1)*k]))
		}
	}
	return out
}

// quantile returns the largest value of which at most the share rate of the scores lies below it.
func quantile(scores []float64, rate float64) float64 {
	s := slices.Sorted(slices.Values(scores))
	return s[min(int(rate*float64(len(s))), len(s)-1)]
}

// share returns how much of the scores lies below the line.
func share(scores []float64, line float64) *float64 {
	n := 0.0
	for _, s := range scores {
		if !(s >= line) {
			n++
		}
	}
	n /= float64(len(scores))
	return &n
}
