package train

import (
	"fmt"
	"math"
)

// Examples are labelled bottlenecks.
type Examples struct {
	Rows    [][]float32 // [n][F], only read
	Labels  []int       // [n], each in 0..Classes-1
	Classes int
}

// Features returns F, or 0 when there is no row.
func (e Examples) Features() int {
	if len(e.Rows) == 0 {
		return 0
	}
	return len(e.Rows[0])
}

// Validate says what is wrong with the first bad row.
func (e Examples) Validate() error {
	if len(e.Rows) != len(e.Labels) {
		return fmt.Errorf("train: examples: got %d rows and %d labels, want as many of one as of the other", len(e.Rows), len(e.Labels))
	}
	for i, row := range e.Rows {
		if len(row) != e.Features() || len(row) == 0 {
			return fmt.Errorf("train: examples: row %d: got %d features, want %d as in row 0 and at least 1", i, len(row), e.Features())
		}
		if l := e.Labels[i]; l < 0 || l >= e.Classes {
			return fmt.Errorf("train: examples: row %d: got label %d, want 0..%d", i, l, e.Classes-1)
		}
	}
	return nil
}

// trainable is Validate, and asks for something to learn.
func (e Examples) trainable() error {
	if e.Classes < 2 {
		return fmt.Errorf("train: examples: got %d classes, want at least 2: a classifier chooses between labels", e.Classes)
	}
	if len(e.Rows) == 0 {
		return fmt.Errorf("train: examples: got no rows, want at least one of each of %d classes", e.Classes)
	}
	if err := e.Validate(); err != nil {
		return err
	}
	counts := make([]int, e.Classes)
	for _, l := range e.Labels {
		counts[l]++
	}
	for l, n := range counts {
		if n == 0 {
			return fmt.Errorf("train: examples: class %d of %d: got no rows, want at least one", l, e.Classes)
		}
	}
	for i, row := range e.Rows {
		for j, v := range row {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("train: examples: row %d, feature %d: got %g, want a finite number", i, j, v)
			}
		}
	}
	return nil
}
