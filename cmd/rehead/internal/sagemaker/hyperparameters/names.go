package hyperparameters

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/head"
)

// elsewhere are flags of `train` that a job has another place for: the setting's answer says which.
var elsewhere = map[string]string{
	"write_corrections": "run rehead doctor --write-corrections before the job, and give the edited file as corrections",
	"output":            "the model's place is fixed, /opt/ml/model",
	"force":             "the model's place is fixed, and a job keeps no older model there",
	"name":              "the model is named after the job",
	"json":              "a job's log has its metrics as lines, and metrics.json all of them",
	"warm_start":        "give the older model as the channel model",
	"validation_dir":    "give the pictures as the channel validation",
	"test_dir":          "give the pictures as the channel test",
	"image_root":        "a manifest's pictures lie in its own channel",
	"bottlenecks":       noShards,
	"memory":            noShards,
	"passes":            noShards,
	"help":              "rehead train --help lists the settings",
}

// noShards is the answer to settings of a training on shards.
const noShards = "a job trains on pictures: rehead train --bottlenecks trains on shards, outside of one"

// Target is what a job's hyperparameters set.
type Target struct {
	Flags        *pflag.FlagSet // of `train`
	Config       *train.Config  // that the flags set too
	ClassWeights *string
	Manifest     *string // file below the training channel; "none": label folders, even beside manifests
	Views        int     // of a picture where alterations are asked for and no number is
}

// Table says what each name does. Ours are all flags of `train`, with underscores; those of the
// built-in image classification, of its TensorFlow kin and of retrain.py are accepted beside them,
// so that a job's settings need no rewriting: they act where they mean the same, and otherwise the
// answer names the nearest of ours. Some act with some solvers only, so values tells which one it
// will be.
func Table(t Target, values map[string]string) map[string]Setting {
	table := map[string]Setting{"manifest": {Set: text(t.Manifest)}}
	for _, reason := range notOurs {
		for _, name := range strings.Fields(reason.names) {
			table[name] = Setting{Reason: reason.why}
		}
	}
	t.Flags.VisitAll(func(f *pflag.Flag) {
		name := strings.ReplaceAll(f.Name, "-", "_")
		if why, ok := elsewhere[name]; ok {
			table[name] = Setting{Set: refuse(why), Refuse: true}
			return
		}
		table[name] = Setting{Set: t.byFlag(f.Name)}
	})
	borrow(table, t, values)
	return table
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
	{"it is for multi-label models; the nearest is class_weights=balanced", "use_weighted_loss"},
	{"all of the validation and test pictures are measured, once",
		"eval_step_interval test_batch_size validation_batch_size eval_metric"},
	{"the network is InceptionV3 and its trunk is frozen",
		"num_layers image_shape resize use_pretrained_model precision_dtype image_resize_interpolation"},
	{"the nearest is augment, such as augment=flip,crop=0.1,rotate=10,scale=0.1, with views",
		"augmentation augmentation_type augmentation_random_flip augmentation_random_rotation augmentation_random_zoom"},
	{"it is counted from the pictures", "num_classes num_training_samples binary_mode"},
	{"metrics.json and report.html have it of every picture and label", "top_k print_misclassified_test_images"},
	{"the model is written once, when it is done; the nearest is checkpoint_every, how often the solver's state is kept",
		"checkpoint_frequency intermediate_store_frequency checkpoint_save_best_only"},
	{"a job's log has its metrics as lines", "verbose_one_line_per_epoch"},
}

// stepping says whether a solver takes the settings of head.MiniBatch that stop it early.
func stepping(solver string) bool {
	return slices.Contains([]string{string(head.SGD), string(head.Momentum), string(head.Adam)}, solver)
}

// borrow adds the names of other trainers that mean the same as one of ours, where the solver has
// use for it.
func borrow(table map[string]Setting, t Target, values map[string]string) {
	solver := values["solver"]
	retrain := solver == string(head.Retrain)
	steps := stepping(solver) || retrain
	for _, b := range []struct {
		name, flag string
		acts       bool
		with       string
	}{
		{"learning_rate", "learning-rate", steps, "sgd, momentum, adam or retrain"},
		{"lr", "learning-rate", steps, "sgd, momentum, adam or retrain"},
		{"epochs", "epochs", stepping(solver), "sgd, momentum or adam"},
		{"num_epochs", "epochs", stepping(solver), "sgd, momentum or adam"},
		{"num_train_epochs", "epochs", stepping(solver), "sgd, momentum or adam"},
		{"momentum", "momentum", solver == string(head.Momentum), "momentum"},
		{"batch_size", "batch-size", steps, "sgd, momentum, adam or retrain"},
		{"mini_batch_size", "batch-size", steps, "sgd, momentum, adam or retrain"},
		{"train_batch_size", "batch-size", steps, "sgd, momentum, adam or retrain"},
		{"how_many_training_steps", "steps", retrain, "retrain"},
		{"dropout_rate", "dropout", stepping(solver), "sgd, momentum or adam"},
		{"early_stopping_patience", "patience", stepping(solver) && values["early_stopping"] == "true",
			"sgd, momentum or adam, and early_stopping=true"},
	} {
		table[b.name] = Setting{Set: t.byFlag(b.flag)}
		if !b.acts {
			table[b.name] = Setting{Check: t.tried(b.flag), Reason: fmt.Sprintf("it acts as %s with solver=%s; the default, "+
				"lbfgs, solves to convergence", strings.ReplaceAll(b.flag, "-", "_"), b.with)}
		}
	}
	table["early_stopping"] = Setting{Reason: "it acts as patience with solver=sgd, momentum or adam; the " +
		"default, lbfgs, solves to convergence"}
	if stepping(solver) {
		table["early_stopping"] = Setting{Set: earlyStopping(&t.Config.MiniBatch)}
	}
	table["validation_percentage"] = Setting{Set: percent(&t.Config.Split.Validation)}
	table["testing_percentage"] = Setting{Set: percent(&t.Config.Split.Test)}
	for _, name := range []string{"validation_split_ratio", "validation_split"} {
		table[name] = Setting{Set: fraction(&t.Config.Split.Validation)}
	}
	for _, name := range []string{"random_seed", "random_state"} {
		table[name] = Setting{Set: t.byFlag("seed")}
	}
	for _, name := range []string{"train_only_top_layer", "train_only_on_top_layer"} {
		table[name] = Setting{Check: isTrue("the trunk is frozen, and fine-tuning it is not to be had here"),
			Reason: "the trunk is frozen, and the head alone is trained"}
	}
	table["reinitialize_top_layer"] = Setting{Check: topLayer, Reason: "the head is new, unless the job has an older " +
		"model as the channel model, at whose head the solver begins"}
	table["architecture"] = Setting{Set: only("inception_v3", "the network is InceptionV3")}
	if multiLabel, err := strconv.ParseBool(values["multi_label"]); err == nil && multiLabel {
		table["use_weighted_loss"] = Setting{Set: weightedLoss(t.ClassWeights)}
	}
	a := &t.Config.Augment
	table["flip_left_right"] = Setting{Set: t.altering(flag(&a.Flip))}
	table["random_crop"] = Setting{Set: t.altering(percent(&a.Crop))}
	table["random_scale"] = Setting{Set: t.altering(percent(&a.Scale))}
	table["random_brightness"] = Setting{Set: t.altering(percent(&a.Brightness))}
}
