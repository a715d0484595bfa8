package train

import (
	"errors"
	"time"
)

// l2Grid is what a search for L2 tries, in multiples of DefaultL2, from the strongest to the weakest: each fit starts at
// the one before.
var l2Grid = [...]float64{30, 10, 3, 1, 0.3, 0.1, 0.03}

// Choice is one L2 that a search tried, and what it was worth.
type Choice struct {
	L2                 float64 `json:"l2"`
	ValidationLogLoss  float64 `json:"validation_log_loss"`
	ValidationAccuracy float64 `json:"validation_accuracy"`
}

// search fits a head for each L2 of the grid and keeps the one with the least log loss on the validation part; of equals
// the strongest.
func (s *solver) search(valid Examples) (best *Fit, tried []Choice, err error) {
	if len(valid.Rows) == 0 {
		return nil, nil, errors.New("train: search: there is no validation picture to choose L2 by: hold some out, or set L2")
	}
	began := time.Now()
	var start []float64
	least := 0.0
	for i, multiple := range l2Grid {
		l2 := multiple * DefaultL2(s.ex.Classes)
		fit, err := s.fit(l2, start)
		if err != nil {
			return nil, nil, err
		}
		start = append([]float64(nil), fit.theta...)
		logits, err := headLogits(s.ctx, fit.Head, valid.Rows, s.cfg.Threads)
		if err != nil {
			return nil, nil, err
		}
		c := Choice{L2: l2}
		for j, l := range valid.Labels {
			row := logits[j*valid.Classes : (j+1)*valid.Classes]
			c.ValidationLogLoss += crossEntropy(row, l, 1) / float64(len(valid.Labels))
			if argmax(row) == l {
				c.ValidationAccuracy++
			}
		}
		c.ValidationAccuracy /= float64(len(valid.Labels))
		tried = append(tried, c)
		if best == nil || c.ValidationLogLoss < least {
			best, least = fit, c.ValidationLogLoss
		}
		if s.cfg.Progress != nil {
			s.cfg.Progress(Event{
				Phase: PhaseSearch, Done: i + 1, Total: len(l2Grid), Elapsed: time.Since(began), L2: l2,
				Loss: fit.Loss, Gradient: fit.Gradient, ValidationAccuracy: c.ValidationAccuracy,
			})
		}
	}
	return best, tried, nil
}
