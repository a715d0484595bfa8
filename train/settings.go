package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/c236555e/rehead/dataset/picture"
)

// Settings is the JSON of Model.Training.
type Settings struct {
	Solver        Solver           `json:"solver"`
	Descent       *Descent         `json:"descent,omitempty"` // of every solver but lbfgs
	Scaling       Scaling          `json:"scaling"`
	L2            float64          `json:"l2"`
	Search        []Choice         `json:"l2_search,omitempty"` // what was tried, when L2 was searched for
	Folds         int              `json:"folds,omitempty"`     // of that search
	Smoothing     float64          `json:"label_smoothing,omitempty"`
	ClassWeights  *ClassWeights    `json:"class_weights,omitempty"`
	Weighted      bool             `json:"weighted,omitempty"` // pictures had weights of their own
	Views         int              `json:"views,omitempty"`    // of each training picture
	Augment       *picture.Augment `json:"augment,omitempty"`
	WarmStart     string           `json:"warm_start,omitempty"` // SHA-256 of the head that the solver began at
	Tolerance     float64          `json:"tolerance"`
	MaxIterations int              `json:"max_iterations"`
	Iterations    int              `json:"iterations"` // steps, of every solver but lbfgs
	Evaluations   int              `json:"evaluations"`
	BestEpoch     int              `json:"best_epoch,omitempty"`
	Loss          float64          `json:"loss"`
	Gradient      float64          `json:"gradient"`
	Converged     bool             `json:"converged"`
}

// settings says how the head was made.
func (r *run) settings() Settings {
	fit, c := r.res.Fit, r.solved
	s := Settings{
		Solver: fit.Solver, Scaling: c.Scaling, L2: fit.L2, Search: r.tried, Folds: r.foldCount, Smoothing: c.Smoothing,
		Views:     r.cfg.Views,
		Tolerance: c.Tolerance, MaxIterations: c.MaxIterations, Iterations: fit.Iterations, Evaluations: fit.Evaluations,
		BestEpoch: fit.BestEpoch,
		Loss:      fit.Loss, Gradient: fit.Gradient, Converged: fit.Converged,
	}
	if fit.Solver != LBFGS {
		s.Descent = &c.Descent
	}
	if r.cfg.ClassWeights.Balanced || r.cfg.ClassWeights.Of != nil {
		s.ClassWeights = &r.cfg.ClassWeights
	}
	if r.cfg.Views > 0 {
		s.Augment = &r.cfg.Augment
	}
	for _, it := range r.items {
		s.Weighted = s.Weighted || it.Weight != 0 && it.Weight != 1
	}
	if c.Start != nil {
		h := sha256.New()
		_ = binary.Write(h, binary.LittleEndian, c.Start.W) // a hash takes everything
		_ = binary.Write(h, binary.LittleEndian, c.Start.B)
		s.WarmStart = hex.EncodeToString(h.Sum(nil))
	}
	return s
}
