package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/train/metrics"
)

// Up to mostHeat labels there is a confusion matrix.
const (
	mostHeat  = 100
	mostPairs = 20
	shades    = 10
)

// confusionView shows what is taken for what.
type confusionView struct {
	Labels []string
	Table  [][]cell // [true][predicted]; nil with too many labels
	Pairs  []pair
	More   int // pairs that are not listed
}

// cell is a number with how dark it is.
type cell struct {
	Count int
	Class string // "h" or "m" (the answer is the label, or not) and a shade from 1 to shades; "" for none
}

type pair struct {
	Label, Predicted string
	Count            int
	Share            float64 // of the label's pictures
}

func newConfusion(m *metrics.Metrics) confusionView {
	var v confusionView
	for _, c := range m.PerClass {
		v.Labels = append(v.Labels, c.Label)
	}
	var pairs []pair
	for i, row := range m.Confusion {
		n := m.PerClass[i].Measured
		cells := make([]cell, len(row))
		for j, count := range row {
			if count == 0 {
				continue
			}
			share := numeric.Ratio(float64(count), n)
			kind := "h"
			if i != j {
				kind = "m"
				pairs = append(pairs, pair{v.Labels[i], v.Labels[j], count, share})
			}
			cells[j] = cell{count, fmt.Sprintf("%s%d", kind, min(max(int(math.Ceil(share*shades)), 1), shades))}
		}
		if len(v.Labels) <= mostHeat {
			v.Table = append(v.Table, cells)
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(b.Share, a.Share))
	})
	v.Pairs = pairs[:min(len(pairs), mostPairs)]
	v.More = len(pairs) - len(v.Pairs)
	return v
}
