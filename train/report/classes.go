package report

import (
	"cmp"
	"slices"

	"github.com/c236555e/rehead/train/metrics"
)

// mostClasses is how many labels the table of classes has.
const mostClasses = 300

// classView is the table of classes, the worst first.
type classView struct {
	List       []metrics.Class
	More       int
	MultiLabel bool // pictures have any number of labels
}

func newClasses(m *metrics.Metrics) classView {
	list := slices.Clone(m.PerClass)
	slices.SortStableFunc(list, func(a, b metrics.Class) int {
		if (a.Measured == 0) != (b.Measured == 0) { // what was not measured is not bad
			return cmp.Compare(b.Measured, a.Measured)
		}
		return cmp.Compare(a.F1, b.F1)
	})
	v := classView{More: max(0, len(list)-mostClasses), MultiLabel: m.MultiLabel != nil}
	v.List = list[:len(list)-v.More]
	return v
}
