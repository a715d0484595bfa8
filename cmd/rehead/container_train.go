package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/cmd/rehead/sagemaker"
	"github.com/c236555e/rehead/train/metrics"
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

// containerTrain is `train` without a folder: a SageMaker training job. What goes wrong is also
// written to the failure file; a job that is stopped has not failed.
func (a *app) containerTrain(ctx context.Context, o *trainOptions, flags *pflag.FlagSet) error {
	l := a.layout()
	if !l.Present() {
		return usagef("train: name a folder of label folders; without one, a SageMaker job is looked for below %s "+
			"(SAGEMAKER_BASE_DIR), and there is none", string(l))
	}
	if err := l.ClearFailure(); err != nil {
		return err
	}
	err := a.runJob(ctx, l, o, flags)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && a.checkpoints(l) != "":
		a.say("stopped by a signal; what was computed is in %s, and the same job goes on from there", a.checkpoints(l))
		return err
	case ctx.Err() != nil:
		a.say("stopped by a signal; with a CheckpointConfig the same job would go on from where it was stopped")
		return err
	}
	return errors.Join(err, l.WriteFailure(oneLine(err)))
}

// checkpoints is the folder that outlives a stopped job; "" where the job asked for none.
func (a *app) checkpoints(l sagemaker.Layout) string {
	if info, err := os.Stat(l.Checkpoints()); err != nil || !info.IsDir() {
		return ""
	}
	return l.Checkpoints()
}

// job is a training job on its way.
type job struct {
	*app
	layout   sagemaker.Layout
	hosts    sagemaker.Hosts
	channels map[string]sagemaker.Channel
	o        *trainOptions
	settings jobSettings
	dir      string // the pictures to train on: a folder or a manifest
	scratch  string // a folder of this run alone
}

// jobSettings are the hyperparameters that only a job has.
type jobSettings struct {
	manifest string // file below the training channel; "none": label folders, whatever else lies there
}

func (a *app) runJob(ctx context.Context, l sagemaker.Layout, o *trainOptions, flags *pflag.FlagSet) (err error) {
	j := &job{app: a, layout: l, o: o}
	if j.hosts, err = l.Hosts(); err != nil {
		return err
	}
	if j.channels, err = l.Channels(); err != nil {
		return err
	}
	if err := j.configure(flags); err != nil {
		return err
	}
	defer func() {
		if j.scratch != "" {
			err = errors.Join(err, os.RemoveAll(j.scratch))
		}
	}()
	if err := j.data(ctx); err != nil {
		return err
	}
	if done, err := j.share(ctx); done || err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	o.job = true
	result, failed := a.train(ctx, j.dir, o)
	if result == nil {
		return failed
	}
	a.metricLines(&result.Metrics)
	return failed // with a result: its accuracy is below --min-accuracy
}

// configure sets what the layout says, then what the hyperparameters say.
func (j *job) configure(flags *pflag.FlagSet) error {
	o := j.o
	o.out, o.cfg.Neighbours = j.layout.Model(), 0 // an endpoint shows no training pictures unless the job asks for it
	if o.cache == "" && j.getenv("REHEAD_CACHE") == "" {
		o.cache = "none"
		if dir := j.checkpoints(j.layout); dir != "" {
			o.cache = filepath.Join(dir, j.cacheName())
		}
	}
	weights, err := channelFile(j.channels, "weights")
	if err != nil {
		return err
	}
	if weights != "" {
		o.weights = weights
	}
	if o.warmStart, err = channelModel(j.channels); err != nil {
		return err
	}
	values, err := j.layout.Hyperparameters()
	if err != nil {
		return err
	}
	notes, err := sagemaker.Apply(values, hyperparameters(flags, o, &j.settings, values))
	for _, note := range notes {
		j.say("%s", note)
	}
	return err
}

// scratchDir makes the folder of this run alone, once.
func (j *job) scratchDir() (string, error) {
	if j.scratch != "" {
		return j.scratch, nil
	}
	dir, err := os.MkdirTemp("", "rehead-job-")
	if err != nil {
		return "", fmt.Errorf("train: no room to unpack: %w; name a folder that can be written to in TMPDIR", err)
	}
	j.scratch = dir
	return dir, nil
}

// metricLines prints more lines that metric definitions look for: those of the built-in algorithms
// and of retrain.py.
func (a *app) metricLines(m *metrics.Metrics) {
	a.say("Epoch[0] Train-accuracy=%.6f", m.Train.Accuracy)
	if m.Validation.Images > 0 {
		a.say("Epoch[0] Validation-accuracy=%.6f", m.Validation.Accuracy)
		a.say("loss: %.4f - accuracy: %.4f - val_loss: %.4f - val_accuracy: %.4f", m.Train.LogLoss, m.Train.Accuracy,
			m.Validation.LogLoss, m.Validation.Accuracy)
	}
	if m.Test.Images > 0 {
		a.say("Final test accuracy = %.1f%% (N=%d)", 100*m.Test.Accuracy, m.Test.Images)
	}
}
