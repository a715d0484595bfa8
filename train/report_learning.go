package train

import (
	"context"
	"fmt"
	"math"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/numeric"
)

// learning is how the solver came to the head.
type learning struct {
	Charts  []chart
	Rows    []learningRow
	Search  []Choice
	Why     string // what is unusual about it
	L2      float64
	Entropy float64 // the loss of a head that knows nothing

	last int // iteration
}

// learningRow is a moment of the solver.
type learningRow struct {
	Iteration         int
	Loss              float64
	Train, Validation float64 // accuracies
	HasValidation     bool
}

// learning draws the losses of the run's own fit, and solves again for the accuracies on the way
// there: since a solver stopped early gives what it had then, this is what the run went through.
// Where L2 was searched for, each fit went on from the one before it, and so the chosen L2 is
// solved for from nothing instead.
func (e *evidence) learning(ctx context.Context, fit *Fit, classes int) (learning, error) {
	v := learning{Search: e.settings.Search, L2: fit.L2, Entropy: math.Log(float64(classes)), last: fit.Iterations}
	losses := e.lossesOf(fit.L2)
	if fit.Head.Activation == inception.Sigmoid {
		v.Entropy = float64(classes) * math.Ln2 // as many questions, each answered by yes or no
		v.Why = "Pictures have several labels: the loss is the sum over the labels, and accuracies on " +
			"the way are not measured."
		v.draw(losses)
		return v, nil
	}
	train, valid := e.examples(dataset.Train, classes), e.examples(dataset.Validation, classes)
	if fit.Solver != "" && fit.Solver != LBFGS {
		v.Why = fmt.Sprintf("This head was trained by %s for %d steps; the losses are means over its batches.", fit.Solver,
			fit.Iterations)
		v.draw(losses)
		return v, nil
	}
	searched := len(v.Search) > 0
	rounds := 2 // of about fit.Iterations each
	if searched {
		rounds = 8
		v.Why = "L2 was searched for; this is how the chosen one is solved for from nothing."
	}
	if float64(rounds)*e.fitWork(len(train.Rows), classes, fit.Iterations) > reportWork {
		v.Why = "Accuracies on the way are left out, for measuring them would have taken too long."
		v.draw(losses)
		return v, nil
	}
	s, err := newSolver(ctx, train,
		FitConfig{L2: e.settings.L2, Scaling: e.settings.Scaling, Tolerance: e.settings.Tolerance, Threads: e.threads},
		newHeadGraph)
	if err != nil {
		return v, err
	}
	for n := 1; ; n *= 2 {
		at := *fit
		if searched || n < fit.Iterations {
			s.cfg.MaxIterations = n
			early, err := s.fit(s.cfg.L2, nil)
			if err != nil {
				return v, err
			}
			at = *early
		}
		row := learningRow{Iteration: at.Iterations, Loss: at.Loss, HasValidation: len(valid.Rows) > 0}
		if row.Train, err = e.accuracy(ctx, at.Head, train); err != nil {
			return v, err
		}
		if row.HasValidation {
			if row.Validation, err = e.accuracy(ctx, at.Head, valid); err != nil {
				return v, err
			}
		}
		v.Rows = append(v.Rows, row)
		if at.Iterations < n || n >= e.settings.MaxIterations || !searched && n >= fit.Iterations {
			break
		}
	}
	if searched {
		losses = nil
		for _, r := range v.Rows {
			losses = append(losses, iteration{r.Iteration, fit.L2, r.Loss, math.NaN()})
		}
		v.last = losses[len(losses)-1].done
	}
	v.draw(losses)
	return v, nil
}

// accuracy measures a head as Metrics does.
func (e *evidence) accuracy(ctx context.Context, head inception.Head, ex Examples) (float64, error) {
	logits, err := headLogits(ctx, head, ex.Rows, e.threads)
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

// lossesOf returns the losses of the run's fit with this L2.
func (e *evidence) lossesOf(l2 float64) []iteration {
	var losses []iteration
	for _, it := range e.losses {
		if it.l2 != l2 {
			continue
		}
		if n := len(losses); n > 0 && losses[n-1].done == it.done {
			losses = losses[:n-1] // the last event of a fit repeats one
		}
		losses = append(losses, it)
	}
	return losses
}

// examples returns a part.
func (e *evidence) examples(part dataset.Split, classes int) Examples {
	ex := Examples{Classes: classes}
	for i, it := range e.items {
		if it.Split == part {
			ex.Rows, ex.Labels = append(ex.Rows, e.rows[i]), append(ex.Labels, it.Label)
		}
	}
	return ex
}

func (v *learning) draw(losses []iteration) {
	last := max(v.last, 1)
	at := func(n int) float64 { return math.Log2(1+float64(n)) / math.Log2(1+float64(last)) }
	ticks := func(c *chart) {
		previous := -1.0
		for _, n := range []int{0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000} {
			if x := at(n); n <= last && x-previous > 0.07 {
				c.XTicks = append(c.XTicks, tick{c.x(x), fmt.Sprint(n)})
				previous = x
			}
		}
	}
	if len(losses) > 1 {
		top := v.Entropy
		for _, it := range losses {
			top = max(top, it.loss)
		}
		c := newChart("chart-loss", "Loss by iteration",
			fmt.Sprintf("The training loss falls from %.3g to %.3g in %d iterations of the solver.",
				losses[0].loss, losses[len(losses)-1].loss, last), "iteration of the solver", "loss")
		ticks(&c)
		step := niceStep(top)
		top = step * math.Ceil(top/step)
		for y := 0.0; y <= top*1.0001; y += step {
			c.YTicks = append(c.YTicks, tick{c.y(y / top), fmt.Sprintf("%.4g", y)})
		}
		var points [][2]float64
		if losses[0].done > 0 {
			points = append(points, [2]float64{0, v.Entropy / top})
		}
		for _, it := range losses {
			points = append(points, [2]float64{at(it.done), it.loss / top})
		}
		c.add("training loss with its L2 term", "a", points, nil, nil)
		v.Charts = append(v.Charts, c)
	}
	if len(v.Rows) > 1 {
		lowest := 1.0
		for _, r := range v.Rows {
			lowest = min(lowest, r.Train)
			if r.HasValidation {
				lowest = min(lowest, r.Validation)
			}
		}
		lo := math.Floor(lowest*10) / 10
		lo = min(max(0, lo), 0.9)
		c := newChart("chart-accuracy", "Accuracy by iteration",
			fmt.Sprintf("Accuracy on the training part ends at %s.", percent(v.Rows[len(v.Rows)-1].Train)),
			"iteration of the solver", "accuracy")
		ticks(&c)
		c.percentTicks(false, lo)
		var one, two [][2]float64
		var oneTitles, twoTitles []string
		for _, r := range v.Rows {
			one = append(one, [2]float64{at(r.Iteration), (r.Train - lo) / (1 - lo)})
			oneTitles = append(oneTitles, fmt.Sprintf("iteration %d: train %s", r.Iteration, percent(r.Train)))
			if r.HasValidation {
				two = append(two, [2]float64{at(r.Iteration), (r.Validation - lo) / (1 - lo)})
				twoTitles = append(twoTitles, fmt.Sprintf("iteration %d: validation %s", r.Iteration, percent(r.Validation)))
			}
		}
		c.add("train", "a", one, oneTitles, nil)
		if two != nil {
			c.add("validation", "b", two, twoTitles, nil)
		}
		v.Charts = append(v.Charts, c)
	}
}
