package train

import (
	"cmp"
	"context"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
)

// chart is a line chart, in the units of its view box.
type chart struct {
	ID, Title, Desc  string
	XName, YName     string
	XTicks, YTicks   []tick
	Left, Top        float64 // of the plot
	Right, Bottom    float64
	Width, Height    float64
	Diagonal         bool
	Lines            []line
	MiddleX, MiddleY float64
}

type tick struct {
	At   float64
	Text string
}

type line struct {
	Name   string
	Class  string // "a", "b" or "c"
	Path   string // of an SVG path
	Dots   []dotView
	Sample float64 // where the legend has it
}

type dotView struct {
	X, Y, R float64
	Title   string
}

func newChart(id, title, desc, xName, yName string) chart {
	c := chart{ID: id, Title: title, Desc: desc, XName: xName, YName: yName, Left: 48, Top: 26, Right: 396, Bottom: 214, Width: 420, Height: 256}
	c.MiddleX, c.MiddleY = (c.Left+c.Right)/2, (c.Top+c.Bottom)/2
	return c
}

// x and y take shares of the plot to the view box.
func (c *chart) x(share float64) float64 { return c.Left + share*(c.Right-c.Left) }
func (c *chart) y(share float64) float64 { return c.Bottom - share*(c.Bottom-c.Top) }

// add draws a line through points given as shares of the plot; titles, if any, go with them as dots.
func (c *chart) add(name, class string, points [][2]float64, titles []string, sizes []float64) {
	l := line{Name: name, Class: class, Sample: c.Left + float64(len(c.Lines))*120}
	var b strings.Builder
	for i, p := range points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(&b, "%s%s %s", command, number(c.x(p[0])), number(c.y(p[1])))
		if titles != nil {
			d := dotView{X: c.x(p[0]), Y: c.y(p[1]), R: 3, Title: titles[i]}
			if sizes != nil {
				d.R = sizes[i]
			}
			l.Dots = append(l.Dots, d)
		}
	}
	l.Path = b.String()
	c.Lines = append(c.Lines, l)
}

// percentTicks puts six ticks from lo to 100 % on an axis.
func (c *chart) percentTicks(onX bool, lo float64) {
	for i := range 6 {
		share := float64(i) / 5
		text := fmt.Sprintf("%.0f %%", 100*(lo+(1-lo)*share))
		if onX {
			c.XTicks = append(c.XTicks, tick{c.x(share), text})
		} else {
			c.YTicks = append(c.YTicks, tick{c.y(share), text})
		}
	}
}

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

// learning draws the losses of the run's own fit, and solves again for the accuracies on the way there: since a solver
// stopped early gives what it had then, this is what the run went through. Where L2 was searched for, each fit went on
// from the one before it, and so the chosen L2 is solved for from nothing instead.
func (e *evidence) learning(ctx context.Context, fit *Fit, classes int) (learning, error) {
	v := learning{Search: e.settings.Search, L2: fit.L2, Entropy: math.Log(float64(classes)), last: fit.Iterations}
	losses := e.lossesOf(fit.L2)
	train, valid := e.examples(dataset.Train, classes), e.examples(dataset.Validation, classes)
	if fit.Solver != "" && fit.Solver != LBFGS {
		v.Why = fmt.Sprintf("This head was trained by %s for %d steps; the losses are means over its batches.", fit.Solver, fit.Iterations)
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
	s, err := newSolver(ctx, train, FitConfig{L2: e.settings.L2, Scaling: e.settings.Scaling, Tolerance: e.settings.Tolerance, Threads: e.threads}, newHeadGraph)
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
		if argmax(logits[i*ex.Classes:(i+1)*ex.Classes]) == label {
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
		c := newChart("chart-loss", "Loss by iteration", fmt.Sprintf("The training loss falls from %.3g to %.3g in %d iterations of the solver.",
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
		c := newChart("chart-accuracy", "Accuracy by iteration", fmt.Sprintf("Accuracy on the training part ends at %s.", percent(v.Rows[len(v.Rows)-1].Train)),
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

// niceStep returns 1, 2 or 5 times a power of ten, so that there are 4 to 9 steps to top.
func niceStep(top float64) float64 {
	if !(top > 0) || math.IsInf(top, 0) {
		return 1
	}
	step := math.Pow(10, math.Floor(math.Log10(top/4)))
	for _, f := range []float64{5, 2} {
		if top/(f*step) >= 4 {
			return f * step
		}
	}
	return step
}

// calibration compares what the model claims with how often it is right.
type calibration struct {
	Chart       *chart
	Bins        []calibrationRow
	ECE, Before float64
	Temperature float64
	Images      int
}

// calibrationRow is a bin of confidence, with temperature and without.
type calibrationRow struct {
	Low, High     float64
	Before, After bin
}

// bin is the answers whose probability lies in a range.
type bin struct {
	Count                int
	Confidence, Accuracy float64 // means
}

func (e *evidence) calibration(m *Metrics) calibration {
	v := calibration{ECE: m.ECE, Before: m.ECEUncalibrated, Temperature: m.Temperature}
	var logits []float64
	var labels []int
	k := m.Classes
	for i, it := range e.items {
		if it.Split.String() == m.ConfusionPart {
			logits, labels = append(logits, e.logits[i*k:(i+1)*k]...), append(labels, it.Label)
		}
	}
	v.Images = len(labels)
	if v.Images == 0 {
		return v
	}
	before, after := reliability(logits, labels, k, 1), reliability(logits, labels, k, m.Temperature)
	c := newChart("chart-reliability", "Reliability", fmt.Sprintf("Accuracy by claimed probability; on the diagonal a claim is true. Expected calibration error %s without and %s with the temperature.",
		percent(v.Before), percent(v.ECE)), "claimed probability", "accuracy")
	c.Diagonal = true
	c.percentTicks(true, 0)
	c.percentTicks(false, 0)
	for _, s := range []struct {
		name, class string
		bins        []bin
	}{{"temperature 1", "b", before}, {fmt.Sprintf("temperature %.2f", m.Temperature), "a", after}} {
		if s.class == "b" && m.Temperature == 1 {
			continue
		}
		var points [][2]float64
		var titles []string
		var sizes []float64
		for _, b := range s.bins {
			if b.Count > 0 {
				points = append(points, [2]float64{b.Confidence, b.Accuracy})
				titles = append(titles, fmt.Sprintf("%s: %d pictures claimed at %s, %s right", s.name, b.Count, percent(b.Confidence), percent(b.Accuracy)))
				sizes = append(sizes, 2.5+6*math.Sqrt(float64(b.Count)/float64(v.Images)))
			}
		}
		c.add(s.name, s.class, points, titles, sizes)
	}
	v.Chart = &c
	for i := range before {
		if before[i].Count+after[i].Count > 0 {
			v.Bins = append(v.Bins, calibrationRow{float64(i) / calibrationBins, float64(i+1) / calibrationBins, before[i], after[i]})
		}
	}
	return v
}

// reliability sorts the answers into the bins that calibrationError uses.
func reliability(logits []float64, labels []int, classes int, temperature float64) []bin {
	out := make([]bin, calibrationBins)
	p := make([]float64, classes)
	for i, l := range labels {
		row := logits[i*classes : (i+1)*classes]
		softmax(p, row, temperature)
		top := argmax(row)
		b := &out[min(int(p[top]*calibrationBins), calibrationBins-1)]
		b.Count++
		b.Confidence += p[top]
		if top == l {
			b.Accuracy++
		}
	}
	for i := range out {
		if n := float64(out[i].Count); n > 0 {
			out[i].Confidence /= n
			out[i].Accuracy /= n
		}
	}
	return out
}

// Up to mostCells labels the confusion matrix is a table with numbers, up to mostHeat a picture.
const (
	mostCells = 25
	mostHeat  = 100
	mostPairs = 20
	mostNamed = 3000 // squares of the picture, if they are to have names
)

// confusionView shows what is taken for what.
type confusionView struct {
	Labels []string
	Table  [][]cell // [true][predicted], with few labels
	Heat   []heat   // with more
	Side   float64  // of the picture of the heat map
	Pairs  []pair
	More   int // pairs that are not listed
}

// cell is a number with how dark it is.
type cell struct {
	Count     int
	Class     string // "hit" or "miss", and "dark"
	Style     template.CSS
	Predicted string
}

// heat is a square of the heat map.
type heat struct {
	X, Y    float64
	Class   string
	Opacity float64
	Title   string
}

type pair struct {
	Label, Predicted string
	Count            int
	Share            float64 // of the label's pictures
}

const heatCell = 6

func newConfusion(m *Metrics) confusionView {
	var v confusionView
	for _, c := range m.PerClass {
		v.Labels = append(v.Labels, c.Label)
	}
	var pairs []pair
	for i, row := range m.Confusion {
		n := m.PerClass[i].Measured
		var cells []cell
		for j, count := range row {
			share := ratio(float64(count), n)
			if i != j && count > 0 {
				pairs = append(pairs, pair{v.Labels[i], v.Labels[j], count, share})
			}
			class := "miss"
			if i == j {
				class = "hit"
			}
			if len(v.Labels) <= mostCells {
				c := cell{Count: count, Class: class, Predicted: v.Labels[j], Style: template.CSS("--a:" + number(100*share) + "%")}
				switch {
				case count == 0:
					c.Class = "none"
				case share > 0.5:
					c.Class += " dark"
				}
				cells = append(cells, c)
			} else if len(v.Labels) <= mostHeat && count > 0 {
				v.Heat = append(v.Heat, heat{float64(heatCell * j), float64(heatCell * i), class, 0.25 + 0.75*share,
					fmt.Sprintf("%s taken for %s: %d of %d", v.Labels[i], v.Labels[j], count, n)})
			}
		}
		if cells != nil {
			v.Table = append(v.Table, cells)
		}
	}
	v.Side = float64(heatCell * len(v.Labels))
	if len(v.Heat) > mostNamed {
		for i := range v.Heat {
			v.Heat[i].Title = ""
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(b.Share, a.Share))
	})
	v.Pairs = pairs[:min(len(pairs), mostPairs)]
	v.More = len(pairs) - len(v.Pairs)
	return v
}

// mostClasses is how many labels the table of classes has.
const mostClasses = 300

// classView is the table of classes, the worst first.
type classView struct {
	List []classRow
	More int
}

// classRow is a class with the widths of its bars.
type classRow struct {
	Class
	PrecisionBar, RecallBar, F1Bar template.CSS
}

func newClasses(m *Metrics) classView {
	list := slices.Clone(m.PerClass)
	slices.SortStableFunc(list, func(a, b Class) int {
		if (a.Measured == 0) != (b.Measured == 0) { // what was not measured is not bad
			return cmp.Compare(b.Measured, a.Measured)
		}
		return cmp.Compare(a.F1, b.F1)
	})
	v := classView{More: max(0, len(list)-mostClasses)}
	bar := func(share float64) template.CSS { return template.CSS("width:" + number(100*share) + "%") }
	for _, c := range list[:len(list)-v.More] {
		v.List = append(v.List, classRow{c, bar(c.Precision), bar(c.Recall), bar(c.F1)})
	}
	return v
}
