package main

import (
	"fmt"
	"strconv"

	"github.com/c236555e/rehead/cmd/rehead/sagemaker"
)

// Why a hyperparameter of another trainer changes nothing here.
const (
	noSteps   = "the head is solved to convergence, not for a number of steps"
	noNetwork = "the network is InceptionV3 and its trunk is frozen"
	noViews   = "pictures are embedded once, as they are"
	noCount   = "it is counted from the pictures"
	noKeep    = "the model is written once, when it is done"
)

// hyperparameters says what each name does: ours, and those of the built-in image classification, of its TensorFlow kin and of
// retrain.py, which are accepted so that a job's settings need no rewriting.
func hyperparameters(o *trainOptions, job *jobSettings) map[string]sagemaker.Setting {
	table := map[string]sagemaker.Setting{
		"weights":               {Set: text(&o.weights)},
		"validation":            {Set: number(&o.cfg.Split.Validation)},
		"test":                  {Set: number(&o.cfg.Split.Test)},
		"validation_percentage": {Set: percent(&o.cfg.Split.Validation)},
		"testing_percentage":    {Set: percent(&o.cfg.Split.Test)},
		"salt":                  {Set: text(&o.cfg.Split.Salt)},
		"legacy_split":          {Set: flag(&o.cfg.Split.Legacy)},
		"seed":                  {Set: seed(&o.cfg.Seed)},
		"l2":                    {Set: number(&o.cfg.L2)},
		"neighbours":            {Set: whole(&o.cfg.Neighbours)},
		"max_bad":               {Set: whole(&o.cfg.MaxBad)},
		"unknown":               {Set: number(&o.cfg.Unknown)},
		"min_accuracy":          {Set: number(&o.least)},
		"batch":                 {Set: whole(&o.cfg.Batch)},
		"threads":               {Set: whole(&o.engine.threads)},
		"dtype":                 {Set: text(&o.dtype)},
		"no_trunk":              {Set: flag(&o.noTrunk)},
		"cache":                 {Set: text(&o.cache)},
		"manifest":              {Set: text(&job.manifest)},
		"strip_prefix":          {Set: text(&o.stripPrefix)},
		"classes":               {Set: text(&o.classes)},
		"architecture":          {Set: only("inception_v3", noNetwork)},
		"multi_label":           {Set: only("0", "a picture has one label")},
	}
	for reason, names := range map[string][]string{
		noSteps: {"how_many_training_steps", "learning_rate", "eval_step_interval", "train_batch_size", "test_batch_size", "validation_batch_size",
			"batch_size", "mini_batch_size", "epochs", "optimizer", "momentum", "beta_1", "beta_2", "eps", "epsilon", "gamma", "rho",
			"initial_accumulator_value", "lr_scheduler_factor", "lr_scheduler_step", "weight_decay", "regularizers_l2", "dropout_rate",
			"label_smoothing", "early_stopping", "early_stopping_min_epochs", "early_stopping_patience", "early_stopping_tolerance",
			"early_stopping_min_delta", "kv_store", "use_weighted_loss"},
		noNetwork: {"num_layers", "image_shape", "resize", "use_pretrained_model", "precision_dtype", "train_only_on_top_layer",
			"reinitialize_top_layer", "image_resize_interpolation"},
		noViews: {"augmentation", "augmentation_type", "augmentation_random_flip", "augmentation_random_rotation", "augmentation_random_zoom",
			"flip_left_right", "random_crop", "random_scale", "random_brightness"},
		noCount: {"num_classes", "num_training_samples", "top_k", "binary_mode", "eval_metric", "print_misclassified_test_images"},
		noKeep:  {"checkpoint_frequency", "intermediate_store_frequency"},
	} {
		for _, name := range names {
			table[name] = sagemaker.Setting{Reason: reason}
		}
	}
	return table
}

func text(p *string) func(string) error {
	return func(v string) error { *p = v; return nil }
}

func number(p *float64) func(string) error {
	return func(v string) (err error) {
		if *p, err = strconv.ParseFloat(v, 64); err != nil {
			return fmt.Errorf("got %q, want a number", v)
		}
		return nil
	}
}

func percent(p *float64) func(string) error {
	return func(v string) error {
		if err := number(p)(v); err != nil {
			return err
		}
		*p /= 100
		return nil
	}
}

func whole(p *int) func(string) error {
	return func(v string) (err error) {
		if *p, err = strconv.Atoi(v); err != nil {
			return fmt.Errorf("got %q, want a whole number", v)
		}
		return nil
	}
}

func seed(p *uint64) func(string) error {
	return func(v string) (err error) {
		if *p, err = strconv.ParseUint(v, 10, 64); err != nil {
			return fmt.Errorf("got %q, want a whole number, 0 or more", v)
		}
		return nil
	}
}

func flag(p *bool) func(string) error {
	return func(v string) (err error) {
		if *p, err = strconv.ParseBool(v); err != nil {
			return fmt.Errorf("got %q, want true or false", v)
		}
		return nil
	}
}

// only accepts a single value and says why there is no other.
func only(want, why string) func(string) error {
	return func(v string) error {
		if v != want {
			return fmt.Errorf("got %q, want %q: %s", v, want, why)
		}
		return nil
	}
}
