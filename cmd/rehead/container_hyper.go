package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/cmd/rehead/sagemaker"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/train"
)

// elsewhere are flags of `train` that a job has another place for: the setting's answer says which.
var elsewhere = map[string]string{
	"output":         "the model's place is fixed, /opt/ml/model",
	"json":           "a job's log has its metrics as lines, and metrics.json all of them",
	"warm_start":     "give the older model as the channel model",
	"validation_dir": "give the pictures as the channel validation",
	"test_dir":       "give the pictures as the channel test",
	"image_root":     "a manifest's pictures lie in its own channel",
	"help":           "rehead train --help lists the settings",
}

// hyperparameters says what each name does. Ours are the flags of `train`, with underscores,
// whatever these are; those of the built-in image classification, of its TensorFlow kin and of
// retrain.py are accepted beside them, so that a job's settings need no rewriting: they act where
// they mean the same, and otherwise the answer names the nearest of ours. Some act with some
// solvers only, so values tells which one it will be.
func hyperparameters(flags *pflag.FlagSet, o *trainOptions, job *jobSettings,
	values map[string]string) map[string]sagemaker.Setting {
	table := map[string]sagemaker.Setting{"manifest": {Set: text(&job.manifest)}}
	for _, reason := range notOurs {
		for _, name := range strings.Fields(reason.names) {
			table[name] = sagemaker.Setting{Reason: reason.why}
		}
	}
	flags.VisitAll(func(f *pflag.Flag) {
		name := strings.ReplaceAll(f.Name, "-", "_")
		if why, ok := elsewhere[name]; ok {
			table[name] = sagemaker.Setting{Set: refuse(why), Refuse: true}
			return
		}
		table[name] = sagemaker.Setting{Set: byFlag(flags, f.Name)}
	})
	borrow(table, flags, o, values)
	return table
}

// byFlag sets a setting as its flag does.
func byFlag(flags *pflag.FlagSet, name string) func(string) error {
	return func(v string) error {
		f := flags.Lookup(name)
		kind := f.Value.Type()
		text := v
		if kind == "int" || kind == "uint64" {
			text = whole(v)
		}
		err := f.Value.Set(text)
		if err == nil {
			return nil
		}
		switch kind {
		case "int":
			return fmt.Errorf("got %q, want a whole number", v)
		case "uint64":
			return fmt.Errorf("got %q, want a whole number, 0 or more", v)
		case "float64":
			return fmt.Errorf("got %q, want a number", v)
		case "bool":
			return fmt.Errorf("got %q, want true or false", v)
		case "duration":
			return fmt.Errorf("got %q, want a time such as 90s or 5m", v)
		}
		return err
	}
}

// whole writes a count as Go reads it: clients that count in floats send 3.0.
func whole(v string) string {
	const exact = 1 << 53 // below it a float64 holds every whole number
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || !strings.ContainsAny(v, ".eE") || n != math.Trunc(n) || !(math.Abs(n) < exact) {
		return v
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// notOurs are names of other trainers that never change anything, and why.
var notOurs = []struct{ why, names string }{
	{"the head is solved to convergence; to take steps instead, the nearest is solver=sgd, momentum or adam",
		"optimizer beta_1 beta_2 eps epsilon gamma rho initial_accumulator_value kv_store"},
	{"it weighs a whole network; the nearest is l2, the weight decay of the head on scaled " +
		"bottlenecks (auto: searched for)", "weight_decay regularizers_l2"},
	{"the nearest are schedule=step, drop_every and drop_factor, with solver=sgd, momentum or adam",
		"lr_scheduler_factor lr_scheduler_step"},
	{"the nearest is patience, with solver=sgd, momentum or adam",
		"early_stopping_min_epochs early_stopping_tolerance early_stopping_min_delta"},
	{"it is of models of several labels; the nearest is class_weights=balanced", "use_weighted_loss"},
	{"all of the validation and test pictures are measured, once",
		"eval_step_interval test_batch_size validation_batch_size eval_metric"},
	{"the network is InceptionV3 and its trunk is frozen",
		"num_layers image_shape resize use_pretrained_model precision_dtype train_only_on_top_layer reinitialize_top_layer " +
			"image_resize_interpolation"},
	{"the nearest is augment, such as augment=flip,crop=0.1,rotate=10,scale=0.1, with views",
		"augmentation augmentation_type augmentation_random_flip augmentation_random_rotation augmentation_random_zoom"},
	{"it is counted from the pictures", "num_classes num_training_samples binary_mode"},
	{"metrics.json and report.html have it of every picture and label", "top_k print_misclassified_test_images"},
	{"the model is written once, when it is done; the nearest is checkpoint_every, how often the solver's state is kept",
		"checkpoint_frequency intermediate_store_frequency"},
}

// stepping says whether a solver takes the settings of train.Descent that stop it early.
func stepping(solver string) bool {
	return slices.Contains([]string{string(train.SGD), string(train.Momentum), string(train.Adam)}, solver)
}

// borrow adds the names of other trainers that mean the same as one of ours, where the solver has
// use for it.
func borrow(table map[string]sagemaker.Setting, flags *pflag.FlagSet, o *trainOptions, values map[string]string) {
	solver := values["solver"]
	retrain := solver == string(train.Retrain)
	steps := stepping(solver) || retrain
	for _, b := range []struct {
		name, flag string
		acts       bool
		with       string
	}{
		{"learning_rate", "learning-rate", steps, "sgd, momentum, adam or retrain"},
		{"epochs", "epochs", stepping(solver), "sgd, momentum or adam"},
		{"momentum", "momentum", solver == string(train.Momentum), "momentum"},
		{"batch_size", "batch-size", steps, "sgd, momentum, adam or retrain"},
		{"mini_batch_size", "batch-size", steps, "sgd, momentum, adam or retrain"},
		{"train_batch_size", "batch-size", steps, "sgd, momentum, adam or retrain"},
		{"how_many_training_steps", "steps", retrain, "retrain"},
		{"dropout_rate", "dropout", stepping(solver), "sgd, momentum or adam"},
		{"early_stopping_patience", "patience", stepping(solver) && values["early_stopping"] == "true",
			"sgd, momentum or adam, and early_stopping=true"},
	} {
		table[b.name] = sagemaker.Setting{Set: byFlag(flags, b.flag)}
		if !b.acts {
			table[b.name] = sagemaker.Setting{Reason: fmt.Sprintf("it acts as %s with solver=%s; the default, "+
				"lbfgs, solves to convergence", strings.ReplaceAll(b.flag, "-", "_"), b.with)}
		}
	}
	table["early_stopping"] = sagemaker.Setting{Reason: "it acts as patience with solver=sgd, momentum or adam; the " +
		"default, lbfgs, solves to convergence"}
	if stepping(solver) {
		table["early_stopping"] = sagemaker.Setting{Set: earlyStopping(&o.cfg.Descent)}
	}
	table["validation_percentage"] = sagemaker.Setting{Set: percent(&o.cfg.Split.Validation)}
	table["testing_percentage"] = sagemaker.Setting{Set: percent(&o.cfg.Split.Test)}
	table["architecture"] = sagemaker.Setting{Set: only("inception_v3", "the network is InceptionV3")}
	if several, err := strconv.ParseBool(values["multi_label"]); err == nil && several {
		table["use_weighted_loss"] = sagemaker.Setting{Set: weightedLoss(&o.classWeights)}
	}
	a := &o.cfg.Augment
	table["flip_left_right"] = sagemaker.Setting{Set: o.altering(flag(&a.Flip))}
	table["random_crop"] = sagemaker.Setting{Set: o.altering(percent(&a.Crop))}
	table["random_scale"] = sagemaker.Setting{Set: o.altering(percent(&a.Scale))}
	table["random_brightness"] = sagemaker.Setting{Set: o.altering(percent(&a.Brightness))}
}

// altering has set choose an alteration, as --augment does; views follow where there are any
// alterations and none were asked for.
func (o *trainOptions) altering(set func(string) error) func(string) error {
	return func(v string) error {
		if err := set(v); err != nil {
			return err
		}
		if o.cfg.Augment != (picture.Augment{}) && o.cfg.Views == 0 {
			o.cfg.Views = defaultViews
		}
		return nil
	}
}

// earlyStopping turns it off, as the built-in algorithms know it; true leaves the patience to its
// own settings.
func earlyStopping(d *train.Descent) func(string) error {
	return func(v string) error {
		on := true
		if err := flag(&on)(v); err != nil {
			return err
		}
		if !on && d.Patience == 0 {
			d.Patience = -1
		}
		return nil
	}
}

// weightedLoss is the built-in algorithm's name, beside multi_label, for labels that count the same
// however many pictures they have.
func weightedLoss(classWeights *string) func(string) error {
	return func(v string) error {
		on := false
		if err := flag(&on)(v); err != nil {
			return err
		}
		if on {
			*classWeights = "balanced"
		}
		return nil
	}
}

func text(p *string) func(string) error {
	return func(v string) error { *p = v; return nil }
}

func percent(p *float64) func(string) error {
	return func(v string) error {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return fmt.Errorf("got %q, want a number of hundredths", v)
		}
		*p = n / 100
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

// refuse accepts no value and says what to do instead.
func refuse(why string) func(string) error {
	return func(v string) error { return fmt.Errorf("got %q, want none in a job: %s", v, why) }
}
