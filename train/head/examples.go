package head

import (
	"fmt"
	"math"
	"slices"
)

// Examples are labelled bottlenecks.
type Examples struct {
	Rows   [][]float32 // [n][F], only read
	Labels []int       // [n], each in 0..Classes-1; says nothing where MultiLabel does
	// [n], every label of each row, ascending, none being an answer too; nil: each row has its one
	// of Labels
	MultiLabel [][]int
	Weights    []float64 // [n], how much each row counts, above 0; nil: all the same
	Classes    int
}

// Features returns F, or 0 when there is no row.
func (e Examples) Features() int {
	if len(e.Rows) == 0 {
		return 0
	}
	return len(e.Rows[0])
}

// weight returns how much row i counts.
func (e Examples) weight(i int) float64 {
	if e.Weights == nil {
		return 1
	}
	return e.Weights[i]
}

// set returns the labels of row i.
func (e Examples) set(i int) []int {
	if e.MultiLabel == nil {
		return e.Labels[i : i+1]
	}
	return e.MultiLabel[i]
}

// some returns the examples that keep wants.
func (e Examples) some(keep func(i int) bool) Examples {
	out := Examples{Classes: e.Classes}
	for i, row := range e.Rows {
		if !keep(i) {
			continue
		}
		out.Rows, out.Labels = append(out.Rows, row), append(out.Labels, e.Labels[i])
		if e.MultiLabel != nil {
			out.MultiLabel = append(out.MultiLabel, e.MultiLabel[i])
		}
		if e.Weights != nil {
			out.Weights = append(out.Weights, e.Weights[i])
		}
	}
	return out
}

// Validate says what is wrong with the first bad row.
func (e Examples) Validate() error {
	if len(e.Rows) != len(e.Labels) {
		return fmt.Errorf("train: examples: got %d rows and %d labels, want as many of one as of the other", len(e.Rows),
			len(e.Labels))
	}
	if e.MultiLabel != nil && len(e.MultiLabel) != len(e.Rows) {
		return fmt.Errorf("train: examples: got %d rows and %d sets of labels, want as many of one as of the other",
			len(e.Rows), len(e.MultiLabel))
	}
	if e.Weights != nil && len(e.Weights) != len(e.Rows) {
		return fmt.Errorf("train: examples: got %d rows and %d weights, want as many of one as of the other", len(e.Rows),
			len(e.Weights))
	}
	for i, row := range e.Rows {
		if len(row) != e.Features() || len(row) == 0 {
			return fmt.Errorf("train: examples: row %d: got %d features, want %d as in row 0 and at least 1", i, len(row),
				e.Features())
		}
		if l := e.Labels[i]; l < 0 || l >= e.Classes {
			return fmt.Errorf("train: examples: row %d: got label %d, want 0..%d", i, l, e.Classes-1)
		}
		if e.MultiLabel != nil {
			set := e.MultiLabel[i]
			sorted := slices.IsSorted(set) && len(slices.Compact(slices.Clone(set))) == len(set)
			if len(set) > 0 && (set[0] < 0 || set[len(set)-1] >= e.Classes || !sorted) {
				return fmt.Errorf("train: examples: row %d: got the labels %v, want ascending labels in 0..%d", i, set, e.Classes-1)
			}
		}
		if w := e.weight(i); !(w > 0) || math.IsInf(w, 0) {
			return fmt.Errorf("train: examples: row %d: got weight %g, want a finite number above 0", i, w)
		}
	}
	return nil
}

// answeredBy says whether logits may be those of the examples, whose rows may be left out.
func (e Examples) answeredBy(logits []float64) bool {
	n := len(e.Labels)
	if e.Classes < 1 || len(logits)%e.Classes != 0 || len(logits)/e.Classes != n ||
		e.Weights != nil && len(e.Weights) != n || e.MultiLabel != nil && len(e.MultiLabel) != n {
		return false
	}
	for i := range e.Labels {
		for _, l := range e.set(i) {
			if l < 0 || l >= e.Classes {
				return false
			}
		}
	}
	return true
}

// maxClasses bounds what is counted by class.
const maxClasses = 1 << 20

// trainable is Validate, and asks for something to learn.
func (e Examples) trainable() error {
	if e.Classes < 2 {
		return fmt.Errorf("train: examples: got %d classes, want at least 2: a classifier chooses between labels", e.Classes)
	}
	if e.Classes > maxClasses {
		return fmt.Errorf("train: examples: got %d classes, want at most %d", e.Classes, maxClasses)
	}
	if len(e.Rows) == 0 {
		return fmt.Errorf("train: examples: got no rows, want at least one of each of %d classes", e.Classes)
	}
	if err := e.Validate(); err != nil {
		return err
	}
	counts := make([]int, e.Classes)
	for i := range e.Labels {
		for _, l := range e.set(i) {
			counts[l]++
		}
	}
	for l, n := range counts {
		if n == 0 {
			return fmt.Errorf("train: examples: class %d of %d: got no rows, want at least one", l, e.Classes)
		}
		if n == len(e.Rows) && e.MultiLabel != nil {
			return fmt.Errorf("train: examples: class %d of %d: all %d rows have it, want at least one without: leave it out, "+
				"it tells nothing apart", l, e.Classes, n)
		}
	}
	return e.finite()
}

// finite refuses rows that no sum survives.
func (e Examples) finite() error {
	for i, row := range e.Rows {
		for j, v := range row {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("train: examples: row %d, feature %d: got %g, want a finite number", i, j, v)
			}
		}
	}
	return nil
}
