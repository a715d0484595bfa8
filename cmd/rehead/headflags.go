package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/strictjson"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/head"
)

// headFlags are the flags about the head and its solver that are not plain fields of train.Config.
type headFlags struct {
	classWeights string
	warmStart    string
}

func (h *headFlags) add(cmd *cobra.Command, cfg *train.Config) {
	f := cmd.Flags()
	f.Var((*l2Value)(&cfg.L2), "l2",
		"weight decay of the head: a number, 0 for a good default, or auto (negative) for the best of a grid by "+
			"cross-validation on the training pictures")
	f.IntVar(&cfg.Folds, "folds", 0, "folds of --l2 auto (0: 5)")
	f.StringVar(&cfg.Features, "features", "",
		"what the head reads: auto (the best of what follows, with averages of quarters and deviations, by "+
			"cross-validation), last (the last block's averages), all (every block's), or a list of blocks and of mean, "+
			"quarters, deviation; left out: auto, or last for more than 10,000 pictures and other solvers than lbfgs")
	f.StringVar((*string)(&cfg.Scaling), "scaling", "",
		"how bottlenecks are scaled before weight decay: half (default), standard, common, none, or with --l2 auto: auto, "+
			"the best of the first three")
	f.StringVar((*string)(&cfg.Solver), "solver", "lbfgs",
		"lbfgs (to convergence), sgd, momentum, adam, or retrain (retrain.py's own recipe)")
	f.StringVar(&cfg.HeadDevice, "head-device", "",
		"what evaluates the head for lbfgs: cpu, or such as cuda:0; left out: the GPU of --device where pictures, features "+
			"and labels are many enough to gain")
	f.Float64Var(&cfg.MiniBatch.Rate, "learning-rate", 0,
		"learning rate of sgd, momentum, adam and retrain (0: 0.01, 0.002, 0.001, 0.01)")
	f.StringVar((*string)(&cfg.MiniBatch.Schedule), "schedule", "",
		"how the learning rate falls: constant (default), step or cosine")
	f.IntVar(&cfg.MiniBatch.DropEvery, "drop-every", 0,
		"schedule step: epochs between two drops of the learning rate (0: a third of --epochs)")
	f.Float64Var(&cfg.MiniBatch.DropFactor, "drop-factor", 0,
		"schedule step: what the learning rate is multiplied by (0: 0.1)")
	f.Float64Var(&cfg.MiniBatch.Momentum, "momentum", 0, "momentum of solver momentum (0: 0.9)")
	f.IntVar(&cfg.MiniBatch.Batch, "batch-size", 0, "examples per step of sgd, momentum, adam and retrain (0: 100)")
	f.IntVar(&cfg.MiniBatch.Epochs, "epochs", 0, "maximum epochs of sgd, momentum and adam (0: 50)")
	f.IntVar(&cfg.MiniBatch.Steps, "steps", 0, "steps of retrain (0: 4000)")
	f.IntVar(&cfg.MiniBatch.Patience, "patience", 0,
		"epochs without a better validation loss before sgd, momentum and adam stop (0: 5; negative: never)")
	f.Float64Var(&cfg.MiniBatch.Dropout, "dropout", 0,
		"share of the features that each step of sgd, momentum and adam leaves out")
	f.Float64Var(&cfg.Smoothing, "label-smoothing", 0, "share of each target that is spread over all labels, 0 to 0.5")
	f.StringVar(&h.classWeights, "class-weights", "none",
		"how much labels count: none, balanced, a JSON object of factors by label, or a file with one")
	f.IntVar(&cfg.AnswerViews, "answer-views", 0, fmt.Sprintf(
		"have the model answer with the mean over so many views of a picture, at most %d: see predict --views",
		picture.MaxViews))
	f.IntVar(&cfg.Views, "views", 0,
		"altered views of each training picture to train on beside it, as --augment says; they are cached too")
	f.Var(&augmentValue{cfg}, "augment",
		"how views are altered: default, or a list such as flip,crop=0.1 of flip, crop, scale, rotate, brightness and "+
			"color; 4 views unless --views says otherwise")
	f.StringVar(&h.warmStart, "warm-start", "", "MODEL whose head the solver begins at; labels may be added")
	f.DurationVar(&cfg.Checkpoints.Every, "checkpoint-every", head.DefaultCheckpointEvery,
		"how often the solver's state is put beside the bottleneck cache, so that a stopped run goes on")
}

// resolve sets what flags alone cannot.
func (h *headFlags) resolve(a *app, cfg *train.Config) (err error) {
	err = a.withFile(h.classWeights, func(local string) error {
		cfg.ClassWeights, err = classWeights(local)
		return err
	})
	if err != nil {
		return err
	}
	if h.warmStart != "" {
		if cfg.WarmStart, err = a.openModel(h.warmStart); err != nil {
			return fmt.Errorf("train: --warm-start: %w", err)
		}
	}
	return nil
}

// maxClassWeights bounds a file of class weights, in bytes.
const maxClassWeights = 16 << 20

// classWeights reads what --class-weights says.
func classWeights(text string) (train.ClassWeights, error) {
	switch text {
	case "", "none":
		return train.ClassWeights{}, nil
	case "balanced":
		return train.ClassWeights{Balanced: true}, nil
	}
	data, from := []byte(text), "--class-weights"
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		var err error
		if data, err = source.Read(text, picture.Limits{MaxBytes: maxClassWeights}); err != nil {
			return train.ClassWeights{}, fmt.Errorf("train: --class-weights: got neither none, balanced nor a JSON object, and "+
				"no file of this name: %w", err)
		}
		from = text
	}
	var of map[string]float64
	if err := strictjson.Unmarshal(data, &of); err != nil {
		return train.ClassWeights{}, fmt.Errorf("train: %s: want a JSON object of factors by label, "+
			"such as {\"daisy\": 2}: %w", from, err)
	}
	return train.ClassWeights{Of: of}, nil
}

// l2Value is a number or "auto".
type l2Value float64

func (v *l2Value) String() string {
	if *v < 0 {
		return "auto"
	}
	return strconv.FormatFloat(float64(*v), 'g', -1, 64)
}

func (v *l2Value) Type() string { return "number|auto" }

func (v *l2Value) Set(text string) error {
	if text == "auto" {
		*v = -1
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("got %q, want a number or auto", text)
	}
	*v = l2Value(n)
	return nil
}

// defaultViews is how many views a picture has where alterations are asked for and no number is.
const defaultViews = 4

// augmentValue is a list of alterations.
type augmentValue struct{ cfg *train.Config }

func (v *augmentValue) String() string { return "" }

func (v *augmentValue) Type() string { return "alterations" }

func (v *augmentValue) Set(text string) error {
	a := &v.cfg.Augment
	if text == "default" {
		text = "flip=true,crop=0.05,scale=0.1,brightness=0.1"
	}
	for _, part := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		to := map[string]*float64{"crop": &a.Crop, "scale": &a.Scale, "rotate": &a.Rotate, "brightness": &a.Brightness,
			"color": &a.Color}[name]
		var err error
		switch {
		case name == "flip" && value == "":
			a.Flip = true
		case name == "flip":
			a.Flip, err = strconv.ParseBool(value)
		case to != nil:
			*to, err = strconv.ParseFloat(value, 64)
		default:
			return fmt.Errorf("got %q, want default or any of flip, crop, scale, rotate, brightness, "+
				"color, each with =VALUE", part)
		}
		if err != nil {
			return fmt.Errorf("%s: got %q, want a number (flip: true or false)", name, value)
		}
	}
	if v.cfg.Views == 0 {
		v.cfg.Views = defaultViews
	}
	return nil
}
