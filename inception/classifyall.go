package inception

import (
	"context"
	"errors"
)

// ClassifyAll answers for pictures 0..n-1: Classify for many of them, which reads and decodes some
// while the network runs on others, and holds few at a time; see [Trunk.EmbedAll]. read(i) returns
// the bytes of picture i and is called from several goroutines. emit is called from the caller's
// goroutine in order of i, with what Classify would answer, but for Info; the bottleneck is valid
// until emit returns. A picture that cannot be read has its error in its result. cfg.Load must be
// nil: the model's recipe decides.
func (c *Classifier) ClassifyAll(ctx context.Context, n int, read func(i int) ([]byte, error),
	emit func(i int, r Result) error, cfg EmbedConfig) error {
	if emit == nil || cfg.Load != nil {
		return errors.New("inception: classify: got nothing that takes answers, or an EmbedConfig.Load, want the one alone")
	}
	if c.model.Views > 1 {
		return c.classifyViews(ctx, n, read, emit, cfg)
	}
	logits := make([]float64, c.model.Head.Classes)
	return c.trunk.EmbedAll(ctx, n, read, func(i int, bottleneck []float32, err error) error {
		r := Result{Err: err}
		if err == nil {
			c.model.answer(&r, bottleneck, logits)
		}
		return emit(i, r)
	}, cfg)
}

// classifyViews is ClassifyAll for a model that wants several views of a picture; each view reads and
// decodes it anew.
func (c *Classifier) classifyViews(ctx context.Context, n int, read func(i int) ([]byte, error),
	emit func(i int, r Result) error, cfg EmbedConfig) error {
	views, recipe := c.model.Views, c.model.Recipe
	cfg.Load = func(j int, data []byte, dst []float32) error {
		return recipe.LoadView(data, cfg.Limits, j%views, dst)
	}
	rows := make([]float32, 0, views*c.trunk.Features())
	var failed error
	return c.trunk.EmbedAll(ctx, n*views, func(j int) ([]byte, error) { return read(j / views) },
		func(j int, row []float32, err error) error {
			if j%views == 0 {
				rows, failed = rows[:0], nil
			}
			if failed == nil {
				failed = err
			}
			if rows = append(rows, row...); j%views < views-1 {
				return nil
			}
			r := Result{Err: failed}
			if failed == nil {
				c.answerRows(&r, rows)
			}
			return emit(j/views, r)
		}, cfg)
}
