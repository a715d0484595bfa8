package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/train/head"
)

// Settings is the JSON of Model.Training.
type Settings struct {
	Solver        head.Solver      `json:"solver"`
	MiniBatch     *head.MiniBatch  `json:"descent,omitempty"` // of every solver but lbfgs
	Scaling       head.Scaling     `json:"scaling"`
	L2            float64          `json:"l2"`
	Search        []head.Choice    `json:"l2_search,omitempty"`       // what was tried, when L2 was searched for
	Folds         int              `json:"folds,omitempty"`           // of that search
	Features      string           `json:"features,omitempty"`        // what was asked for; "": last
	Tried         []FeatureChoice  `json:"features_search,omitempty"` // what was tried, where it was chosen
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
	Gap           float64          `json:"gap,omitempty"` // the loss is at most this much above the least; 0: not known
	Gradient      float64          `json:"gradient"`
	Converged     bool             `json:"converged"`
}

// settings says how the head was made.
func (r *run) settings() Settings {
	fit := r.res.Fit
	s := Settings{
		Solver: fit.Solver, Scaling: fit.Scaling, L2: fit.L2, Search: fit.Tried, Folds: fit.Folds,
		Smoothing: fit.Smoothing, Views: r.cfg.Views, Tolerance: fit.Tolerance, MaxIterations: fit.MaxIterations,
		Iterations: fit.Iterations, Evaluations: fit.Evaluations, BestEpoch: fit.BestEpoch,
		Loss: fit.Loss, Gap: fit.Gap, Gradient: fit.Gradient, Converged: fit.Converged,
	}
	if r.reads != nil || r.tried != nil {
		s.Features, s.Tried = r.cfg.Features, r.tried
	}
	if fit.Solver != head.LBFGS {
		s.MiniBatch = &fit.MiniBatch
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
	if r.start != nil {
		h := sha256.New()
		_ = binary.Write(h, binary.LittleEndian, r.start.W) // a hash takes everything
		_ = binary.Write(h, binary.LittleEndian, r.start.B)
		s.WarmStart = hex.EncodeToString(h.Sum(nil))
	}
	return s
}
