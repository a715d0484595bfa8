package train

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/train/head"
)

// addViews makes of the logits [n,K] of pictures those of the views that the model answers with.
func (e *embedder) addViews(ctx context.Context, m *inception.Model, items []dataset.Item, got *embedded,
	logits []float64) error {
	if m.Reads.Foreign() {
		return fmt.Errorf("train: evaluate: got %d views and a head that reads %v, which no cache keeps: evaluate it with 1 "+
			"view", m.Views, m.Reads)
	}
	more, classes := m.Views-1, m.Head.Classes
	rows, err := e.viewRows(ctx, items, got.goodSums(), m)
	if err != nil {
		return err
	}
	said, err := head.Logits(ctx, m.Head, rows, e.Engine.Threads)
	if err != nil {
		return fmt.Errorf("train: measure: %w", err)
	}
	for i := range items {
		own := logits[i*classes : (i+1)*classes]
		mean, err := m.CombineViews(slices.Concat(own, said[i*more*classes:(i+1)*more*classes]))
		if err != nil {
			return err
		}
		copy(own, mean)
	}
	return nil
}

// viewRows returns what the model's head reads of the further views of pictures, picture by picture;
// their bottlenecks are kept in the cache like any other.
func (e *embedder) viewRows(ctx context.Context, items []dataset.Item, sums [][sha256.Size]byte,
	m *inception.Model) ([][]float32, error) {
	var list []wanted
	var keys [][sha256.Size]byte
	more := m.Views - 1
	for i, it := range items {
		for k := 1; k <= more; k++ {
			keys = append(keys, viewKey(sums[i], k))
			list = append(list, wanted{it.File(), sums[i], keys[len(keys)-1]})
		}
	}
	load := func(j int, data []byte, dst []float32) error {
		return e.weights.Recipe.LoadView(data, e.Limits, 1+j%more, dst)
	}
	views, err := e.get(ctx, PhaseViews, list, load, func(j int, err error) error {
		return fmt.Errorf("train: view %d of %s: %w", 1+j%more, list[j].from.Path, err) // the picture could be read
	})
	if err != nil || m.Reads == nil {
		return views.rows, err
	}
	return e.deep.read(ctx, m.Reads, keys, e.Engine.Threads)
}

// viewKey is what the cache knows view k of a picture's bytes by; it is part of the format.
func viewKey(sum [sha256.Size]byte, k int) [sha256.Size]byte {
	return sha256.Sum256(append(fmt.Appendf(nil, "rehead fixed view 1\x00%d\x00", k), sum[:]...))
}
