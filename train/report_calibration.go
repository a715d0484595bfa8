package train

import (
	"fmt"
	"math"

	"github.com/c236555e/rehead/internal/numeric"
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
	var sets [][]int
	k := m.Classes
	for i, it := range e.items {
		if m.ConfusionPart == "all" || it.Split.String() == m.ConfusionPart {
			logits, labels = append(logits, e.logits[i*k:(i+1)*k]...), append(labels, it.Label)
			sets = append(sets, it.Labels)
		}
	}
	v.Images = len(labels)
	if v.Images == 0 {
		return v
	}
	before, after := reliability(logits, labels, k, 1), reliability(logits, labels, k, m.Temperature)
	if v.Decisions = v.Images; m.MultiLabel != nil {
		v.Decisions *= k
		before, after = decide(logits, sets, 1, nil, k).reliability(),
			decide(logits, sets, m.Temperature, nil, k).reliability()
	}
	c := newChart("chart-reliability", "Reliability",
		fmt.Sprintf("Accuracy by claimed probability; on the diagonal a claim is true. Expected calibration error %s "+
			"without and %s with the temperature.",
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
				titles = append(titles, fmt.Sprintf("%s: %d answers claimed at %s, %s right", s.name, b.Count,
					percent(b.Confidence), percent(b.Accuracy)))
				sizes = append(sizes, 2.5+6*math.Sqrt(float64(b.Count)/float64(v.Decisions)))
			}
		}
		c.add(s.name, s.class, points, titles, sizes)
	}
	v.Chart = &c
	for i := range before {
		if before[i].Count+after[i].Count > 0 {
			v.Bins = append(v.Bins, calibrationRow{float64(i) / calibrationBins, float64(i+1) / calibrationBins, before[i],
				after[i]})
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
		numeric.Softmax(p, row, temperature)
		top := numeric.Argmax(row)
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
