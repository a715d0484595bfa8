package metrics

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/internal/numeric"
)

// MultiLabel measures a head of sigmoids on Metrics.ConfusionPart. An answer is every label whose
// probability reaches the model's threshold for it. Micro averages count decisions, macro averages
// labels; intervals are 95 %, Wilson's for shares of pictures, else percentiles of the pictures
// drawn anew with replacement, and null where that would take too long.
type MultiLabel struct {
	Images         int     `json:"images"`
	LabelsPerImage float64 `json:"labels_per_image"` // that pictures have, on average

	// share of pictures with all their labels answered and no other
	SubsetAccuracy         float64     `json:"subset_accuracy"`
	SubsetAccuracyInterval [2]float64  `json:"subset_accuracy_interval"`
	HammingLoss            float64     `json:"hamming_loss"` // share of wrong decisions, Images x labels of them
	HammingLossInterval    *[2]float64 `json:"hamming_loss_interval"`
	MicroPrecision         float64     `json:"micro_precision"`
	MicroRecall            float64     `json:"micro_recall"`
	MicroF1                float64     `json:"micro_f1"`
	MicroF1Interval        *[2]float64 `json:"micro_f1_interval"`
	MacroF1                float64     `json:"macro_f1"` // mean over the labels that a picture has or was given
	MacroF1Interval        *[2]float64 `json:"macro_f1_interval"`
	MeanAP                 float64     `json:"mean_average_precision"` // over the labels that a picture has
	MeanAPInterval         *[2]float64 `json:"mean_average_precision_interval"`
}

// decisions are what a head of sigmoids says of pictures.
type decisions struct {
	prob       []float64 // [n,K]
	has, said  []bool    // [n,K]
	n, k       int
	order      [][]int // [K][n] pictures by falling probability
	thresholds []float64
}

// decide turns the logits of a part into decisions. Thresholds nil are 0.5 each.
func decide(logits []float64, sets [][]int, temperature float64, thresholds []float64, k int) *decisions {
	d := &decisions{prob: make([]float64, len(logits)), has: make([]bool, len(logits)), said: make([]bool, len(logits)),
		n: len(sets), k: k, thresholds: thresholds}
	for i, set := range sets {
		for l := range k {
			at := i*k + l
			d.prob[at] = numeric.Sigmoid(logits[at] / temperature)
			d.said[at] = d.prob[at] >= d.threshold(l)
		}
		for _, l := range set {
			d.has[i*k+l] = true
		}
	}
	d.order = make([][]int, k)
	for l := range k {
		d.order[l] = make([]int, d.n)
		for i := range d.order[l] {
			d.order[l][i] = i
		}
		slices.SortStableFunc(d.order[l], func(a, b int) int { return cmp.Compare(d.prob[b*k+l], d.prob[a*k+l]) })
	}
	return d
}

func (d *decisions) threshold(l int) float64 {
	if d.thresholds == nil {
		return 0.5
	}
	return d.thresholds[l]
}

// right says whether picture i was given its labels and no other.
func (d *decisions) right(i int) bool {
	return slices.Equal(d.has[i*d.k:(i+1)*d.k], d.said[i*d.k:(i+1)*d.k])
}

// tallies are the decisions on one label.
type tallies struct{ has, said, both float64 }

// tally counts each label's decisions, picture i as often as times says.
func (d *decisions) tally(times []float64) []tallies {
	out := make([]tallies, d.k)
	for i, w := range times {
		if w == 0 {
			continue
		}
		for l := range d.k {
			has, said := d.has[i*d.k+l], d.said[i*d.k+l]
			if has {
				out[l].has += w
			}
			if said {
				out[l].said += w
			}
			if has && said {
				out[l].both += w
			}
		}
	}
	return out
}

// averagePrecision is the mean, over the pictures that have label l, of the precision among those
// that are at least as probable as it; it is not ok where none has it.
func (d *decisions) averagePrecision(l int, times []float64) (ap float64, ok bool) {
	seen, found, before := 0.0, 0.0, 0.0
	order := d.order[l]
	for at, i := range order {
		seen += times[i]
		if d.has[i*d.k+l] {
			found += times[i]
		}
		if at+1 < len(order) && d.prob[order[at+1]*d.k+l] == d.prob[i*d.k+l] {
			continue // equal ones come together
		}
		if found > before {
			ap += (found - before) * found / seen
			before = found
		}
	}
	if found == 0 {
		return 0, false
	}
	return ap / found, true
}

// Places in what summary returns.
const (
	atHamming = iota
	atMicro
	atMacro
	atMeanAP
	summaries
)

// summary computes what intervals are drawn of.
func (d *decisions) summary(times []float64) (v [summaries]float64) {
	var all tallies
	wrong, macro, labels, ap, aps := 0.0, 0.0, 0.0, 0.0, 0.0
	for l, t := range d.tally(times) {
		all.has, all.said, all.both = all.has+t.has, all.said+t.said, all.both+t.both
		wrong += t.has + t.said - 2*t.both
		if t.has+t.said > 0 {
			macro += t.f1()
			labels++
		}
		if p, ok := d.averagePrecision(l, times); ok {
			ap += p
			aps++
		}
	}
	v[atHamming], v[atMicro] = wrong/float64(max(1, d.n*d.k)), all.f1()
	v[atMacro], v[atMeanAP] = macro/max(1, labels), ap/max(1, aps)
	return v
}

func (t tallies) f1() float64 {
	if t.has+t.said == 0 {
		return 0
	}
	return 2 * t.both / (t.has + t.said)
}

// Of the intervals that are drawn.
const (
	drawings    = 1000
	fewDrawings = 100 // with fewer there is no interval
	drawingWork = 5e8 // decisions to look at, some seconds
)

// intervals draws the pictures anew, the same ones in every run, and returns the middle 95 % of
// each summary; nil where it would take too long.
func (d *decisions) intervals() (out [summaries]*[2]float64) {
	draws := min(drawings, int(drawingWork/float64(max(1, d.n*d.k))))
	if draws < fewDrawings || d.n == 0 {
		return out
	}
	rng, times := rand.New(rand.NewPCG(uint64(d.n), uint64(d.k))), make([]float64, d.n)
	values := [summaries][]float64{}
	for range draws {
		clear(times)
		for range d.n {
			times[rng.IntN(d.n)]++
		}
		for s, v := range d.summary(times) {
			values[s] = append(values[s], v)
		}
	}
	for s := range values {
		slices.Sort(values[s])
		out[s] = &[2]float64{values[s][draws/40], values[s][draws-1-draws/40]}
	}
	return out
}

// multiLabel fills what is about ConfusionPart alone, where pictures have any number of labels.
func (d Predictions) multiLabel(m *Metrics) {
	k := len(d.Labels)
	for i := range m.PerClass {
		m.PerClass[i].Label = d.Labels[i]
	}
	for i, it := range d.Items {
		for _, l := range it.Labels {
			m.PerClass[l].count(d.partOf(i))
		}
	}
	logits, items := d.of(m.ConfusionPart)
	sets := labelSets(items)
	s := decide(logits, sets, d.Temperature, d.Thresholds, k)
	m.ECE, m.ECEUncalibrated = s.calibrationError(), decide(logits, sets, 1, d.Thresholds, k).calibrationError()
	once := make([]float64, s.n)
	for i := range once {
		once[i] = 1
	}
	v, intervals := s.summary(once), s.intervals()
	out := &MultiLabel{
		Images: s.n, HammingLoss: v[atHamming], MicroF1: v[atMicro], MacroF1: v[atMacro], MeanAP: v[atMeanAP],
		HammingLossInterval: intervals[atHamming], MicroF1Interval: intervals[atMicro], MacroF1Interval: intervals[atMacro],
		MeanAPInterval: intervals[atMeanAP],
	}
	right := 0
	for i := range s.n {
		if s.right(i) {
			right++
		}
	}
	out.SubsetAccuracy, out.SubsetAccuracyInterval = numeric.Ratio(float64(right), s.n), Wilson(right, s.n)
	var all tallies
	auc, aucs := 0.0, 0
	for l, t := range s.tally(once) {
		all.has, all.said, all.both = all.has+t.has, all.said+t.said, all.both+t.both
		s.class(l, t, once, &m.PerClass[l])
		if c := m.PerClass[l].ROCAUC; c != nil {
			auc += *c
			aucs++
		}
	}
	out.MicroPrecision, out.MicroRecall = numeric.Ratio(all.both, int(all.said)), numeric.Ratio(all.both, int(all.has))
	out.LabelsPerImage = numeric.Ratio(all.has, s.n)
	if aucs > 0 {
		auc /= float64(aucs)
		m.ROCAUC = &auc
	}
	m.MultiLabel = out
}

// labelSets lists the labels of each item.
func labelSets(items []dataset.Item) [][]int {
	sets := make([][]int, len(items))
	for i, it := range items {
		sets[i] = it.Labels
	}
	return sets
}

// class measures one label.
func (d *decisions) class(l int, t tallies, once []float64, c *Class) {
	threshold := d.threshold(l)
	c.Threshold = &threshold
	c.measure(int(t.has), int(t.said), int(t.both))
	scores, is := make([]float64, d.n), make([]bool, d.n)
	for i := range d.n {
		scores[i], is[i] = d.prob[i*d.k+l], d.has[i*d.k+l]
	}
	if auc, ok := rocAUC(scores, is); ok {
		c.ROCAUC = &auc
	}
	if ap, ok := d.averagePrecision(l, once); ok {
		c.AveragePrecision = &ap
	}
}

// calibrationError is the expected calibration error of all decisions: over bins of probability,
// the mean of |share that has the label - probability| weighted by the number of decisions.
func (d *decisions) calibrationError() float64 {
	var off [calibrationBins]float64
	for i, p := range d.prob {
		bin := binOf(p)
		off[bin] += p
		if d.has[i] {
			off[bin]--
		}
	}
	e := 0.0
	for _, o := range off {
		e += max(o, -o)
	}
	return e / float64(max(1, len(d.prob)))
}

// count counts a picture of the label.
func (c *Class) count(part string) {
	switch part {
	case "train":
		c.Train++
	case "validation":
		c.Validation++
	case "test":
		c.Test++
	}
}
