package metrics

import (
	"cmp"
	"slices"

	"github.com/c236555e/rehead/internal/numeric"
)

// Curve says how one label fares by the probability from which on a picture is said to have it. ROC
// and precision-recall curves are drawn from it.
type Curve struct {
	Label     string       `json:"label"` // "" for the answer itself, whatever label it is
	Images    int          `json:"images"`
	Positives int          `json:"positives"` // that have the label, or whose answer is right
	Points    []CurvePoint `json:"points"`    // by falling threshold, each threshold once
}

// CurvePoint is what a threshold does: so many pictures reach it, and so many of these have the label.
type CurvePoint struct {
	Threshold float64 `json:"threshold"`
	Given     int     `json:"given"`
	Right     int     `json:"right"`
}

// Precision is the share of the pictures given the label that have it; 1 where none is given it.
func (p CurvePoint) Precision() float64 {
	if p.Given == 0 {
		return 1
	}
	return numeric.Ratio(float64(p.Right), p.Given)
}

// Recall is the share of the pictures with the label that are given it at the point.
func (c Curve) Recall(p CurvePoint) float64 { return numeric.Ratio(float64(p.Right), c.Positives) }

// FalsePositives is the share of the pictures without the label that are given it at the point.
func (c Curve) FalsePositives(p CurvePoint) float64 {
	return numeric.Ratio(float64(p.Given-p.Right), c.Images-c.Positives)
}

// AveragePrecision is the mean, over the pictures that have the label, of the precision among those
// that are at least as probable as it; 0 where none has it.
func (c Curve) AveragePrecision() float64 {
	sum, before := 0.0, 0
	for _, p := range c.Points {
		sum += float64(p.Right-before) * p.Precision()
		before = p.Right
	}
	return numeric.Ratio(sum, c.Positives)
}

// Thin leaves at most so many points of the curve, evenly by the pictures given the label, the first
// and the last among them. Fewer than two leave all.
func (c Curve) Thin(most int) Curve {
	if len(c.Points) <= most || most < 2 {
		return c
	}
	thin := make([]CurvePoint, 0, most)
	for i := range most {
		thin = append(thin, c.Points[i*(len(c.Points)-1)/(most-1)])
	}
	c.Points = thin
	return c
}

// Curves measures a part (or "all") at every threshold: a curve for each label, one against the rest.
//
// Predictions whose slices do not belong together give nothing.
func (d Predictions) Curves(part string) []Curve {
	if !d.whole() {
		return nil
	}
	_, sets, prob := d.probabilities(part)
	k := len(d.Labels)
	scores, is := make([]float64, len(sets)), make([]bool, len(sets))
	out := make([]Curve, k)
	for l := range out {
		for i := range sets {
			scores[i], is[i] = prob[i*k+l], slices.Contains(sets[i], l)
		}
		out[l] = curve(d.Labels[l], scores, is)
	}
	return out
}

// AnswerCurve measures a part (or "all") at every threshold of the most probable label's probability:
// how many pictures are answered if only surer answers count, and how many of these are right. It is
// empty where pictures have any number of labels.
func (d Predictions) AnswerCurve(part string) Curve {
	if !d.whole() || d.MultiLabel {
		return Curve{}
	}
	logits, sets, prob := d.probabilities(part)
	k := len(d.Labels)
	scores, is := make([]float64, len(sets)), make([]bool, len(sets))
	for i, set := range sets {
		top := numeric.Argmax(logits[i*k : (i+1)*k])
		scores[i], is[i] = prob[i*k+top], set[0] == top
	}
	return curve("", scores, is)
}

// probabilities are those of a part's pictures [n,K], with their logits and labels.
func (d Predictions) probabilities(part string) (logits []float64, sets [][]int, prob []float64) {
	k := len(d.Labels)
	logits, items := d.of(part)
	if sets = labelSets(items); d.MultiLabel {
		return logits, sets, decide(logits, sets, d.Temperature, nil, k).prob
	}
	prob = make([]float64, len(logits))
	for i, it := range items {
		sets[i] = []int{it.Label}
		numeric.Softmax(prob[i*k:(i+1)*k], logits[i*k:(i+1)*k], d.Temperature)
	}
	return logits, sets, prob
}

func curve(label string, scores []float64, is []bool) Curve {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	c := Curve{Label: label, Images: len(scores)}
	for at, i := range order {
		if is[i] {
			c.Positives++
		}
		if at+1 < len(order) && scores[order[at+1]] == scores[i] {
			continue // equal ones come together
		}
		c.Points = append(c.Points, CurvePoint{scores[i], at + 1, c.Positives})
	}
	return c
}
