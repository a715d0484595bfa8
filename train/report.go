package train

import (
	"context"
	"crypto/sha256"

	"github.com/c236555e/rehead/dataset"
)

// evidence is what a run keeps for its report. Slices run along Result.Pictures.
type evidence struct {
	root     string
	items    []dataset.Item
	sums     [][sha256.Size]byte // of the pictures' bytes
	rows     [][]float32         // bottlenecks
	logits   []float64           // [n,K]
	losses   []iteration         // of the solver's fits
	settings Settings
	threads  int
	limits   dataset.Limits
}

// iteration is a step of the solver. Its loss is the same in every run; what else an Event has depends on the clock.
type iteration struct {
	done int
	l2   float64
	loss float64
}

// Report writes the run's report.
func (r *Result) Report(ctx context.Context) ([]byte, error) { return nil, nil }

// watch returns a Progress that keeps the losses and calls next.
func (e *evidence) watch(next func(Event)) func(Event) {
	return func(ev Event) {
		if ev.Phase == PhaseFit {
			e.losses = append(e.losses, iteration{ev.Done, ev.L2, ev.Loss})
		}
		if next != nil {
			next(ev)
		}
	}
}

// goodSums returns the digests of the items that have a bottleneck.
func (e *embedded) goodSums() [][sha256.Size]byte {
	out := make([][sha256.Size]byte, 0, len(e.sums))
	for i, s := range e.sums {
		if e.rows[i] != nil {
			out = append(out, s)
		}
	}
	return out
}
