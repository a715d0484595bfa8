package inception

import (
	"fmt"
	"math"
)

// Unknown is the line below which a picture is taken to be of none of the labels.
type Unknown struct {
	Threshold float64 `json:"threshold"` // of UnknownScore: pictures below it are unknown
	// share of known pictures, 0..1, that the line was to reject when it was drawn
	FalseReject float64 `json:"false_reject"`
}

// UnknownScore says how much a picture is of any label at all: ln sum exp(logit) (the negative
// energy of Liu et al., "Energy-based Out-of-distribution Detection", 2020), from logits [K] that
// no temperature has divided.
func UnknownScore(logits []float64) float64 {
	top := math.Inf(-1)
	for _, z := range logits {
		top = max(top, z)
	}
	sum := 0.0
	for _, z := range logits {
		sum += math.Exp(z - top)
	}
	return top + math.Log(sum)
}

// rejects answers nil where there is no line.
func (u *Unknown) rejects(logits []float64) *bool {
	if u == nil {
		return nil
	}
	yes := !(UnknownScore(logits) >= u.Threshold)
	return &yes
}

func (u *Unknown) validate() error {
	switch {
	case u == nil:
		return nil
	case math.IsNaN(u.Threshold) || math.IsInf(u.Threshold, 0):
		return fmt.Errorf("inception: model: unknown: the threshold is %g, want a finite number", u.Threshold)
	case !(u.FalseReject > 0 && u.FalseReject < 1):
		return fmt.Errorf("inception: model: unknown: the share of false rejects is %g, want more than 0 and less than 1",
			u.FalseReject)
	}
	return nil
}
