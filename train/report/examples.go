package report

import (
	"cmp"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/internal/numeric"
)

// Bounds on the examples of labels.
const (
	mostExamples  = 60 // of all labels together
	labelExamples = 6  // of one label
)

// exampleRow is pictures of a label: those answered rightly and surely, and those that were hardest.
type exampleRow struct {
	Label string
	List  []example
}

type example struct {
	pictureView
	Share float64 // the probability of the row's label
	Right bool    // the label is answered
}

// examples chooses for each label the pictures that have it with its largest and its least
// probability, of held-out ones where there are some. It is empty where there are too many labels to
// show two of each.
func (in *Input) examples() (rows []exampleRow) {
	k := len(in.Labels)
	each := min(labelExamples, mostExamples/max(k, 1))
	if each < 2 {
		return nil
	}
	of, held := make([][]int, k), make([]bool, k)
	for i, it := range in.Items {
		labels := it.Labels
		if !in.MultiLabel {
			labels = []int{it.Label}
		}
		for _, l := range labels {
			if it.Split != dataset.Train && !held[l] {
				held[l], of[l] = true, nil
			}
			if it.Split != dataset.Train || !held[l] {
				of[l] = append(of[l], i)
			}
		}
	}
	for l, list := range of {
		slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(in.share(b, l), in.share(a, l)) })
		if n := len(list); n > each {
			list = slices.Concat(list[:(each+1)/2], list[n-each/2:])
		}
		row := exampleRow{Label: in.Labels[l]}
		for _, i := range list {
			p := in.Pictures[i]
			right := p.Predicted == in.Labels[l]
			if in.MultiLabel {
				right = slices.Contains(p.Answered, in.Labels[l])
			}
			row.List = append(row.List, example{in.view(i), in.share(i, l), right})
		}
		if len(row.List) > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// share is the probability of label l for picture i.
func (in *Input) share(i, l int) float64 {
	k := len(in.Labels)
	if in.MultiLabel {
		return numeric.Sigmoid(in.Logits[i*k+l] / in.Temperature)
	}
	return in.Pictures[i].OfLabel
}
