package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/cmd/rehead/sagemaker"
)

// layout is SageMaker's tree of folders: below SAGEMAKER_BASE_DIR, or /opt/ml.
func (a *app) layout() sagemaker.Layout {
	if base := a.getenv("SAGEMAKER_BASE_DIR"); base != "" {
		return sagemaker.Layout(base)
	}
	return "/opt/ml"
}

// inTrainingJob reports whether the binary was started without arguments as a training container.
func (a *app) inTrainingJob() bool {
	return a.getenv("TRAINING_JOB_NAME") != "" || a.layout().Present()
}

// containerTrain is `train` without a folder: a SageMaker training job. What goes wrong is also written to the failure file.
func (a *app) containerTrain(ctx context.Context, o *trainOptions) error {
	l := a.layout()
	if !l.Present() {
		return usagef("train: name a folder of label folders; without one, a SageMaker job is looked for below %s (SAGEMAKER_BASE_DIR), and there is none", string(l))
	}
	err := a.runJob(ctx, l, o)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("train: stopped by a signal; finished bottlenecks are kept where checkpoints are on: %w", err)
	}
	return errors.Join(err, l.WriteFailure(oneLine(err)))
}

func (a *app) runJob(ctx context.Context, l sagemaker.Layout, o *trainOptions) error {
	hosts, err := l.Hosts()
	if err != nil {
		return err
	}
	if n := len(hosts.All); n > 1 {
		return fmt.Errorf("train: this job has %d hosts, want 1: set InstanceCount to 1, for the trunk runs once a picture and the head takes seconds", n)
	}
	channels, err := l.Channels()
	if err != nil {
		return err
	}
	dir, err := trainingChannel(l, channels)
	if err != nil {
		return err
	}
	o.validationDir, o.testDir = channels["validation"].Dir, channels["test"].Dir
	o.out, o.cfg.Neighbours = l.Model(), 0 // an endpoint shows no training pictures unless the job asks for it
	if _, err := os.Stat(l.Checkpoints()); err == nil {
		o.cache = filepath.Join(l.Checkpoints(), "bottlenecks")
	}
	if ref, err := channelWeights(channels); err != nil {
		return err
	} else if ref != "" {
		o.weights = ref
	}
	values, err := l.Hyperparameters()
	if err != nil {
		return err
	}
	notes, err := sagemaker.Apply(values, hyperparameters(o))
	if err != nil {
		return err
	}
	for _, note := range notes {
		a.say("%s", note)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	o.job = true
	result, failed := a.train(ctx, dir, o)
	if result == nil {
		return failed
	}
	m := &result.Metrics
	// More lines that metric definitions look for: those of the built-in algorithm and of retrain.py.
	a.say("Epoch[0] Train-accuracy=%.6f", m.Train.Accuracy)
	if m.Validation.Images > 0 {
		a.say("Epoch[0] Validation-accuracy=%.6f", m.Validation.Accuracy)
	}
	if m.Test.Images > 0 {
		a.say("Final test accuracy = %.1f%% (N=%d)", 100*m.Test.Accuracy, m.Test.Images)
	}
	return failed // with a result: its accuracy is below --min-accuracy
}

// trainingChannel finds the pictures: the channel train or training, else the only one that can be meant.
func trainingChannel(l sagemaker.Layout, channels map[string]sagemaker.Channel) (string, error) {
	var names []string
	for name, c := range channels {
		if name == "train" || name == "training" {
			return c.Dir, nil
		}
		if !slices.Contains([]string{"validation", "test", "model", "weights"}, name) {
			names = append(names, name)
		}
	}
	if len(names) == 1 {
		return channels[names[0]].Dir, nil
	}
	slices.Sort(names)
	return "", fmt.Errorf("train: no channel named train or training below %s (found: %s): give the label folders as one", l.Path("input", "data"), strings.Join(names, ", "))
}

// channelWeights finds the trunk in the channel weights: its only file.
func channelWeights(channels map[string]sagemaker.Channel) (string, error) {
	c, ok := channels["weights"]
	if !ok {
		return "", nil
	}
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return "", fmt.Errorf("train: channel weights: %w", err)
	}
	var files []string
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") && !strings.HasSuffix(e.Name(), ".txt") {
			files = append(files, filepath.Join(c.Dir, e.Name()))
		}
	}
	if len(files) != 1 {
		return "", fmt.Errorf("train: channel weights holds %d files in %s, want one weight file", len(files), c.Dir)
	}
	return files[0], nil
}

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
func hyperparameters(o *trainOptions) map[string]sagemaker.Setting {
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
		"min_accuracy":          {Set: number(&o.least)},
		"batch":                 {Set: whole(&o.cfg.Batch)},
		"threads":               {Set: whole(&o.engine.threads)},
		"dtype":                 {Set: text(&o.dtype)},
		"no_trunk":              {Set: flag(&o.noTrunk)},
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
