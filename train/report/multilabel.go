package report

import "github.com/c236555e/rehead/train/metrics"

// multiLabelView is what is measured where pictures have any number of labels.
type multiLabelView struct {
	*metrics.MultiLabel
	Rows []multiLabelRow
}

// multiLabelRow is a number with its interval, nil where there is none.
type multiLabelRow struct {
	Name     string
	Value    float64
	Interval *[2]float64
}

func newMultiLabel(m *metrics.MultiLabel) *multiLabelView {
	return &multiLabelView{m, []multiLabelRow{
		{"pictures with all labels right and no other", m.SubsetAccuracy, &m.SubsetAccuracyInterval},
		{"decisions that are wrong (Hamming loss)", m.HammingLoss, m.HammingLossInterval},
		{"precision of the decisions", m.MicroPrecision, nil},
		{"recall of the decisions", m.MicroRecall, nil},
		{"F1 of the decisions (micro)", m.MicroF1, m.MicroF1Interval},
		{"F1, mean over the labels (macro)", m.MacroF1, m.MacroF1Interval},
		{"average precision, mean over the labels", m.MeanAP, m.MeanAPInterval},
	}}
}
