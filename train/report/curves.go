package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/train/metrics"
)

// Bounds on the curves of the report.
const (
	mostCurves  = 30 // labels that have one
	drawnCurves = 6  // that are drawn together
	curvePoints = 60 // of each, in the threshold view
)

// curvesView is how labels fare at every threshold.
type curvesView struct {
	ROC, PR  chart
	Points   []operating
	Curves   []metrics.Curve // thin, for the threshold view: of the answer first, where there is one
	More     int             // labels without a curve
	Answers  metrics.Curve   // of the most probable label; empty for pictures of several labels
	Answered []coverage      // from it
	Drawn    []string        // labels of the charts, in the order of their colours
	Part     string
}

// operating is a label's best thresholds.
type operating struct {
	Label             string
	Positives         int
	AveragePrecision  float64
	Threshold         float64 // of the best F1
	Precision, Recall float64
	F1                float64
	Sure              *metrics.CurvePoint // the lowest threshold with a precision of surePrecision
	SureRecall        float64
}

const surePrecision = 0.95

// coverage is a threshold of the answer's probability.
type coverage struct {
	Threshold        float64
	Share, Accuracy  float64 // of the pictures that are answered, and of these that are right
	Answered, Wanted int
}

// curves draws what there is of the labels that have pictures, the worst first where there are many.
func (in *Input) curves() *curvesView {
	m := in.Metrics
	v := &curvesView{Part: m.ConfusionPart, Answers: in.AnswerCurve(m.ConfusionPart)}
	all := slices.DeleteFunc(in.Curves(m.ConfusionPart), func(c metrics.Curve) bool {
		return c.Positives == 0 || c.Positives == c.Images
	})
	if len(all) == 0 {
		return nil
	}
	worst := slices.Clone(all)
	slices.SortStableFunc(worst, func(a, b metrics.Curve) int {
		return cmp.Compare(a.AveragePrecision(), b.AveragePrecision())
	})
	if v.More = len(all) - mostCurves; v.More > 0 {
		all = worst[:mostCurves]
	} else {
		v.More = 0
	}
	for _, c := range all {
		v.Points = append(v.Points, operatingPoint(c))
	}
	drawn := all
	if len(all) > drawnCurves {
		drawn = worst[:drawnCurves]
	}
	v.draw(drawn)
	if v.Answers.Images > 0 {
		v.Answered = answered(v.Answers)
		v.Curves = append(v.Curves, v.Answers.Thin(curvePoints))
	}
	v.Answers.Points = nil
	for _, c := range all {
		v.Curves = append(v.Curves, c.Thin(curvePoints))
	}
	return v
}

// draw fills the two charts.
func (v *curvesView) draw(curves []metrics.Curve) {
	v.ROC = newChart("chart-roc", "ROC curves", "The share of each label's pictures that are found, by the share of the "+
		"others that are taken for it.", "others taken for the label", "pictures of the label found")
	v.PR = newChart("chart-pr", "Precision and recall", "Precision of each label by its recall, at every threshold.",
		"recall", "precision")
	v.ROC.Diagonal = true
	for _, c := range []*chart{&v.ROC, &v.PR} {
		c.percentTicks(true, 0)
		c.percentTicks(false, 0)
	}
	for i, c := range curves {
		roc, pr := [][2]float64{{0, 0}}, [][2]float64{}
		for _, p := range c.Thin(4 * curvePoints).Points {
			roc = append(roc, [2]float64{c.FalsePositives(p), c.Recall(p)})
			pr = append(pr, [2]float64{c.Recall(p), p.Precision()})
		}
		colour := fmt.Sprintf("k%d", i%mapColours)
		v.ROC.add("", colour, roc, nil, nil)
		v.PR.add("", colour, slices.Insert(pr, 0, [2]float64{0, pr[0][1]}), nil, nil)
		v.Drawn = append(v.Drawn, c.Label)
	}
}

// operatingPoint finds the threshold with the best F1, and the lowest one of a high precision.
func operatingPoint(c metrics.Curve) operating {
	o := operating{Label: c.Label, Positives: c.Positives, AveragePrecision: c.AveragePrecision()}
	for i, p := range c.Points {
		if f := 2 * float64(p.Right) / float64(p.Given+c.Positives); f > o.F1 {
			o.F1, o.Threshold, o.Precision, o.Recall = f, p.Threshold, p.Precision(), c.Recall(p)
		}
		if p.Precision() >= surePrecision {
			o.Sure, o.SureRecall = &c.Points[i], c.Recall(p)
		}
	}
	return o
}

// answered says what answering only surer pictures does.
func answered(c metrics.Curve) (rows []coverage) {
	for _, t := range []float64{0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99} {
		at := metrics.CurvePoint{}
		for _, p := range c.Points {
			if p.Threshold >= t {
				at = p
			}
		}
		rows = append(rows, coverage{t, float64(at.Given) / float64(c.Images), at.Precision(), at.Given, c.Images})
	}
	return rows
}
