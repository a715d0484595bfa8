package report

import (
	"fmt"

	"github.com/c236555e/rehead/train/metrics"
)

// calibrationBins is how many bins the answers are sorted into at most, and binAnswers how many
// answers each should have.
const (
	calibrationBins = 10
	binAnswers      = 10
)

// calibration compares what the model claims with how often it is right.
type calibration struct {
	Chart         *chart
	Before, After []metrics.Bin // without temperature, and with it
	ECE, Solved   float64       // with temperature, and as solved
	Temperature   float64
	Images        int
	Decisions     int // answers compared: one a picture, or of several labels one a picture and label
}

// calibration measures on the part that the confusion matrix is of.
func (in *Input) calibration() calibration {
	m := in.Metrics
	v := calibration{ECE: m.ECE, Solved: m.ECEUncalibrated, Temperature: m.Temperature}
	part, images := in.Reliability(m.ConfusionPart, m.Temperature, 1)
	if v.Images = images; images == 0 {
		return v
	}
	v.Decisions = part[0].Count
	bins := min(calibrationBins, max(3, v.Decisions/binAnswers))
	v.Before, _ = in.Reliability(m.ConfusionPart, 1, bins)
	v.After, _ = in.Reliability(m.ConfusionPart, m.Temperature, bins)
	v.Chart = v.chart()
	return v
}

// chart draws the reliability diagram.
func (v *calibration) chart() *chart {
	c := newChart("chart-reliability", "Reliability",
		fmt.Sprintf("Accuracy by claimed probability; on the diagonal a claim is true. Expected calibration error %s "+
			"without and %s with the temperature.",
			percent(v.Solved), percent(v.ECE)), "claimed probability", "accuracy")
	c.Diagonal = true
	c.percentTicks(true, 0)
	c.percentTicks(false, 0)
	for _, s := range []struct {
		name, class string
		bins        []metrics.Bin
	}{{"temperature 1", "b", v.Before}, {fmt.Sprintf("temperature %.2f", v.Temperature), "a", v.After}} {
		if s.class == "b" && v.Temperature == 1 {
			continue
		}
		var points [][2]float64
		var titles []string
		for _, b := range s.bins {
			points = append(points, [2]float64{b.Confidence, b.Accuracy})
			titles = append(titles, fmt.Sprintf("%s: %d answers claimed at %s, %s right (%s to %s)", s.name, b.Count,
				percent(b.Confidence), percent(b.Accuracy), percent(b.Interval[0]), percent(b.Interval[1])))
		}
		c.add(s.name, s.class, points, titles, nil)
		if s.class == "a" {
			for _, b := range s.bins {
				c.Ranges = append(c.Ranges, rangeView{c.x(b.Confidence), c.y(b.Interval[0]), c.y(b.Interval[1])})
			}
		}
	}
	return &c
}
