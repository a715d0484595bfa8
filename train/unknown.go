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
	if need, got := int(math.Ceil(1/rate)), m.Validation.Images; got < need {
		r.res.Notes = append(r.res.Notes,
			fmt.Sprintf("no line for unknown pictures was drawn: %d validation pictures are too few for a false reject rate "+
				"of %g, want at least %d", got, rate, need))
		return nil, nil
	}
	line, err := r.drawLine(ctx, j, m)
	if err != nil {
		return nil, err
	}
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
		m.Unknown.LeftOut = append(m.Unknown.LeftOut, left)
		sum += left.Detected
	}
	if tries > 0 {
		mean := sum / float64(tries)
		m.Unknown.Detected = &mean
	}
	return line, nil
}

// drawLine takes the distances, of what the head reads, from the training part, and draws the line on the
// validation part.
func (r *run) drawLine(ctx context.Context, j *auditor, m *metrics.Metrics) (*inception.Unknown, error) {
	rate, k := r.cfg.Unknown, len(j.labels)
	var rows [3][][]float32
	var logits [3][]float64
	var labels []int
	for i, it := range j.items {
		rows[it.Split] = append(rows[it.Split], r.rows[i])
		logits[it.Split] = append(logits[it.Split], j.logits[i*k:(i+1)*k]...)
		if it.Split == dataset.Train {
			labels = append(labels, it.Label)
		}
	}
	var err error
	if r.distance, err = fitDistance(ctx, rows[dataset.Train], labels, k, j.threads); err != nil {
		return nil, err
	}
	line, d := newLine(r.distance, rows[dataset.Validation], logits[dataset.Validation], rate)
	r.distance = d
	m.Unknown = &metrics.Unknown{FalseReject: rate, Threshold: line.Threshold, Validation: len(rows[dataset.Validation]),
		LeftOut: []metrics.LeftOut{}}
	if test := scores(line, d, rows[dataset.Test], logits[dataset.Test]); len(test) > 0 {
		m.Unknown.Test = share(test, line.Threshold)
	}
	return line, nil
}

// newLine draws the line below which the share rate of the known pictures lies. The distance counts half
// as much as the energy, by how far the known pictures spread along both: as much, it hid labels that
// are like the known ones. It is nil again where it cannot count.
func newLine(d *inception.Distance, known [][]float32, logits []float64, rate float64) (*inception.Unknown,
	*inception.Distance) {
	u := &inception.Unknown{FalseReject: rate}
	energies := scores(u, nil, known, logits)
	if d != nil && len(known) > 1 {
		u.Weight = 1
		far := scores(u, d, known, logits)
		for i := range far {
			far[i] = energies[i] - far[i]
		}
		u.Weight = middle(energies) / middle(far) / 2
		if !(u.Weight > 0 && u.Weight <= math.MaxFloat32) {
			u.Weight, d = 0, nil
		}
	} else {
		d = nil
	}
	u.Threshold = quantile(scores(u, d, known, logits), rate)
	return u, d
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
	logits, err := j.solve(ctx, ex, j.fit.L2, j.threads, known, strange)
	if err != nil {
		return out, err
	}
	d, err := fitDistance(ctx, ex.Rows, ex.Labels, k, j.threads)
	if err != nil {
		return out, err
	}
	if len(known) > 0 && len(strange) > 0 {
		line, d := newLine(d, known, logits[0], rate)
		out.Detected = *share(scores(line, d, strange, logits[1]), line.Threshold)
	}
	return out, nil
}

// scores are those of rows with their logits [n,K].
func scores(u *inception.Unknown, d *inception.Distance, rows [][]float32, logits []float64) []float64 {
	out := make([]float64, len(rows))
	for i, row := range rows {
		k := len(logits) / len(rows)
		out[i] = u.Score(d, logits[i*k:(i+1)*k], row)
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
