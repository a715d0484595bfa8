package report

import (
	"fmt"
	"math"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/train/head"
)

// learning is the section on how the solver came to the head.
type learning struct {
	Charts  []chart
	Rows    []Moment
	Search  []head.Choice
	Why     string
	L2      float64
	Entropy float64 // the loss of a head that knows nothing

	last int // iteration
}

// learning draws the way of the solver.
func (in *Input) learning() learning {
	from := in.Learning
	fit, classes := from.Solution, float64(in.Metrics.Classes)
	v := learning{Rows: from.Moments, Search: fit.Tried, Why: from.Why, L2: fit.L2, Entropy: math.Log(classes),
		last: fit.Iterations}
	if fit.Head.Activation == inception.Sigmoid {
		v.Entropy = classes * math.Ln2 // as many questions, each answered by yes or no
	}
	if n := len(from.Moments); n > 0 && len(fit.Tried) > 0 { // another way than the run's own
		v.last = from.Moments[n-1].Iteration
	}
	if len(from.Losses) > 1 {
		v.Charts = append(v.Charts, v.lossChart(from.Losses))
	}
	if len(v.Rows) > 1 {
		v.Charts = append(v.Charts, v.accuracyChart())
	}
	return v
}

// at is where an iteration stands on the axis, which is logarithmic: 0 to 1.
func (v *learning) at(iteration int) float64 {
	return math.Log2(1+float64(iteration)) / math.Log2(1+float64(max(v.last, 1)))
}

// ticks marks some iterations.
func (v *learning) ticks(c *chart) {
	previous := -1.0
	for _, n := range []int{0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000} {
		if x := v.at(n); n <= max(v.last, 1) && x-previous > 0.07 {
			c.XTicks = append(c.XTicks, tick{c.x(x), fmt.Sprint(n)})
			previous = x
		}
	}
}

// lossChart draws the training loss.
func (v *learning) lossChart(losses []head.Loss) chart {
	top := v.Entropy
	for _, l := range losses {
		top = max(top, l.Loss)
	}
	c := newChart("chart-loss", "Loss by iteration",
		fmt.Sprintf("The training loss falls from %.3g to %.3g in %d iterations of the solver.",
			losses[0].Loss, losses[len(losses)-1].Loss, max(v.last, 1)), "iteration of the solver", "loss")
	v.ticks(&c)
	step := niceStep(top)
	top = step * math.Ceil(top/step)
	for y := 0.0; y <= top*1.0001; y += step {
		c.YTicks = append(c.YTicks, tick{c.y(y / top), fmt.Sprintf("%.4g", y)})
	}
	var points [][2]float64
	if losses[0].Iteration > 0 {
		points = append(points, [2]float64{0, v.Entropy / top})
	}
	for _, l := range losses {
		points = append(points, [2]float64{v.at(l.Iteration), l.Loss / top})
	}
	c.add("training loss with its L2 term", "a", points, nil, nil)
	return c
}

// accuracyChart draws the accuracies on the way.
func (v *learning) accuracyChart() chart {
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
	v.ticks(&c)
	c.percentTicks(false, lo)
	var one, two [][2]float64
	var oneTitles, twoTitles []string
	for _, r := range v.Rows {
		one = append(one, [2]float64{v.at(r.Iteration), (r.Train - lo) / (1 - lo)})
		oneTitles = append(oneTitles, fmt.Sprintf("iteration %d: train %s", r.Iteration, percent(r.Train)))
		if r.HasValidation {
			two = append(two, [2]float64{v.at(r.Iteration), (r.Validation - lo) / (1 - lo)})
			twoTitles = append(twoTitles, fmt.Sprintf("iteration %d: validation %s", r.Iteration, percent(r.Validation)))
		}
	}
	c.add("train", "a", one, oneTitles, nil)
	if two != nil {
		c.add("validation", "b", two, twoTitles, nil)
	}
	return c
}
