package train

import (
	"context"
	"fmt"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/report"
)

// learning is how the solver came to the head: the losses of the run's own fit, and accuracies of the heads
// on the way there. Where L2 was searched for, each fit went on from the one before it, and so the chosen
// L2 is solved for from nothing instead.
func (r *Result) learning(ctx context.Context) (*report.Learning, error) {
	fit := r.Fit
	out := &report.Learning{Solution: fit, Losses: fit.Losses}
	searched := len(fit.Tried) > 0
	work := fitWork(r.trained, len(r.report.Rows[0]), r.Metrics.Classes, fit.Iterations)
	switch {
	case fit.Head.Activation == inception.Sigmoid:
		out.Why = "Pictures have several labels: the loss is the sum over the labels, and accuracies on " +
			"the way are not measured."
		return out, nil
	case fit.Solver != head.LBFGS:
		out.Why = fmt.Sprintf("This head was trained by %s for %d steps; the losses are means over its batches.", fit.Solver,
			fit.Iterations)
		return out, nil
	case fit.Snapshots == nil && work > reportWork:
		out.Why = "Accuracies on the way are left out, for measuring them would have taken too long."
		return out, nil
	case searched:
		out.Why = "L2 was searched for; this is how the chosen one is solved for from nothing."
	}
	if fit.Snapshots == nil {
		again, err := r.solveAgain(ctx)
		if err != nil {
			return nil, err
		}
		fit = again
	}
	if searched {
		out.Losses = fit.Losses
	}
	return out, r.moments(ctx, out, fit.Snapshots)
}

// moments adds what heads on the way were worth.
func (r *Result) moments(ctx context.Context, out *report.Learning, heads []head.Snapshot) error {
	training, valid := r.examples(dataset.Train), r.examples(dataset.Validation)
	out.Moments = make([]report.Moment, len(heads))
	return par.Each(ctx, r.report.Engine.Threads, len(heads), func(_, i int) (err error) {
		h := heads[i]
		m := report.Moment{Iteration: h.Iteration, Loss: h.Loss.Loss, HasValidation: len(valid.Rows) > 0}
		if m.Train, err = accuracy(ctx, h.Head, training); err == nil && m.HasValidation {
			m.Validation, err = accuracy(ctx, h.Head, valid)
		}
		out.Moments[i] = m
		return err
	})
}

// accuracy measures a head as metrics do.
func accuracy(ctx context.Context, h inception.Head, ex head.Examples) (float64, error) {
	logits, err := head.Logits(ctx, h, ex.Rows, 1)
	if err != nil {
		return 0, err
	}
	right := 0
	for i, label := range ex.Labels {
		if numeric.Argmax(logits[i*ex.Classes:(i+1)*ex.Classes]) == label {
			right++
		}
	}
	return float64(right) / float64(len(ex.Labels)), nil
}

// examples returns a part, without views and weights.
func (r *Result) examples(part dataset.Split) head.Examples {
	ex := head.Examples{Classes: r.Metrics.Classes}
	for i, it := range r.report.Items {
		if it.Split == part {
			ex.Rows, ex.Labels = append(ex.Rows, r.report.Rows[i]), append(ex.Labels, it.Label)
		}
	}
	return ex
}
