package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/channels"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/hosts"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/hyperparameters"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/wrongfield"
	"github.com/c236555e/rehead/train"
)

// tree is SageMaker's tree of folders: below SAGEMAKER_BASE_DIR, or /opt/ml.
func (a *app) tree() layout.Tree {
	if base := a.getenv("SAGEMAKER_BASE_DIR"); base != "" {
		return layout.Tree(base)
	}
	return layout.Default
}

// inTrainingJob reports whether the binary was started without arguments as a training container.
func (a *app) inTrainingJob() bool {
	return a.getenv("TRAINING_JOB_NAME") != "" || a.tree().Present()
}

// containerTrain is `train` without a folder: a SageMaker training job. What goes wrong is also
// written to the failure file; a job that is stopped has not failed.
func (a *app) containerTrain(ctx context.Context, o *trainOptions, flags *pflag.FlagSet) error {
	l := a.tree()
	if !l.Present() {
		return usagef("train: name a folder of label folders; without one, a SageMaker job is looked for below %s "+
			"(SAGEMAKER_BASE_DIR), and there is none", string(l))
	}
	stale := l.ClearFailure()
	if stale != nil {
		a.note("the failure file of an earlier run stays: %v", stale)
	}
	err := a.runJob(ctx, l, o, flags)
	var wrong *wrongfield.Error
	if errors.As(err, &wrong) { // the command line is not at fault
		err = errors.New(oneLine(err))
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && l.HasCheckpoints():
		a.note("stopped by a signal; what was computed is in %s, and the same job goes on from there", l.Checkpoints())
		return err
	case ctx.Err() != nil:
		a.note("stopped by a signal; with a CheckpointConfig the same job would go on from where it was stopped")
		return err
	}
	if unwritten := cmp.Or(l.WriteFailure(plain(err.Error())), stale); unwritten != nil {
		a.note("the reason is not in the failure file: %v", unwritten)
	}
	return err
}

// job is a training job on its way.
type job struct {
	*app
	tree     layout.Tree
	hosts    hosts.List
	channels channels.Set
	o        *trainOptions
	manifest string // the hyperparameter
	scratch  string // a folder of this run alone
}

func (a *app) runJob(ctx context.Context, l layout.Tree, o *trainOptions, flags *pflag.FlagSet) (err error) {
	j := &job{app: a, tree: l, o: o}
	if j.hosts, err = hosts.Read(l); err != nil {
		return err
	}
	if j.channels, err = channels.Read(l); err != nil {
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
	signalled := ctx
	ctx, lost := context.WithCancelCause(ctx)
	defer func() {
		if cause := context.Cause(ctx); err != nil && cause != nil && signalled.Err() == nil {
			err = cause // a host was lost, which is why all else ended
		}
		lost(nil)
	}()
	dir, shared, done, err := j.share(ctx, lost)
	if done || err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shared.Close(ctx, err)) }()
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	o.job = true
	result, failed := a.train(ctx, dir, o)
	if result == nil {
		return failed
	}
	a.printOtherMetricLines(&result.Metrics)
	if others, _ := filepath.Glob(filepath.Join(j.tree.Checkpoints(), "*", "*.checkpoint")); len(others) > 0 {
		a.note("%s is the state of another job, of other pictures, labels or settings: this one began anew beside it",
			strings.Join(others, ", "))
	}
	return failed // with a result: its accuracy is below --min-accuracy
}

// configure sets what the layout says, then what the hyperparameters say.
func (j *job) configure(flags *pflag.FlagSet) error {
	o := j.o
	o.cfg.Name = j.getenv("TRAINING_JOB_NAME")
	o.out, o.cfg.Neighbours = j.tree.Model(), 0 // an endpoint shows no training pictures unless the job asks for it
	if o.cache == "" && j.getenv("REHEAD_CACHE") == "" {
		o.cache = "none"
		if j.tree.HasCheckpoints() {
			o.cache = filepath.Join(j.tree.Checkpoints(), j.hosts.CacheName())
		}
	}
	weights, err := j.channels.File("weights")
	if err != nil {
		return err
	}
	if weights != "" {
		o.weights = weights
	}
	if o.warmStart, err = j.channels.Model(); err != nil {
		return err
	}
	values, err := hyperparameters.Read(j.tree)
	if err != nil {
		return err
	}
	notes, err := hyperparameters.Apply(values, hyperparameters.Table(o.settable(flags, &j.manifest), values))
	for _, note := range notes {
		j.note("%s", note)
	}
	return err
}

// settable is what hyperparameters set.
func (o *trainOptions) settable(flags *pflag.FlagSet, manifest *string) hyperparameters.Target {
	return hyperparameters.Target{Flags: flags, Config: &o.cfg, ClassWeights: &o.classWeights, Manifest: manifest,
		Views: defaultViews}
}

// pictures finds the pictures of every part, and returns the folder or manifest to train on. in is where
// channels lie that are sharded among hosts, nil: on this disk.
func (j *job) pictures(ctx context.Context, in *hosts.Store) (dir string, err error) {
	finder := channels.Finder{Tree: j.tree, Channels: j.channels, Manifest: j.manifest, Classes: j.o.classes,
		Corrections: j.o.correct,
		Scratch:     j.scratchDir, Say: j.note}
	if in != nil {
		opened := source.Addresses{"": in.OpenPath}
		maps.Copy(opened, j.o.addresses)
		finder.Store, j.o.addresses = in, opened
	}
	p, err := finder.Find(ctx)
	j.o.correct = p.Corrections
	j.o.classes, j.o.validationDir, j.o.testDir, j.o.roots = p.Classes, p.Validation, p.Test, p.Roots
	return p.Training, err
}

// share finds the pictures, in dir, and has each of several hosts embed a part of them. The leader gets
// all bottlenecks into its cache and goes on to train; done is true on the others. lost ends the job where
// a host is lost whose pictures are wanted.
func (j *job) share(ctx context.Context, lost func(error)) (dir string, shared *hosts.Shared, done bool, err error) {
	if len(j.hosts.All) < 2 {
		dir, err = j.pictures(ctx, nil)
		return dir, nil, false, err
	}
	cfg, err := j.hosts.Check(j.channels, j.getenv("REHEAD_HOSTS_PORT"),
		cmp.Or(j.getenv("TRAINING_JOB_ARN"), j.getenv("TRAINING_JOB_NAME")))
	if err != nil {
		return "", nil, false, err
	}
	if j.o.cache == "none" {
		scratch, err := j.scratchDir()
		if err != nil {
			return "", nil, false, err
		}
		j.o.cache = filepath.Join(scratch, "cache")
	}
	work := hosts.Work{Config: cfg, Cache: j.o.cache, Scratch: j.scratchDir, Say: j.note, Embed: j.embedPart, Lost: lost,
		Features: &j.o.cfg.Features, Engine: j.o.engine.Config,
		Weights: func() (*inception.Weights, error) { return j.resolve(j.o.weights) },
		Plan: func(ctx context.Context, in *hosts.Store) (*dataset.Folder, error) {
			if dir, err = j.pictures(ctx, in); err != nil {
				return nil, err
			}
			folder, err := j.o.open(dir, 2)
			if err != nil {
				return nil, err
			}
			cfg, err := j.trainConfig(j.o)
			if err != nil {
				return nil, err
			}
			j.o.cfg.Features = cfg.FeaturesFor(len(folder.Items)) // which a share of them could not tell
			return folder, nil
		}}
	shared, done, err = work.Share(ctx)
	return dir, shared, done, err
}

// embedPart embeds this host's pictures.
func (j *job) embedPart(ctx context.Context, part *dataset.Folder, w *inception.Weights) (*train.Embedded, error) {
	cfg, err := j.trainConfig(j.o)
	if err != nil {
		return nil, err
	}
	p := j.trainProgress()
	cfg.Progress = p.event
	e, err := train.Embed(ctx, part, w, cfg)
	p.done()
	if err != nil {
		return nil, err
	}
	j.note("%d bottlenecks computed, %d from the cache", e.Pictures, e.Cached)
	return e, nil
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
