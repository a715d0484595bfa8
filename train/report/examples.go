package report

import (
	"cmp"
	"slices"

	"github.com/c236555e/rehead/dataset"
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
	Right bool
}

// examples chooses for each label its surest right answers and its least sure ones, of held-out
// pictures where there are some. It is empty where there are too many labels to show two of each, and
// where pictures have any number of labels.
func (in *Input) examples() (rows []exampleRow) {
	k := len(in.Labels)
	each := min(labelExamples, mostExamples/max(k, 1))
	if in.MultiLabel || each < 2 {
		return nil
	}
	of := make([][]int, k)
	held := make([]bool, k)
	for i, it := range in.Items {
		if it.Split != dataset.Train && !held[it.Label] {
			held[it.Label], of[it.Label] = true, nil
		}
		if it.Split != dataset.Train || !held[it.Label] {
			of[it.Label] = append(of[it.Label], i)
		}
	}
	for l, list := range of {
		slices.SortStableFunc(list, func(a, b int) int {
			return cmp.Compare(in.Pictures[b].OfLabel, in.Pictures[a].OfLabel)
		})
		if n := len(list); n > each {
			list = slices.Concat(list[:(each+1)/2], list[n-each/2:])
		}
		row := exampleRow{Label: in.Labels[l]}
		for _, i := range list {
			row.List = append(row.List, example{in.view(i), in.Pictures[i].Label == in.Pictures[i].Predicted})
		}
		if len(row.List) > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}
