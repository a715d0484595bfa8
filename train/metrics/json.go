package metrics

import (
	"encoding/json"

	"github.com/c236555e/rehead/dataset/doctor"
)

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

	CrossValidated *Part `json:"cross_validated,omitempty"`

	Recalled string `json:"training_pictures,omitempty"`
	Seen     *Part  `json:"seen,omitempty"`
	Unseen   *Part  `json:"unseen,omitempty"`

	*Averages
	Gap string `json:"gap,omitempty"` // Metrics.Gap, for readers

	MultiLabel  *MultiLabel      `json:"multi_label,omitempty"`
	Findings    []doctor.Finding `json:"findings,omitempty"`
	LabelErrors *LabelErrors     `json:"label_errors,omitempty"`
	Outliers    []Outlier        `json:"outliers,omitempty"`
	Unknown     *Unknown         `json:"unknown,omitempty"`
}

// pairs matches the parts of m with their places in j.
func (m *Metrics) pairs(j *metricsJSON) map[*Part]part {
	return map[*Part]part{
		&m.Train: {&j.TrainImages, &j.TrainCorrect, &j.TrainAccuracy, &j.TrainLogLoss, &j.TrainInterval,
			&weightedJSON{&j.TrainWeighted, &j.TrainWeightedLoss, &j.TrainWeightedRange}},
		&m.Validation: {&j.ValidationImages, &j.ValidationCorrect, &j.ValidationAccuracy, &j.ValidationLogLoss,
			&j.ValidationInterval, &weightedJSON{&j.ValidationWeighted, &j.ValidationWeightedLoss, &j.ValidationWeightedRange}},
		&m.Test: {&j.TestImages, &j.TestCorrect, &j.TestAccuracy, &j.TestLogLoss, &j.TestInterval,
			&weightedJSON{&j.TestWeighted, &j.TestWeightedLoss, &j.TestWeightedRange}},
		&m.All: {&j.Images, &j.Correct, &j.Accuracy, &j.LogLoss, &j.Interval,
			&weightedJSON{&j.Weighted, &j.WeightedLoss, &j.WeightedRange}},
	}
}

// partJSON is the JSON of a part that stands alone: null for what is not known.
type partJSON struct {
	Images   int         `json:"images"`
	Correct  int         `json:"correct"`
	Accuracy *float64    `json:"accuracy"`
	Interval *[2]float64 `json:"accuracy_interval"`
	LogLoss  *float64    `json:"log_loss"`
	Weighted *Weighted   `json:"weighted,omitempty"`
}

// MarshalJSON writes null for what no picture was measured for.
func (p Part) MarshalJSON() ([]byte, error) {
	j := partJSON{Images: p.Images, Correct: p.Correct, Weighted: p.Weighted}
	if p.Images > 0 {
		j.Accuracy, j.Interval, j.LogLoss = &p.Accuracy, &p.Interval, &p.LogLoss
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *Part) UnmarshalJSON(data []byte) error {
	var j partJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*p = Part{Images: j.Images, Correct: j.Correct, Weighted: j.Weighted}
	if j.Accuracy != nil && j.Interval != nil && j.LogLoss != nil {
		p.Accuracy, p.Interval, p.LogLoss = *j.Accuracy, *j.Interval, *j.LogLoss
	}
	return nil
}

// MarshalJSON writes the flat form.
func (m Metrics) MarshalJSON() ([]byte, error) {
	j := metricsJSON{
		Classes: m.Classes, Quarantined: m.Quarantined, Duplicates: m.Duplicates, Temperature: m.Temperature,
		ECE: m.ECE, ECEUncalibrated: m.ECEUncalibrated, ConfusionPart: m.ConfusionPart, TopK: m.TopK, ROCAUC: m.ROCAUC,
		PerClass: m.PerClass, Confusion: m.Confusion, Findings: m.Findings, LabelErrors: m.LabelErrors, Outliers: m.Outliers,
		Unknown: m.Unknown, MultiLabel: m.MultiLabel,
		CrossValidated: m.CrossValidated, Recalled: m.Recalled, Seen: m.Seen, Unseen: m.Unseen,
		Averages: m.Averages, Gap: m.Gap(),
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
		Images: j.Images, Classes: j.Classes, Quarantined: j.Quarantined, Duplicates: j.Duplicates,
		Temperature: j.Temperature,
		ECE:         j.ECE, ECEUncalibrated: j.ECEUncalibrated, ConfusionPart: j.ConfusionPart, TopK: j.TopK,
		ROCAUC:   j.ROCAUC,
		PerClass: j.PerClass, Confusion: j.Confusion, Findings: j.Findings, LabelErrors: j.LabelErrors, Outliers: j.Outliers,
		Unknown: j.Unknown, MultiLabel: j.MultiLabel,
		CrossValidated: j.CrossValidated, Recalled: j.Recalled, Seen: j.Seen, Unseen: j.Unseen,
		Averages: j.Averages,
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
