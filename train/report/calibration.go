package report

import (
	"fmt"
	"math"

	"github.com/c236555e/rehead/train/metrics"
)

// calibration compares what the model claims with how often it is right.
type calibration struct {
	Chart       *chart
	Bins        []calibrationRow
	ECE, Before float64
	Temperature float64
	Images      int
	Decisions   int // answers compared: one a picture, or of several labels one a picture and label
}

// calibrationRow is a bin of confidence, with temperature and without.
type calibrationRow struct {
	Low, High     float64
	Before, After metrics.Bin
}

// calibration measures on the part that the confusion matrix is of.
func (in *Input) calibration() calibration {
	m := in.Metrics
	v := calibration{ECE: m.ECE, Before: m.ECEUncalibrated, Temperature: m.Temperature}
	before, images := in.Reliability(m.ConfusionPart, 1)
	after, _ := in.Reliability(m.ConfusionPart, m.Temperature)
	if v.Images = images; images == 0 {
		return v
	}
	for i := range before {
		v.Decisions += after[i].Count
		if before[i].Count+after[i].Count > 0 {
			n := float64(len(before))
			v.Bins = append(v.Bins, calibrationRow{float64(i) / n, float64(i+1) / n, before[i], after[i]})
		}
	}
	v.Chart = v.chart(before, after)
	return v
}

// chart draws the reliability diagram.
func (v *calibration) chart(before, after []metrics.Bin) *chart {
	c := newChart("chart-reliability", "Reliability",
		fmt.Sprintf("Accuracy by claimed probability; on the diagonal a claim is true. Expected calibration error %s "+
			"without and %s with the temperature.",
			percent(v.Before), percent(v.ECE)), "claimed probability", "accuracy")
	c.Diagonal = true
	c.percentTicks(true, 0)
	c.percentTicks(false, 0)
	for _, s := range []struct {
		name, class string
		bins        []metrics.Bin
	}{{"temperature 1", "b", before}, {fmt.Sprintf("temperature %.2f", v.Temperature), "a", after}} {
		if s.class == "b" && v.Temperature == 1 {
			continue
		}
		var points [][2]float64
		var titles []string
		var sizes []float64
		for _, b := range s.bins {
			if b.Count > 0 {
				points = append(points, [2]float64{b.Confidence, b.Accuracy})
				titles = append(titles, fmt.Sprintf("%s: %d answers claimed at %s, %s right", s.name, b.Count,
					percent(b.Confidence), percent(b.Accuracy)))
				sizes = append(sizes, 2.5+6*math.Sqrt(float64(b.Count)/float64(v.Decisions)))
			}
		}
		c.add(s.name, s.class, points, titles, sizes)
	}
	return &c
}
