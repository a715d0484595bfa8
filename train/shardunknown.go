package train

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
)

// unknownRows is how many training rows the distances of a training on shards are taken from at most, and as
// many held-out rows draw the line and measure it; fewer where memory is short.
const unknownRows = 50_000

// unknownSample are rows of a set with their features.
type unknownSample struct {
	rows   [3][][]float32 // of each part
	labels []int          // of the training rows
	logits [3][]float64   // of the held-out rows
}

// unknown draws the line for unknown pictures as run.unknown does, on rows that are read once more; no label is
// left out of training to try it.
func (r *shardRun) unknown(ctx context.Context, src *shardSource, m *metrics.Metrics, memory int64) (*inception.Unknown,
	*inception.Distance, error) {
	rate := r.cfg.Unknown
	if rate == 0 {
		return nil, nil, nil
	}
	note := func(why string) {
		r.res.Notes = append(r.res.Notes, "no line for unknown pictures was drawn: "+why)
	}
	if r.set.MultiLabel {
		note("a head of sigmoids says so itself, by giving no label")
		return nil, nil, nil
	}
	s, err := r.unknownSample(ctx, src, int(max(1, min(unknownRows, memory/8/int64(4*r.set.Key.Features)))))
	if err != nil {
		return nil, nil, fmt.Errorf("train: unknown: %w", err)
	}
	known := s.rows[dataset.Validation]
	if need := int(math.Ceil(1 / rate)); len(known) < need {
		note(fmt.Sprintf("%d validation pictures are too few for a false reject rate of %g, want at least %d", len(known),
			rate, need))
		return nil, nil, nil
	}
	d, err := fitDistance(ctx, s.rows[dataset.Train], s.labels, len(r.set.Labels), r.cfg.Engine.Threads)
	if err != nil {
		return nil, nil, err
	}
	line, d := newLine(d, known, s.logits[dataset.Validation], rate)
	m.Unknown = &metrics.Unknown{FalseReject: rate, Threshold: line.Threshold, Validation: len(known),
		LeftOut: []metrics.LeftOut{}}
	if test := scores(line, d, s.rows[dataset.Test], s.logits[dataset.Test]); len(test) > 0 {
		m.Unknown.Test = share(test, line.Threshold)
	}
	return line, d, nil
}

// unknownSample reads most training rows, drawn evenly of every label, and as many of the held ones.
func (r *shardRun) unknownSample(ctx context.Context, src *shardSource, most int) (*unknownSample, error) {
	k := len(r.set.Labels)
	counts := make([]int, k)
	err := src.Batches(ctx, 0, func(*head.Batch) bool { return false }, func(b *head.Batch) error {
		defer b.Release()
		for i, p := range b.Parts {
			if p == head.PartTrain {
				counts[b.Labels[i]]++
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	heldStep := (len(r.fit.HeldRows) + most - 1) / most
	seen, held, s := make([]int, k), 0, &unknownSample{}
	err = src.Batches(ctx, 0, func(*head.Batch) bool { return true }, func(b *head.Batch) error {
		defer b.Release()
		for i, p := range b.Parts {
			take, logits := false, []float32(nil)
			switch {
			case p == head.PartTrain:
				l := b.Labels[i]
				step := max(1, (counts[l]*k+most-1)/most)
				take = seen[l]%step == 0
				seen[l]++
			case held < len(r.fit.HeldRows) && r.fit.HeldRows[held] == b.First+i:
				take = held%max(heldStep, 1) == 0
				logits = r.fit.HeldLogits[held*k : (held+1)*k]
				held++
			}
			if take {
				s.add(b, i, r.set.Key.Features, logits)
			}
		}
		return nil
	})
	return s, err
}

// add takes row i of a batch; logits are nil of training rows.
func (s *unknownSample) add(b *head.Batch, i, features int, logits []float32) {
	row := make([]float32, features)
	for j := range row {
		row[j] = safetensors.FromHalf(binary.LittleEndian.Uint16(b.Half[2*(i*features+j):]))
	}
	p := dataset.Split(b.Parts[i])
	s.rows[p] = append(s.rows[p], row)
	if logits == nil {
		s.labels = append(s.labels, b.Labels[i])
	}
	for _, z := range logits {
		s.logits[p] = append(s.logits[p], float64(z))
	}
}
