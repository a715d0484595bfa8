package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/hyperparameters"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout/layouttest"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/train/head"
)

// settled is what `train` makes of a job's hyperparameters, given as "name=value name=value", and
// what the log says of them.
func settled(t *testing.T, settings string) (o *trainOptions, notes string, err error) {
	t.Helper()
	values := map[string]string{}
	for _, s := range strings.Fields(settings) {
		name, value, _ := strings.Cut(s, "=")
		values[name] = value
	}
	o = &trainOptions{}
	a := &app{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}
	flags := trainCommand(a, o).Flags()
	list, err := hyperparameters.Apply(values, hyperparameters.Table(o.settable(flags, new(string)), values))
	return o, strings.Join(list, "\n"), err
}

// Contract 23, 27, 28: every setting of `train`, and those of other trainers where they mean the
// same.
func TestContract23HyperparametersThatAct(t *testing.T) {
	for settings, check := range map[string]func(o *trainOptions) bool{
		"solver=adam learning_rate=0.01 schedule=cosine epochs=12 patience=3 dropout=0.2": func(o *trainOptions) bool {
			d := o.cfg.MiniBatch
			return o.cfg.Solver == head.Adam && d.Rate == 0.01 && d.Schedule == "cosine" && d.Epochs == 12 && d.Patience == 3 &&
				d.Dropout == 0.2
		},
		"solver=momentum momentum=0.8 mini_batch_size=32 drop_every=4 " +
			"drop_factor=0.5 schedule=step": func(o *trainOptions) bool {
			d := o.cfg.MiniBatch
			return o.cfg.Solver == head.Momentum && d.Momentum == 0.8 && d.Batch == 32 && d.DropEvery == 4 &&
				d.DropFactor == 0.5
		},
		"solver=retrain how_many_training_steps=400 learning_rate=0.01 train_batch_size=50": func(o *trainOptions) bool {
			d := o.cfg.MiniBatch
			return o.cfg.Solver == head.Retrain && d.Steps == 400 && d.Rate == 0.01 && d.Batch == 50
		},
		"label_smoothing=0.1 class_weights=balanced scaling=auto l2=auto folds=4 " +
			"unknown=0.05 min_accuracy=0.9": func(o *trainOptions) bool {
			return o.cfg.Smoothing == 0.1 && o.classWeights == "balanced" && o.cfg.Scaling == head.ScaleAuto &&
				o.cfg.L2 == -1 && o.cfg.Folds == 4 &&
				o.cfg.Unknown == 0.05 && o.least == 0.9
		},
		"multi_label=1 use_weighted_loss=1": func(o *trainOptions) bool {
			return o.multiLabel && o.classWeights == "balanced"
		},
		"multi_label=0 use_weighted_loss=0": func(o *trainOptions) bool { return !o.multiLabel && o.classWeights == "none" },
		"solver=adam epochs=3.0 batch_size=1e2 seed=7.0": func(o *trainOptions) bool {
			return o.cfg.MiniBatch.Epochs == 3 && o.cfg.MiniBatch.Batch == 100 && o.cfg.Seed == 7
		},
		"augment=flip,rotate=10 views=3": func(o *trainOptions) bool {
			return o.cfg.Augment == picture.Augment{Flip: true, Rotate: 10} && o.cfg.Views == 3
		},
		"flip_left_right=true random_crop=10 random_scale=20 random_brightness=5": func(o *trainOptions) bool {
			return o.cfg.Augment == picture.Augment{Flip: true, Crop: 0.1, Scale: 0.2, Brightness: 0.05} &&
				o.cfg.Views == defaultViews
		},
		"flip_left_right=false random_crop=0": func(o *trainOptions) bool {
			return o.cfg.Views == 0
		},
		"solver=adam dropout_rate=0.3 early_stopping=false early_stopping_patience=2": func(o *trainOptions) bool {
			return o.cfg.MiniBatch.Dropout == 0.3 && o.cfg.MiniBatch.Patience == -1
		},
		"solver=adam early_stopping=true early_stopping_patience=2": func(o *trainOptions) bool {
			return o.cfg.MiniBatch.Patience == 2
		},
		"validation_percentage=15 testing_percentage=20 seed=9 salt=x": func(o *trainOptions) bool {
			return o.cfg.Split.Validation == 0.15 && o.cfg.Split.Test == 0.2 && o.cfg.Seed == 9 && o.cfg.Split.Salt == "x"
		},
		"validation_split_ratio=0.15 random_seed=123": func(o *trainOptions) bool {
			return o.cfg.Split.Validation == 0.15 && o.cfg.Seed == 123
		},
		"checkpoint_every=30s no_report=true dtype=f16 threads=2 max_bad=3 max_pixels=1": func(o *trainOptions) bool {
			return o.cfg.Checkpoints.Every == 30*time.Second && o.noReport && o.dtype == "f16" && o.engine.Threads == 2 &&
				o.cfg.MaxBad == 3
		},
	} {
		o, notes, err := settled(t, settings)
		if err != nil || !check(o) {
			t.Errorf("%s: got %+v, %v", settings, o.cfg, err)
		}
		if passes := strings.Contains(settings, "early_stopping=false early_stopping_patience") ||
			strings.Contains(settings, "multi_label=0"); strings.Contains(notes, "changes nothing") != passes {
			t.Errorf("%s: got the notes %q", settings, notes)
		}
	}
}

// otherNames are all hyperparameters of the built-in image classification, of its TensorFlow kin
// and of retrain.py, with a job's values.
const otherNames = `num_classes=5 num_training_samples=700 augmentation_type=crop beta_1=0.9
beta_2=0.999 checkpoint_frequency=1 early_stopping=true early_stopping_min_epochs=10
early_stopping_patience=5 early_stopping_tolerance=0.0 epochs=30 eps=1e-8 gamma=0.9
image_shape=3,224,224 kv_store=dist_sync learning_rate=0.1 lr_scheduler_factor=0.1
lr_scheduler_step=10,20 mini_batch_size=32 momentum=0.9 multi_label=0 num_layers=152 optimizer=sgd
precision_dtype=float32 resize=256 top_k=2 use_pretrained_model=1 use_weighted_loss=0
weight_decay=0.0001 batch_size=32 epsilon=1e-7 rho=.95 initial_accumulator_value=.0001
dropout_rate=.2 label_smoothing=.1 regularizers_l2=.0001 train_only_on_top_layer=true
reinitialize_top_layer=Auto augmentation=false augmentation_random_flip=horizontal_and_vertical
augmentation_random_rotation=.2 augmentation_random_zoom=.1 early_stopping_min_delta=0
binary_mode=false eval_metric=accuracy image_resize_interpolation=bilinear
how_many_training_steps=400 testing_percentage=10 validation_percentage=10 eval_step_interval=10
train_batch_size=100 test_batch_size=-1 validation_batch_size=100 flip_left_right=false
random_crop=0 random_scale=0 random_brightness=0 print_misclassified_test_images=false
architecture=inception_v3 intermediate_store_frequency=0 train_only_top_layer=true
checkpoint_save_best_only=true verbose_one_line_per_epoch=2`

// Contract 23, 27, 28: no name of another trainer fails a job; what does not act says why, and
// where there is one names the nearest of ours.
func TestContract27HyperparametersOfOthers(t *testing.T) {
	o, notes, err := settled(t, otherNames)
	if err != nil {
		t.Fatal(err)
	}
	if o.cfg.MiniBatch != (head.MiniBatch{}) {
		t.Errorf("got %+v: solver lbfgs has no use for these", o.cfg.MiniBatch)
	}
	for name, nearest := range map[string]string{
		"optimizer": "solver=", "learning_rate": "solver=", "weight_decay": "l2", "regularizers_l2": "l2",
		"lr_scheduler_step": "drop_every",
		"early_stopping":    "patience", "use_weighted_loss": "class_weights", "augmentation_type": "augment=",
		"augmentation_random_zoom": "augment=",
		"checkpoint_frequency":     "checkpoint_every", "how_many_training_steps": "solver=retrain",
		"dropout_rate":    "dropout",
		"mini_batch_size": "batch_size",
	} {
		found := false
		for line := range strings.Lines(notes) {
			if strings.HasPrefix(line, "hyperparameter "+name+"=") {
				found = strings.Contains(line, nearest)
			}
		}
		if !found {
			t.Errorf("%s: the log does not name the nearest, %s:\n%s", name, nearest, notes)
		}
	}
}

func TestHyperparameterRefusals(t *testing.T) {
	for settings, want := range map[string]string{
		"learning_rte=0.1":             `did you mean "learning_rate"`,
		"lable_smoothing=0.1":          `did you mean "label_smoothing"`,
		"solver=adam epochs=many":      `"epochs": got "many", want a whole number`,
		"solver=adam epochs=3.5":       `"epochs": got "3.5", want a whole number`,
		"seed=-1.0":                    `"seed": got "-1.0", want a whole number, 0 or more`,
		"seed=1e300":                   `"seed": got "1e300", want a whole number, 0 or more`,
		"warm_start=model":             "channel model",
		"output=x":                     "/opt/ml/model",
		"validation_dir=x":             "channel validation",
		"multi_label=2":                "want true or false",
		"architecture=mobilenet_v2":    "the network is InceptionV3",
		"random_crop=much":             "hundredths",
		"early_stopping=no solver=sgd": "want true or false",
		// refused even where the solver has no use for them
		"learning_rate=-1":             `"learning_rate": train: config: Rate: got -1`,
		"learning_rate=abc":            `"learning_rate": got "abc", want a number`,
		"learning_rate=nan":            `"learning_rate": train: config: Rate`,
		"momentum=1":                   `"momentum": train: config: Momentum`,
		"mini_batch_size=-3":           `"mini_batch_size": train: config`,
		"epochs=-1":                    `"epochs": train: config`,
		"dropout_rate=2":               `"dropout_rate": train: config: Dropout`,
		"early_stopping_patience=soon": `"early_stopping_patience": got "soon"`,
		"solver=retrain momentum=much": `"momentum": got "much", want a number`,
		"validation_split_ratio=half":  `"validation_split_ratio": got "half", want a number`,
	} {
		if _, _, err := settled(t, settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", settings, err, want)
		}
	}
}

// A job with a solver, views and weights of its own, from hyperparameters.json to the model's
// settings.
func TestJobWithSolver(t *testing.T) {
	l := jobFolder(t, 8)
	layouttest.Config(t, l, "hyperparameters.json", `{"solver":"\"adam\"","learning-rate":"0.01","epochs":"7",
		"patience":"-1","dropout":"0.1","label_smoothing":"0.05",
		"class_weights":"{\"circle\": 1}","augment":"flip","views":"1"}`)
	o := inContainer(t, string(l), "train")
	if o.code == exitDone || !strings.Contains(o.stderr, `there is no label "circle"`) {
		t.Fatalf("weights of a label that does not exist: code %d: %s", o.code, o.stderr)
	}
	layouttest.Config(t, l, "hyperparameters.json", `{"solver":"\"adam\"","learning-rate":"0.01","epochs":"7",
		"patience":"-1","dropout":"0.1","label_smoothing":"0.05",
		"class_weights":"balanced","augment":"flip","views":"1"}`)
	card, log := trained(t, l)
	var got map[string]any
	if err := json.Unmarshal(card.Training, &got); err != nil {
		t.Fatal(err)
	}
	settings, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"adam"`, `"Epochs":7`, `0.05`, `"views":1`, `"flip":true`, `"balanced":true`} {
		if !strings.Contains(string(settings), want) {
			t.Errorf("the model's settings have no %s: %s", want, settings)
		}
	}
	if strings.Contains(log, "changes nothing") {
		t.Errorf("got %s", log)
	}
}

// The hyperparameter features is the flag of that name: the model's head reads what it says, and a value
// that is none ends the job with the words.
func TestJobFeatures(t *testing.T) {
	l := jobFolder(t, 8)
	layouttest.Config(t, l, "hyperparameters.json", `{"features":"\"mixed_6e,Mixed_7c,quarters\"","l2":"0.1"}`)
	card, _ := trained(t, l)
	if card.Reads == nil || card.Reads.String() != "quarters of Mixed_6e, Mixed_7c" || card.Features != card.Reads.Length(card.Width) {
		t.Errorf("the head reads %v: %d values", card.Reads, card.Features)
	}
	layouttest.Config(t, l, "hyperparameters.json", `{"features":"middle"}`)
	if o := inContainer(t, string(l), "train"); o.code == exitDone || !strings.Contains(o.stderr, `"middle"`) {
		t.Errorf("code %d: %s", o.code, o.stderr)
	}
}
