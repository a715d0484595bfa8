package train

// severalView is what is measured where pictures have several labels.
type severalView struct {
	*MultiLabel
	Rows []severalRow
}

// severalRow is a number with its interval, nil where there is none.
type severalRow struct {
	Name     string
	Value    float64
	Interval *[2]float64
}

func newSeveral(m *MultiLabel) *severalView {
	return &severalView{m, []severalRow{
		{"pictures with all labels right and no other", m.SubsetAccuracy, &m.SubsetAccuracyInterval},
		{"decisions that are wrong (Hamming loss)", m.HammingLoss, m.HammingLossInterval},
		{"precision of the decisions", m.MicroPrecision, nil},
		{"recall of the decisions", m.MicroRecall, nil},
		{"F1 of the decisions (micro)", m.MicroF1, m.MicroF1Interval},
		{"F1, mean over the labels (macro)", m.MacroF1, m.MacroF1Interval},
		{"average precision, mean over the labels", m.MeanAP, m.MeanAPInterval},
	}}
}

// reliability sorts the decisions into the bins that calibrationError uses.
func (d *decisions) reliability() []bin {
	out := make([]bin, calibrationBins)
	for i, p := range d.prob {
		b := &out[min(int(p*calibrationBins), calibrationBins-1)]
		b.Count++
		b.Confidence += p
		if d.has[i] {
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
