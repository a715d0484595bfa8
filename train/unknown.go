package train

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
)

// mostLeftLabels bounds how many labels are left out, one after another.
const mostLeftLabels = 20

// unknown draws the line at the share of the validation part that Config.Unknown says, and measures
// it on labels that are left out of training. It is nil where nothing was asked for or validation
// pictures are too few.
func (r *run) unknown(ctx context.Context, m *metrics.Metrics) (*inception.Unknown, error) {
	rate := r.cfg.Unknown
	if rate == 0 {
		return nil, nil
	}
	if r.res.Fit.Head.Activation == inception.Sigmoid {
		r.res.Notes = append(r.res.Notes,
			"no line for unknown pictures was drawn: a head of sigmoids says so itself, by giving no label")
		return nil, nil
	}
	j, k := r.auditor(), len(r.folder.Labels)
	known, held := j.scores(dataset.Validation), j.scores(dataset.Test)
	if need := int(math.Ceil(1 / rate)); len(known) < need {
		r.res.Notes = append(r.res.Notes,
			fmt.Sprintf("no line for unknown pictures was drawn: %d validation pictures are too few for a false reject rate "+
				"of %g, want at least %d", len(known), rate, need))
		return nil, nil
	}
	line := &inception.Unknown{Threshold: quantile(known, rate), FalseReject: rate}
	u := &metrics.Unknown{FalseReject: rate, Threshold: line.Threshold, Validation: len(known),
		LeftOut: []metrics.LeftOut{}}
	if len(held) > 0 {
		u.Test = share(held, line.Threshold)
	}
	m.Unknown = u
	tries := min(k, mostLeftLabels, int(reportWork/math.Max(1, j.fitWork(len(j.items), k))))
	if k < 3 {
		tries = 0
	}
	sum := 0.0
	for t := range tries {
		left, err := j.leaveOut(ctx, t*k/tries, rate)
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
func (j *auditor) leaveOut(ctx context.Context, label int, rate float64) (metrics.LeftOut, error) {
	k := len(j.labels) - 1
	ex := head.Examples{Classes: k}
	var known, strange [][]float32
	for i, it := range j.items {
		l := it.Label
		switch {
		case l == label:
			strange = append(strange, j.rows[i])
			continue
		case l > label:
			l--
		}
		switch it.Split {
		case dataset.Train:
			ex.Rows, ex.Labels = append(ex.Rows, j.rows[i]), append(ex.Labels, l)
		case dataset.Validation:
			known = append(known, j.rows[i])
		}
	}
	out := metrics.LeftOut{Label: j.labels[label], Images: len(strange)}
	logits, err := j.solve(ctx, ex, j.fit.L2, known, strange)
	if err != nil {
		return out, err
	}
	var scores [2][]float64
	for n, l := range logits {
		for ; len(l) > 0; l = l[k:] {
			scores[n] = append(scores[n], inception.UnknownScore(l[:k]))
		}
	}
	if len(scores[0]) > 0 && len(scores[1]) > 0 {
		out.Detected = *share(scores[1], quantile(scores[0], rate))
	}
	return out, nil
}

// scores are those of the pictures of a part.
func (j *auditor) scores(part dataset.Split) []float64 {
	k := len(j.labels)
	var out []float64
	for i, it := range j.items {
		if it.Split == part {
			out = append(out, inception.UnknownScore(j.logits[i*k:(i+1)*k]))
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
