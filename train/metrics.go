package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
)

// Part measures one part of the pictures. With no picture in it the rest is zero, and null in JSON.
type Part struct {
	Images   int
	Correct  int
	Accuracy float64    // Correct / Images, 0..1
	Interval [2]float64 // Wilson interval of Accuracy, 95 %
	LogLoss  float64    // mean of -ln p(true label), with the model's temperature; of several labels: of -ln p(of what is so), summed over the labels
	Weighted *Weighted  // the same with pictures counting as much as a manifest says; nil where all count the same
}

// Weighted measures a part whose pictures count as much as their weights say. Nothing else in Metrics is weighted: counts, Accuracy, its
// interval, and all about ConfusionPart take each picture once.
type Weighted struct {
	Accuracy float64    // sum of the weights of the correct pictures over that of all
	Interval [2]float64 // Wilson interval, 95 %, for (sum of weights)^2 / sum of squared weights pictures (Kish's effective number)
	LogLoss  float64    // weighted mean
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

	// ROCAUC is the chance that a picture of this label gets a higher probability of it than one of another label, in
	// ConfusionPart; ties count half. nil (null) when either kind is missing there.
	ROCAUC *float64 `json:"roc_auc"`

	// Where pictures have several labels; absent elsewhere.
	Predicted         int         `json:"predicted,omitempty"`          // pictures of ConfusionPart that were given it
	Threshold         *float64    `json:"threshold,omitempty"`          // probability from which on it is given
	AveragePrecision  *float64    `json:"average_precision,omitempty"`  // absent where no picture of ConfusionPart has it
	PrecisionInterval *[2]float64 `json:"precision_interval,omitempty"` // Wilson, 95 %
	RecallInterval    *[2]float64 `json:"recall_interval,omitempty"`
}

// Metrics is what a run measured. In JSON the parts are flat: "test_images", "test_correct", "test_accuracy",
// "test_accuracy_interval", "test_log_loss", the same with "train_" and "validation_", and "accuracy",
// "accuracy_interval", "correct" and "log_loss" for all pictures together; and where pictures have weights "weighted_accuracy",
// "weighted_accuracy_interval" and "weighted_log_loss", with and without these prefixes. Where pictures have several labels, a correct one has
// all of its labels answered and no other, "multi_label" has more, and there is neither top-k nor confusion.
type Metrics struct {
	Images      int // pictures measured
	Classes     int
	Quarantined int // pictures that could not be read
	Duplicates  int // pictures with the same bytes as an earlier one

	All, Train, Validation, Test Part

	ConfusionPart   string  // what Confusion, PerClass, TopK, ROCAUC and the two ECE are about: "test", "validation", "train" or "all"
	Confusion       [][]int // [true label][predicted label]
	PerClass        []Class
	TopK            []float64   // [k-1]: how often the label is among the k most probable, for k to 5 or the number of classes
	ROCAUC          *float64    // mean of Class.ROCAUC where there is one; nil (null) when there is none
	Temperature     float64     // the model's: fitted on the validation part, 1 when there is none
	ECE             float64     // expected calibration error, 15 bins of confidence, with Temperature; of several labels: of every probability
	ECEUncalibrated float64     // the same with temperature 1
	MultiLabel      *MultiLabel // nil where pictures have one label

	// Of a training run alone; nil elsewhere.
	Findings    []dataset.Finding // of the checks before the run
	LabelErrors *LabelErrors
	Outliers    []Outlier // the farthest first
	Unknown     *UnknownMetrics
}

// part is the JSON of Part: null for what is not known.
type part struct {
	images, correct *int
	accuracy, loss  **float64
	interval        **[2]float64
	weighted        *weightedJSON
}

// weightedJSON is the JSON of Weighted.
type weightedJSON struct {
	accuracy, loss **float64
	interval       **[2]float64
}

// metricsJSON is the JSON of Metrics.
type metricsJSON struct {
	Images  int `json:"images"`
	Classes int `json:"classes"`

	TrainAccuracy      *float64 `json:"train_accuracy"`
	ValidationAccuracy *float64 `json:"validation_accuracy"`
	TestAccuracy       *float64 `json:"test_accuracy"`
	Accuracy           *float64 `json:"accuracy"`

	TrainInterval      *[2]float64 `json:"train_accuracy_interval"`
	ValidationInterval *[2]float64 `json:"validation_accuracy_interval"`
	TestInterval       *[2]float64 `json:"test_accuracy_interval"`
	Interval           *[2]float64 `json:"accuracy_interval"`

	TrainLogLoss      *float64 `json:"train_log_loss"`
	ValidationLogLoss *float64 `json:"validation_log_loss"`
	TestLogLoss       *float64 `json:"test_log_loss"`
	LogLoss           *float64 `json:"log_loss"`

	TrainWeighted           *float64    `json:"train_weighted_accuracy,omitempty"`
	ValidationWeighted      *float64    `json:"validation_weighted_accuracy,omitempty"`
	TestWeighted            *float64    `json:"test_weighted_accuracy,omitempty"`
	Weighted                *float64    `json:"weighted_accuracy,omitempty"`
	TrainWeightedRange      *[2]float64 `json:"train_weighted_accuracy_interval,omitempty"`
	ValidationWeightedRange *[2]float64 `json:"validation_weighted_accuracy_interval,omitempty"`
	TestWeightedRange       *[2]float64 `json:"test_weighted_accuracy_interval,omitempty"`
	WeightedRange           *[2]float64 `json:"weighted_accuracy_interval,omitempty"`
	TrainWeightedLoss       *float64    `json:"train_weighted_log_loss,omitempty"`
	ValidationWeightedLoss  *float64    `json:"validation_weighted_log_loss,omitempty"`
	TestWeightedLoss        *float64    `json:"test_weighted_log_loss,omitempty"`
	WeightedLoss            *float64    `json:"weighted_log_loss,omitempty"`

	TrainImages       int `json:"train_images"`
	ValidationImages  int `json:"validation_images"`
	TestImages        int `json:"test_images"`
	TrainCorrect      int `json:"train_correct"`
	ValidationCorrect int `json:"validation_correct"`
	TestCorrect       int `json:"test_correct"`
	Correct           int `json:"correct"`

	Quarantined     int       `json:"quarantined"`
	Duplicates      int       `json:"duplicates"`
	Temperature     float64   `json:"temperature"`
	ECE             float64   `json:"ece"`
	ECEUncalibrated float64   `json:"ece_uncalibrated"`
	ConfusionPart   string    `json:"confusion_part"`
	TopK            []float64 `json:"top_k_accuracy"` // of ConfusionPart; [0] is top-1
	ROCAUC          *float64  `json:"roc_auc"`
	PerClass        []Class   `json:"per_class"`
	Confusion       [][]int   `json:"confusion"`

	MultiLabel  *MultiLabel       `json:"multi_label,omitempty"`
	Findings    []dataset.Finding `json:"findings,omitempty"`
	LabelErrors *LabelErrors      `json:"label_errors,omitempty"`
	Outliers    []Outlier         `json:"outliers,omitempty"`
	Unknown     *UnknownMetrics   `json:"unknown,omitempty"`
}

// pairs matches the parts of m with their places in j.
func (m *Metrics) pairs(j *metricsJSON) map[*Part]part {
	return map[*Part]part{
		&m.Train:      {&j.TrainImages, &j.TrainCorrect, &j.TrainAccuracy, &j.TrainLogLoss, &j.TrainInterval, &weightedJSON{&j.TrainWeighted, &j.TrainWeightedLoss, &j.TrainWeightedRange}},
		&m.Validation: {&j.ValidationImages, &j.ValidationCorrect, &j.ValidationAccuracy, &j.ValidationLogLoss, &j.ValidationInterval, &weightedJSON{&j.ValidationWeighted, &j.ValidationWeightedLoss, &j.ValidationWeightedRange}},
		&m.Test:       {&j.TestImages, &j.TestCorrect, &j.TestAccuracy, &j.TestLogLoss, &j.TestInterval, &weightedJSON{&j.TestWeighted, &j.TestWeightedLoss, &j.TestWeightedRange}},
		&m.All:        {&j.Images, &j.Correct, &j.Accuracy, &j.LogLoss, &j.Interval, &weightedJSON{&j.Weighted, &j.WeightedLoss, &j.WeightedRange}},
	}
}

// MarshalJSON writes the flat form.
func (m Metrics) MarshalJSON() ([]byte, error) {
	j := metricsJSON{
		Classes: m.Classes, Quarantined: m.Quarantined, Duplicates: m.Duplicates, Temperature: m.Temperature,
		ECE: m.ECE, ECEUncalibrated: m.ECEUncalibrated, ConfusionPart: m.ConfusionPart, TopK: m.TopK, ROCAUC: m.ROCAUC,
		PerClass: m.PerClass, Confusion: m.Confusion, Findings: m.Findings, LabelErrors: m.LabelErrors, Outliers: m.Outliers, Unknown: m.Unknown, MultiLabel: m.MultiLabel,
	}
	for p, out := range m.pairs(&j) {
		*out.images, *out.correct = p.Images, p.Correct
		if p.Images > 0 {
			*out.accuracy, *out.loss, *out.interval = &p.Accuracy, &p.LogLoss, &p.Interval
		}
		if w := p.Weighted; w != nil {
			*out.weighted.accuracy, *out.weighted.loss, *out.weighted.interval = &w.Accuracy, &w.LogLoss, &w.Interval
		}
	}
	j.Images = m.Images
	return json.Marshal(j)
}

// UnmarshalJSON reads the flat form.
func (m *Metrics) UnmarshalJSON(data []byte) error {
	var j metricsJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*m = Metrics{
		Images: j.Images, Classes: j.Classes, Quarantined: j.Quarantined, Duplicates: j.Duplicates, Temperature: j.Temperature,
		ECE: j.ECE, ECEUncalibrated: j.ECEUncalibrated, ConfusionPart: j.ConfusionPart, TopK: j.TopK, ROCAUC: j.ROCAUC,
		PerClass: j.PerClass, Confusion: j.Confusion, Findings: j.Findings, LabelErrors: j.LabelErrors, Outliers: j.Outliers, Unknown: j.Unknown, MultiLabel: j.MultiLabel,
	}
	for p, in := range m.pairs(&j) {
		p.Images, p.Correct = *in.images, *in.correct
		if *in.accuracy != nil && *in.loss != nil && *in.interval != nil {
			p.Accuracy, p.LogLoss, p.Interval = **in.accuracy, **in.loss, **in.interval
		}
		if w := in.weighted; *w.accuracy != nil && *w.loss != nil && *w.interval != nil {
			p.Weighted = &Weighted{Accuracy: **w.accuracy, LogLoss: **w.loss, Interval: **w.interval}
		}
	}
	return nil
}

// Picture is one picture and what the model said of it.
type Picture struct {
	Path        string  `json:"image"`
	Rel         string  `json:"path"` // slash path below the folder's root
	Part        string  `json:"part"` // "train", "validation" or "test"
	Label       string  `json:"label"`
	Predicted   string  `json:"predicted"`
	Probability float64 `json:"probability"`          // of Predicted, 0..1
	OfLabel     float64 `json:"probability_of_label"` // of Label, 0..1

	// Where pictures have several labels, Label and Predicted are all of them, as dataset.Folder.LabelText puts it, and the probabilities are
	// those of the whole answer: the product over the labels.
	Labels   []string `json:"labels,omitempty"`
	Answered []string `json:"answered,omitempty"`
}

// measured is what metrics are made from: pictures with labels of the model, and their logits.
type measured struct {
	items   []dataset.Item // [n]; Label indexes labels
	logits  []float64      // [n,K]
	labels  []string       // [K]
	temp    float64
	confuse string // "all", or "" for the best part there is

	several    bool      // pictures have several labels
	thresholds []float64 // then: [K], or nil
}

// measure computes everything that follows from the logits.
func (d measured) measure() (Metrics, []Picture) {
	k := len(d.labels)
	m := Metrics{Images: len(d.items), Classes: k, Temperature: d.temp, PerClass: make([]Class, k), ConfusionPart: d.confuse}
	parts := []*Part{dataset.Train: &m.Train, dataset.Validation: &m.Validation, dataset.Test: &m.Test}
	pictures := make([]Picture, len(d.items))
	sums := map[*Part]*weightSums{&m.All: {}, parts[0]: {}, parts[1]: {}, parts[2]: {}}
	answer := d.answer
	if d.several {
		answer = d.answerSeveral
	}
	for i, it := range d.items {
		right, loss := answer(i, &pictures[i])
		pictures[i].Path, pictures[i].Rel, pictures[i].Part = it.Path, it.Rel, it.Split.String()
		for _, p := range []*Part{parts[it.Split], &m.All} {
			p.Images++
			p.LogLoss += loss
			if right {
				p.Correct++
			}
			sums[p].add(it.Weight, right, loss)
		}
	}
	for _, p := range append(parts, &m.All) {
		if p.Images > 0 {
			p.Accuracy = float64(p.Correct) / float64(p.Images)
			p.LogLoss /= float64(p.Images)
			p.Interval = Wilson(p.Correct, p.Images)
		}
		if sums[&m.All].weighted && p.Images > 0 {
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
	if d.several {
		d.severalMetrics(&m)
	} else {
		d.confusion(&m)
	}
	return m, pictures
}

// answer fills in what the model says of picture i.
func (d measured) answer(i int, p *Picture) (right bool, loss float64) {
	k, label := len(d.labels), d.items[i].Label
	row, prob := d.logits[i*k:(i+1)*k], make([]float64, k)
	top := argmax(row)
	softmax(prob, row, d.temp)
	p.Label, p.Predicted, p.Probability, p.OfLabel = d.labels[label], d.labels[top], prob[top], prob[label]
	return top == label, crossEntropy(row, label, d.temp)
}

// answerSeveral is answer where pictures have several labels.
func (d measured) answerSeveral(i int, p *Picture) (right bool, loss float64) {
	k, set := len(d.labels), d.items[i].Labels
	row := d.logits[i*k : (i+1)*k]
	said := decide(row, [][]int{set}, d.temp, d.thresholds, k)
	p.Labels, p.Answered, p.Probability = []string{}, []string{}, 1
	for l, name := range d.labels {
		if said.has[l] {
			p.Labels = append(p.Labels, name)
		}
		if said.said[l] {
			p.Answered = append(p.Answered, name)
			p.Probability *= said.prob[l]
		} else {
			p.Probability *= 1 - said.prob[l]
		}
	}
	loss = binaryCrossEntropy(row, set, d.temp)
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
func (d measured) confusion(m *Metrics) {
	k := len(d.labels)
	m.Confusion = make([][]int, k)
	for i := range m.Confusion {
		m.Confusion[i] = make([]int, k)
		m.PerClass[i].Label = d.labels[i]
	}
	var logits []float64
	var labels []int
	for i, it := range d.items {
		m.PerClass[it.Label].count(it.Split)
		if m.ConfusionPart != "all" && it.Split.String() != m.ConfusionPart {
			continue
		}
		row := d.logits[i*k : (i+1)*k]
		logits, labels = append(logits, row...), append(labels, it.Label)
		m.Confusion[it.Label][argmax(row)]++
	}
	m.ECE = calibrationError(logits, labels, k, d.temp)
	m.ECEUncalibrated = calibrationError(logits, labels, k, 1)
	m.TopK = topK(logits, labels, k)
	m.ROCAUC = classAUC(logits, labels, d.temp, m.PerClass)
	for i := range m.PerClass {
		c := &m.PerClass[i]
		predicted := 0
		for j := range k {
			c.Measured += m.Confusion[i][j]
			predicted += m.Confusion[j][i]
		}
		right := float64(m.Confusion[i][i])
		c.Precision = ratio(right, predicted)
		c.Recall = ratio(right, c.Measured)
		c.F1 = ratio(2*right, predicted+c.Measured)
	}
}

// ratio is a/n, and 0 for 0 of 0.
func ratio(a float64, n int) float64 {
	if n == 0 {
		return 0
	}
	return a / float64(n)
}

// headMetrics measures a head on embedded pictures, whose logits it leaves in d.
func headMetrics(ctx context.Context, head inception.Head, rows [][]float32, d *measured, threads int) (Metrics, []Picture, error) {
	var err error
	if d.logits, err = headLogits(ctx, head, rows, threads); err != nil {
		return Metrics{}, nil, fmt.Errorf("train: measure: %w", err)
	}
	m, pictures := d.measure()
	return m, pictures, nil
}
