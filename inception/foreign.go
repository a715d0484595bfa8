package inception

import "fmt"

// What heads that were trained elsewhere read of the last block in the place of its mean. Nothing here
// trains such a head.
const (
	Maximum Statistic = "maximum" // over all pixels: a value a channel
	Cells   Statistic = "cells"   // every pixel's channels, row by row: [side,side,channels]
)

// LastMaximum is the maximum over the last block in the place of its mean.
func LastMaximum() *Features {
	return &Features{Blocks: []string{lastBlock()}, Statistics: []Statistic{Maximum}}
}

// LastCells is the last block as it is, of a network whose input has that side in pixels.
func LastCells(size int) *Features {
	return &Features{Blocks: []string{lastBlock()}, Statistics: []Statistic{Cells}, Side: sideOf(lastBlock(), size)}
}

// LastMeanMaximum is the mean of the last block, then its maximum.
func LastMeanMaximum() *Features {
	return &Features{Blocks: []string{lastBlock()}, Statistics: []Statistic{Mean, Maximum}}
}

// Foreign says whether f is what only heads that were trained elsewhere read: LastMaximum, LastMeanMaximum or
// LastCells.
func (f *Features) Foreign() bool {
	if f == nil {
		return false
	}
	s := f.Statistics
	if len(s) == 2 && s[0] == Mean {
		s = s[1:]
		return s[0] == Maximum
	}
	return len(s) == 1 && (s[0] == Maximum || s[0] == Cells)
}

// validateForeign checks what a head that was trained elsewhere reads.
func (f *Features) validateForeign() error {
	cells := f.Foreign() && f.Statistics[0] == Cells
	most := 0
	if cells {
		most = sideOf(lastBlock(), maxSize)
	}
	switch {
	case !f.Foreign() || len(f.Blocks) != 1 || f.Blocks[0] != lastBlock():
		return fmt.Errorf("inception: features: got %v of %v, want %s, %s and %s, or %s, of %s", f.Statistics, f.Blocks,
			Maximum, Mean, Maximum, Cells, lastBlock())
	case f.Side > most || cells != (f.Side > 0):
		return fmt.Errorf("inception: features: got %d pixels a side, want 1 to %d for %s, 0 else", f.Side, most, Cells)
	case f.Scales != nil || f.Columns != nil:
		return fmt.Errorf("inception: features: got scales or columns of %v, want neither", f.Statistics)
	}
	return nil
}
