package metrics

import (
	"math"
	"strings"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/internal/numeric"
)

// Part measures one part of the pictures. With no picture in it the rest is zero, and null in JSON.
type Part struct {
	Images   int
	Correct  int
	Accuracy float64    // Correct / Images, 0..1
	Interval [2]float64 // Wilson interval of Accuracy, 95 %
	// mean of -ln p(true label), with the model's temperature; of several labels: of -ln p(of what
	// is true), summed over the labels
	LogLoss  float64
	Weighted *Weighted // the same with pictures counting as much as a manifest says; nil where all count the same
}

// Weighted measures a part whose pictures count as much as their weights say. Nothing else in
// Metrics is weighted: counts, Accuracy, its interval, and all about ConfusionPart take each
// picture once.
type Weighted struct {
	Accuracy float64 `json:"accuracy"` // sum of the weights of the correct pictures over that of all
	// Wilson interval, 95 %, for (sum of weights)^2 / sum of squared weights pictures (Kish's
	// effective number)
	Interval [2]float64 `json:"accuracy_interval"`
	LogLoss  float64    `json:"log_loss"` // weighted mean
}

// Class measures one label.
type Class struct {
	Label      string  `json:"label"`
	Train      int     `json:"train"` // pictures in each part
	Validation int     `json:"validation"`
	Test       int     `json:"test"`
	Measured   int     `json:"measured"`  // pictures of this label in ConfusionPart
	Precision  float64 `json:"precision"` // 0 when nothing was predicted to be it
	Recall     float64 `json:"recall"`    // 0 when nothing was measured
	F1         float64 `json:"f1"`

	// ROCAUC is the chance that a picture of this label gets a higher probability of it than one of
	// another label, in ConfusionPart; ties count half. nil (null) when either kind is missing
	// there.
	ROCAUC *float64 `json:"roc_auc"`

	Predicted         int         `json:"predicted,omitempty"`          // pictures of ConfusionPart that were given it
	PrecisionInterval *[2]float64 `json:"precision_interval,omitempty"` // Wilson, 95 %
	RecallInterval    *[2]float64 `json:"recall_interval,omitempty"`

	// Where pictures have several labels; absent elsewhere.
	Threshold        *float64 `json:"threshold,omitempty"`         // probability from which on it is given
	AveragePrecision *float64 `json:"average_precision,omitempty"` // absent where no picture of ConfusionPart has it
}

// measure fills in precision, recall and F1 of the pictures that have the label, were given it, or
// both.
func (c *Class) measure(has, said, both int) {
	c.Measured, c.Predicted = has, said
	c.Precision, c.Recall = numeric.Ratio(float64(both), said), numeric.Ratio(float64(both), has)
	c.F1 = numeric.Ratio(2*float64(both), said+has)
	precision, recall := Wilson(both, said), Wilson(both, has)
	c.PrecisionInterval, c.RecallInterval = &precision, &recall
}

// Metrics is what a run measured. In JSON the parts are flat: "test_images", "test_correct",
// "test_accuracy", "test_accuracy_interval", "test_log_loss", the same with "train_" and
// "validation_", and "accuracy", "accuracy_interval", "correct" and "log_loss" for all pictures
// together; and where pictures have weights "weighted_accuracy", "weighted_accuracy_interval" and
// "weighted_log_loss", with and without these prefixes. Where pictures have several labels, a
// correct one has all of its labels answered and no other, "multi_label" has more, and there is
// neither top-k nor confusion.
type Metrics struct {
	Images      int // pictures measured
	Classes     int
	Quarantined int // pictures that could not be read
	Duplicates  int // pictures with the same bytes as an earlier one

	All, Train, Validation, Test Part

	// what Averages, Confusion, PerClass, TopK, ROCAUC and the two ECE are about: "test",
	// "validation", "train" or "all"
	ConfusionPart string
	Confusion     [][]int // [true label][predicted label]
	PerClass      []Class
	Averages      *Averages // nil where pictures have several labels: see MultiLabel
	// [k-1]: how often the label is among the k most probable, for k to 5 or the number of classes
	TopK        []float64
	ROCAUC      *float64 // mean of Class.ROCAUC where there is one; nil (null) when there is none
	Temperature float64  // the model's: see head.FitTemperature
	// expected calibration error, 15 bins of confidence, with Temperature; of several labels: of
	// every probability
	ECE             float64
	ECEUncalibrated float64     // the same with temperature 1
	MultiLabel      *MultiLabel // nil where pictures have one label

	// Of an evaluation alone: which of the pictures were in the model's training, "all", "some",
	// "none" or "unknown", what the model was trained or tuned on (its training and validation
	// parts), and all others; nil where that is unknown. Train, Validation and Test are empty for
	// "some" and "none", and follow the model's split rule for "unknown".
	Recalled     string
	Seen, Unseen *Part

	// Of a training run alone; nil elsewhere. The training and validation pictures, each answered
	// by a head like the model's that was trained without it; nil where that would have taken too
	// long, or where such heads are not to be had.
	CrossValidated *Part
	Findings       []doctor.Finding // of the checks before the run
	LabelErrors    *LabelErrors
	Outliers       []Outlier // the farthest first
	Unknown        *Unknown
}

// Picture is one picture and what the model said of it.
type Picture struct {
	Path        string  `json:"image"`
	Rel         string  `json:"path"` // slash path below the folder's root
	Part        string  `json:"part"` // "train", "validation" or "test"; "new" for none of the training's
	Label       string  `json:"label"`
	Predicted   string  `json:"predicted"`
	Probability float64 `json:"probability"`          // of Predicted, 0..1
	OfLabel     float64 `json:"probability_of_label"` // of Label, 0..1
	Rank        int     `json:"rank"`                 // of Label among the answers, 1 for the first
	Loss        float64 `json:"loss"`                 // cross-entropy, -ln OfLabel

	// Where pictures have several labels, Label and Predicted are all of them, as
	// dataset.Folder.LabelText puts it, and the probabilities are those of the whole answer: the
	// product over the labels. Rank is that of the least probable of Labels, 0 where there are none.
	Labels   []string `json:"labels,omitempty"`
	Answered []string `json:"answered,omitempty"`
}

// Predictions are what a model says of pictures: what metrics are made from.
type Predictions struct {
	Items       []dataset.Item // [n]; Label and Labels index Labels below
	Logits      []float64      // [n,K]
	Labels      []string       // [K]
	Temperature float64
	Part        string // what ConfusionPart is to be: "all", or "" for the best part there is

	Evaluation bool   // not of the training run itself
	Strange    []bool // [n], then: which pictures were not in the model's training; nil where that cannot be told

	MultiLabel bool      // pictures have any number of labels
	Thresholds []float64 // then: [K], or nil
}

// Measure computes everything that follows from the logits.
//
// Predictions whose slices do not belong together give nothing.
func (d Predictions) Measure() (Metrics, []Picture) {
	if !d.whole() {
		return Metrics{}, nil
	}
	k := len(d.Labels)
	m := Metrics{Images: len(d.Items), Classes: k, Temperature: d.Temperature, PerClass: make([]Class, k),
		ConfusionPart: d.Part}
	parts := []*Part{dataset.Train: &m.Train, dataset.Validation: &m.Validation, dataset.Test: &m.Test}
	pictures := make([]Picture, len(d.Items))
	d.recall(&m)
	sums := map[*Part]*weightSums{&m.All: {}, parts[0]: {}, parts[1]: {}, parts[2]: {}, m.Seen: {}, m.Unseen: {}}
	answer := d.answer
	if d.MultiLabel {
		answer = d.answerMultiLabel
	}
	for i, it := range d.Items {
		right, loss := answer(i, &pictures[i])
		pictures[i].Path, pictures[i].Rel, pictures[i].Part, pictures[i].Loss = it.Path, it.Rel, d.partOf(i), loss
		for _, p := range m.counted(parts[it.Split], pictures[i].Part) {
			p.Images++
			p.LogLoss += loss
			if right {
				p.Correct++
			}
			sums[p].add(it.Weight, right, loss)
		}
	}
	for _, p := range append(parts, &m.All, m.Seen, m.Unseen) {
		if p == nil || p.Images == 0 {
			continue
		}
		p.Accuracy = float64(p.Correct) / float64(p.Images)
		p.LogLoss /= float64(p.Images)
		p.Interval = Wilson(p.Correct, p.Images)
		if sums[&m.All].weighted {
			p.Weighted = sums[p].result()
		}
	}
	if m.ConfusionPart == "" {
		for _, s := range []dataset.Split{dataset.Train, dataset.Validation, dataset.Test} {
			if parts[s].Images > 0 {
				m.ConfusionPart = s.String()
			}
		}
	}
	if d.MultiLabel {
		d.multiLabel(&m)
	} else {
		d.confusion(&m)
	}
	return m, pictures
}

// of returns the logits and the items of a part, or of "all".
func (d Predictions) of(part string) (logits []float64, items []dataset.Item) {
	k := len(d.Labels)
	for i, it := range d.Items {
		if part == "all" || it.Split.String() == part {
			logits, items = append(logits, d.Logits[i*k:(i+1)*k]...), append(items, it)
		}
	}
	return logits, items
}

// answer fills in what the model says of picture i.
func (d Predictions) answer(i int, p *Picture) (right bool, loss float64) {
	k, label := len(d.Labels), d.Items[i].Label
	row, prob := d.Logits[i*k:(i+1)*k], make([]float64, k)
	top := numeric.Argmax(row)
	numeric.Softmax(prob, row, d.Temperature)
	p.Label, p.Predicted, p.Probability, p.OfLabel = d.Labels[label], d.Labels[top], prob[top], prob[label]
	p.Rank = rankOf(row, label)
	return top == label, numeric.CrossEntropy(row, label, d.Temperature)
}

// answerMultiLabel is answer where pictures have any number of labels.
func (d Predictions) answerMultiLabel(i int, p *Picture) (right bool, loss float64) {
	k, set := len(d.Labels), d.Items[i].Labels
	row := d.Logits[i*k : (i+1)*k]
	said := decide(row, [][]int{set}, d.Temperature, d.Thresholds, k)
	p.Labels, p.Answered, p.Probability = []string{}, []string{}, 1
	for l, name := range d.Labels {
		if said.has[l] {
			p.Labels = append(p.Labels, name)
			p.Rank = max(p.Rank, rankOf(row, l))
		}
		if said.said[l] {
			p.Answered = append(p.Answered, name)
			p.Probability *= said.prob[l]
		} else {
			p.Probability *= 1 - said.prob[l]
		}
	}
	loss = numeric.BinaryCrossEntropy(row, set, d.Temperature)
	p.Label, p.Predicted, p.OfLabel = joined(p.Labels), joined(p.Answered), math.Exp(-loss)
	return said.right(0), loss
}

// joined is a set of labels as people read it.
func joined(labels []string) string {
	if len(labels) == 0 {
		return "none of the labels"
	}
	return strings.Join(labels, " + ")
}

// weightSums are the sums of a part whose pictures have weights.
type weightSums struct {
	all, squares, right, loss float64
	weighted                  bool
}

// add takes up a picture; weight 0 is 1.
func (s *weightSums) add(weight float64, right bool, loss float64) {
	if weight == 0 {
		weight = 1
	}
	s.weighted = s.weighted || weight != 1
	s.all += weight
	s.squares += weight * weight
	s.loss += weight * loss
	if right {
		s.right += weight
	}
}

func (s *weightSums) result() *Weighted {
	share, effective := s.right/s.all, s.all*s.all/s.squares
	return &Weighted{Accuracy: share, Interval: wilson(share*effective, effective), LogLoss: s.loss / s.all}
}

// confusion fills what is about ConfusionPart alone.
func (d Predictions) confusion(m *Metrics) {
	k := len(d.Labels)
	m.Confusion = make([][]int, k)
	for i := range m.Confusion {
		m.Confusion[i] = make([]int, k)
		m.PerClass[i].Label = d.Labels[i]
	}
	for i, it := range d.Items {
		m.PerClass[it.Label].count(d.partOf(i))
	}
	logits, items := d.of(m.ConfusionPart)
	labels := make([]int, len(items))
	for i, it := range items {
		labels[i] = it.Label
		m.Confusion[it.Label][numeric.Argmax(logits[i*k:(i+1)*k])]++
	}
	m.ECE = calibrationError(logits, labels, k, d.Temperature)
	m.ECEUncalibrated = calibrationError(logits, labels, k, 1)
	m.TopK = topK(logits, labels, k)
	m.ROCAUC = classAUC(logits, labels, d.Temperature, m.PerClass)
	for i := range m.PerClass {
		has, said := 0, 0
		for j := range k {
			has += m.Confusion[i][j]
			said += m.Confusion[j][i]
		}
		m.PerClass[i].measure(has, said, m.Confusion[i][i])
	}
	m.Averages = averages(m.PerClass)
}

// whole says whether the slices belong together.
func (d Predictions) whole() bool {
	k := len(d.Labels)
	if k == 0 || len(d.Logits)%k != 0 || len(d.Logits)/k != len(d.Items) || !(d.Temperature > 0) ||
		d.Thresholds != nil && len(d.Thresholds) != k || d.Strange != nil && len(d.Strange) != len(d.Items) {
		return false
	}
	label := func(l int) bool { return l >= 0 && l < k }
	for _, it := range d.Items {
		if it.Split > dataset.Test || !label(it.Label) && !d.MultiLabel || d.MultiLabel && !every(it.Labels, label) {
			return false
		}
	}
	return true
}

func every(list []int, good func(int) bool) bool {
	for _, v := range list {
		if !good(v) {
			return false
		}
	}
	return true
}
