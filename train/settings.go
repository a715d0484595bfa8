package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/train/head"
)

// Settings is the JSON of Model.Training.
type Settings struct {
	Data string `json:"data,omitempty"` // name of the folder, archive or list of pictures
	Date string `json:"date,omitempty"` // of the run
	head.Options
	Search       []head.Choice    `json:"l2_search,omitempty"`       // what was tried, when L2 was searched for
	Folds        int              `json:"folds,omitempty"`           // of that search
	Features     string           `json:"features,omitempty"`        // what was asked for; "": last
	Tried        []FeatureChoice  `json:"features_search,omitempty"` // what was tried, where it was chosen
	ClassWeights *ClassWeights    `json:"class_weights,omitempty"`
	Weighted     bool             `json:"weighted,omitempty"` // pictures had weights of their own
	Views        int              `json:"views,omitempty"`    // of each training picture
	Augment      *picture.Augment `json:"augment,omitempty"`
	// of the pictures, by a person
	Corrections []dataset.Correction `json:"corrections,omitempty"`
	WarmStart   string               `json:"warm_start,omitempty"` // SHA-256 of the head that the solver began at
	Iterations  int                  `json:"iterations"`           // steps, of every solver but lbfgs
	Evaluations int                  `json:"evaluations"`
	BestEpoch   int                  `json:"best_epoch,omitempty"`
	Loss        float64              `json:"loss"`
	Gap         float64              `json:"gap,omitempty"` // the loss is at most this much above the least; 0: not known
	Gradient    float64              `json:"gradient"`
	Converged   bool                 `json:"converged"`
	Streamed    *Streamed            `json:"streamed,omitempty"` // where the head was trained on shards
}

// settings says how the head was made.
func (r *run) settings() Settings {
	fit := r.res.Fit
	s := Settings{
		Data: dataName(r.folder.Root), Date: r.cfg.Date,
		Options: fit.Options, Search: fit.Tried, Folds: fit.Folds, Views: r.cfg.Views,
		Iterations: fit.Iterations, Evaluations: fit.Evaluations, BestEpoch: fit.BestEpoch,
		Loss: fit.Loss, Gap: fit.Gap, Gradient: fit.Gradient, Converged: fit.Converged,
	}
	if r.reads != nil || r.tried != nil {
		s.Features, s.Tried = r.cfg.Features, r.tried
	}
	s.Corrections = r.cfg.Corrections
	s.Seed = 0 // a field of the model
	if fit.Solver == head.LBFGS {
		s.MiniBatch = head.MiniBatch{} // of which it has none
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
