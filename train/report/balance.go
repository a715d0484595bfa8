package report

import "github.com/c236555e/rehead/train/metrics"

// balanceRow is how many pictures a label has, by part.
type balanceRow struct {
	Label                         string
	Train, Validation, Test, All  int
	TrainBar, ValidationBar, Bars float64 // where the bars of the parts end, in percent of the largest label
}

// newBalance counts the pictures of each label, the largest first is as long as the column.
func newBalance(m *metrics.Metrics) (rows []balanceRow, least, most int) {
	for i, c := range m.PerClass {
		n := c.Train + c.Validation + c.Test
		if n == 0 {
			n = c.Measured
		}
		if i == 0 || n < least {
			least = n
		}
		most = max(most, n)
	}
	if most == 0 {
		return nil, 0, 0
	}
	for _, c := range m.PerClass[:min(len(m.PerClass), mostClasses)] {
		r := balanceRow{Label: c.Label, Train: c.Train, Validation: c.Validation, Test: c.Test,
			All: c.Train + c.Validation + c.Test}
		if r.All == 0 {
			r.All = c.Measured
		}
		scale := 100 / float64(most)
		r.TrainBar = scale * float64(c.Train)
		r.ValidationBar = r.TrainBar + scale*float64(c.Validation)
		r.Bars = scale * float64(r.All)
		rows = append(rows, r)
	}
	return rows, least, most
}
