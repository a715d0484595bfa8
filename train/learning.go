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

// learning is how the solver came to the head: the losses of the run's own fit, and accuracies on
// the way there, for which it solves again. Since a solver stopped early gives what it had then,
// this is what the run went through. Where L2 was searched for, each fit went on from the one
// before it, and so the chosen L2 is solved for from nothing instead.
func (r *Result) learning(ctx context.Context) (*report.Learning, error) {
	fit, classes := r.Fit, r.Metrics.Classes
	out := &report.Learning{Solution: fit, Losses: fit.Losses}
	training, valid := r.examples(dataset.Train), r.examples(dataset.Validation)
	searched := len(fit.Tried) > 0
	rounds := 2 // of about fit.Iterations each
	if searched {
		rounds = 8
	}
	work := float64(rounds) * fitWork(len(training.Rows), len(r.report.Rows[0]), classes, fit.Iterations)
	switch {
	case fit.Head.Activation == inception.Sigmoid:
		out.Why = "Pictures have several labels: the loss is the sum over the labels, and accuracies on " +
			"the way are not measured."
		return out, nil
	case fit.Solver != head.LBFGS:
		out.Why = fmt.Sprintf("This head was trained by %s for %d steps; the losses are means over its batches.", fit.Solver,
			fit.Iterations)
		return out, nil
	case work > reportWork:
		out.Why = "Accuracies on the way are left out, for measuring them would have taken too long."
		return out, nil
	case searched:
		out.Why = "L2 was searched for; this is how the chosen one is solved for from nothing."
	}
	if err := r.moments(ctx, out, training, valid, searched); err != nil {
		return nil, err
	}
	if searched {
		out.Losses = nil
		for _, m := range out.Moments {
			out.Losses = append(out.Losses, head.Loss{Iteration: m.Iteration, Loss: m.Loss})
		}
	}
	return out, nil
}

// moments adds what the head was after 1, 2, 4, ... iterations, each solved for from nothing, and at the
// end. Where the last one is known before, they are solved for at the same time.
func (r *Result) moments(ctx context.Context, out *report.Learning, training, valid head.Examples,
	searched bool) error {
	fit := r.Fit
	first := func(n, threads int) (m report.Moment, last bool, err error) {
		at := fit
		if searched || n < fit.Iterations {
			if at, err = head.Fit(ctx, training, head.Config{Threads: threads, Options: head.Options{
				L2: fit.L2, Scaling: fit.Scaling, Tolerance: fit.Tolerance, MaxIterations: n,
			}}); err != nil {
				return m, false, err
			}
		}
		m = report.Moment{Iteration: at.Iterations, Loss: at.Loss, HasValidation: len(valid.Rows) > 0}
		if m.Train, err = accuracy(ctx, at.Head, training, threads); err == nil && m.HasValidation {
			m.Validation, err = accuracy(ctx, at.Head, valid, threads)
		}
		return m, at.Iterations < n || n >= fit.MaxIterations || !searched && n >= fit.Iterations, err
	}
	if searched {
		for n := 1; ; n *= 2 {
			m, last, err := first(n, r.report.Engine.Threads)
			if err != nil {
				return err
			}
			if out.Moments = append(out.Moments, m); last {
				return nil
			}
		}
	}
	count := 1
	for n := 1; n < min(fit.Iterations, fit.MaxIterations); n *= 2 {
		count++
	}
	out.Moments = make([]report.Moment, count)
	workers, threads := par.Abreast(count, len(training.Rows)*training.Features(), r.report.Engine.Threads)
	return par.Each(ctx, workers, count, func(_, i int) (err error) {
		at := count - 1 - i // the longest first
		out.Moments[at], _, err = first(1<<at, threads)
		return err
	})
}

// accuracy measures a head as metrics do.
func accuracy(ctx context.Context, h inception.Head, ex head.Examples, threads int) (float64, error) {
	logits, err := head.Logits(ctx, h, ex.Rows, threads)
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
