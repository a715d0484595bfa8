package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/plural"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train"
)

// trainOptions is the command line of `train`.
type trainOptions struct {
	engine   engineFlags
	limits   limitFlags
	weights  string
	out      string
	cache    string
	dtype    string
	input    inputFlags
	noTrunk  bool
	force    bool
	correct  string // corrections file, "" for none
	corrects string // corrections file to write, "" for none
	noReport bool
	asJSON   bool
	plots    plotFlags
	events   string  // folder of TensorBoard's event file, "" for none
	least    float64 // accuracy, 0 for any
	job      bool    // a training job, whose log is read by machines
	cfg      train.Config
	dataFlags
	headFlags
	shards shardFlags
}

func newTrain(a *app) *cobra.Command { return trainCommand(a, &trainOptions{}) }

// trainCommand is `train` with its options in o.
func trainCommand(a *app, o *trainOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "train [DIR|ARCHIVE|MANIFEST | --bottlenecks SHARDS...]",
		Short: "Train a head on label folders or a manifest",
		Long: `Embeds the pictures of a folder of label folders, or of a manifest (CSV, JSON
lines, .lst), with a frozen trunk, solves for a softmax head and writes a model
folder with a report.html to look at. Bottlenecks are cached by the pictures'
content, so that a second run takes seconds.

Every run begins with the checks of "rehead doctor". Pictures that cannot be
read are listed with their reasons and left out. The split into training,
validation and test pictures is stable: it is a hash of each picture's path
below its label. docs/data.md has the formats of pictures and manifests.

The head is solved to convergence by L-BFGS; --solver sgd, momentum and adam
take small steps, and --solver retrain is retrain.py's own recipe.
docs/training.md has the head's options, docs/multilabel.md pictures of several
labels, docs/reports.md the report, charts and TensorBoard.

A run that is stopped, even by kill -9, goes on where it was when it is started
again with the same settings and cache, and ends with the same bytes.

With --bottlenecks it trains on shards that "rehead embed --shards" wrote, in a
few passes over them and with bounded memory: docs/fleet.md.

Without DIR it is a SageMaker training job: data, settings and model are below
/opt/ml (SAGEMAKER_BASE_DIR overrides it). See docs/sagemaker.md.`,
		Example: `  rehead train flower_photos -o model
  rehead train flowers.csv --weights keras --l2 auto --min-accuracy 0.9
  rehead train photos.csv --multi-label --class-weights balanced
  rehead train flower_photos --augment default --views 4 --tensorboard runs/1`,
		Args: needArgs(0, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(o.shards.places) > 0 {
				if err := o.shards.check(cmd.Flags()); err != nil {
					return err
				}
				return a.savingTo(cmd.Context(), o, func(saved func() error) error {
					return a.trainShards(cmd.Context(), args, o, saved)
				})
			}
			if err := needArgs(0, 1)(cmd, args); err != nil {
				return err
			}
			if len(args) == 0 {
				return a.containerTrain(cmd.Context(), o, cmd.Flags())
			}
			_, err := a.train(cmd.Context(), args[0], o)
			return err
		},
	}
	o.engine.add(cmd, a)
	o.engine.addPrecision(cmd, "int8 calibrates on training pictures, and the model stays int8")
	o.limits.add(cmd)
	o.dataFlags.add(cmd, a)
	o.add(cmd)
	o.headFlags.add(cmd, &o.cfg)
	o.shards.add(cmd)
	first(cmd, "weights output validation test l2 features augment class-weights unknown json")
	return cmd
}

// add adds the flags that train alone has, but for those of the head.
func (o *trainOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.weights, "weights", defaultWeights, weightsHelp)
	f.StringVarP(&o.out, "output", "o", "model", "folder to write the model to")
	f.StringVar(&o.cache, "cache", "",
		"folder of the bottleneck cache (default: rehead in the user's cache folder, or REHEAD_CACHE); \"none\" for no cache")
	o.input.add(cmd)
	f.StringVar(&o.dtype, "dtype", "f32", "how the trunk is stored in the model: f32 or f16")
	f.BoolVar(&o.noTrunk, "no-trunk", false, "store only the trunk's digest in the model")
	f.StringVar(&o.correct, "corrections", "",
		"corrections file: CSV with path, action (keep, drop, label) and label, as --write-corrections and doctor write it; "+
			"the model keeps it")
	f.StringVar(&o.corrects, "write-corrections", "", correctionsHelp)
	f.BoolVar(&o.force, "force", false,
		"replace an older model at --output, which is else kept as NAME.bak-1, .bak-2, ...")
	f.StringVar(&o.cfg.Name, "name", "", "name of the model for people (default: that of the job, if it is one)")
	f.BoolVar(&o.noReport, "no-report", false, "write no report.html into the model")
	o.plots.add(cmd, "loss, accuracy, reliability, confusion, labels, map")
	f.StringVar(&o.events, "tensorboard", "",
		"folder to write TensorBoard's event file to while training: losses, accuracies, final metrics, "+
			"histograms of the head")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object when done")
	addMinAccuracy(cmd, &o.least)
	f.Float64Var(&o.cfg.Split.Validation, "validation", 0.1, "share of the pictures held out to choose with; 0 for none")
	f.Float64Var(&o.cfg.Split.Test, "test", 0.1, "share of the pictures held out to measure with; 0 for none")
	f.StringVar(&o.cfg.Split.Salt, "salt", "", "salt of the split's hash: another text deals the pictures anew")
	f.BoolVar(&o.cfg.Split.Legacy, "legacy-split", false, "split exactly as TensorFlow's retrain.py does")
	f.Uint64Var(&o.cfg.Seed, "seed", 0, "seed, stored in the model")
	f.IntVar(&o.cfg.Neighbours, "neighbours", 200,
		"maximum training pictures that the model keeps, as thumbnails, to explain with; 0 by default in a SageMaker job")
	f.Float64Var(&o.cfg.Unknown, "unknown", 0,
		"share of known pictures, up to 0.5, that the model may call unknown; predict and serve then say which pictures "+
			"are (0: none)")
	f.IntVar(&o.cfg.MaxBad, "max-bad", 0,
		"maximum unreadable pictures before giving up (0: a tenth, at least 10; negative: none)")
	f.IntVar(&o.cfg.Batch, "batch", 0, "maximum pictures per forward pass (0: chosen for this machine)")
}

// checkOutputs says before the long work what could not be written after it.
func (a *app) checkOutputs(o *trainOptions) error {
	if err := inception.CheckTarget(o.out); err != nil {
		return err
	}
	if err := o.plots.prepare(a); err != nil {
		return err
	}
	if err := onDisk("--tensorboard", o.events, "events are added to it while the training goes on"); err != nil {
		return err
	}
	if o.corrects == "" {
		return nil
	}
	return a.checkOutput(o.corrects)
}

// train runs a whole training and leaves the model at o.out.
func (a *app) train(ctx context.Context, dir string, o *trainOptions) (r *train.Result, err error) {
	err = a.savingTo(ctx, o, func(saved func() error) error {
		r, err = a.trainTo(ctx, dir, o, saved)
		return err
	})
	return r, err
}

// savingTo has do leave a model at o.out, which may be an address: do calls saved once the model is there.
func (a *app) savingTo(ctx context.Context, o *trainOptions, do func(saved func() error) error) (err error) {
	out, err := a.outsideOf(o.out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.discard()) }()
	if !o.force {
		if err := out.free("model.json", "choose another --output, or replace it object by object with --force"); err != nil {
			return err
		}
	}
	address := o.out
	o.out = out.local
	return do(func() error {
		defer func() { o.out = address }()
		return out.commit(ctx, "model.json")
	})
}

// trainTo is train to a folder on this machine; saved is called once the model is there.
func (a *app) trainTo(ctx context.Context, dir string, o *trainOptions, saved func() error) (*train.Result, error) {
	cfg, err := a.trainConfig(o)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(cfg.Validate(), checkMinAccuracy(o.least), oneOf("dtype", o.dtype, "f32", "f16")); err != nil {
		return nil, err
	}
	if err := aboutDevice("head-device", cfg.Probe()); err != nil {
		return nil, err
	}
	if err := a.checkOutputs(o); err != nil {
		return nil, err
	}
	if cfg.Corrections, err = a.readCorrections(o.correct); err != nil {
		return nil, err
	}
	folder, err := o.open(dir, 2)
	if err != nil {
		return nil, err
	}
	a.printNotes(folder)
	w, err := a.resolve(o.weights)
	if err != nil {
		return nil, err
	}
	if w, err = o.input.apply(w); err != nil {
		return nil, err
	}
	if _, err := folder.Corrected(cfg.Corrections); err != nil {
		return nil, err
	}
	a.note("%s of %s; trunk %s", plural.Count(len(folder.Items), "picture"), plural.Count(len(folder.Labels), "label"),
		describeTrunk(w))
	result, failed, err := a.watchedRun(ctx, folder, w, cfg, o.events)
	if err != nil {
		return nil, aboutFull(err, cfg.CacheDir)
	}
	var report []byte
	if !o.noReport {
		report = a.report(ctx, result)
	}
	for _, step := range []func() error{func() error { return a.save(result.Model, report, o) }, saved, result.Finish} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	failed = errors.Join(failed, a.writeCorrections(o.corrects, proposals(result.Checkup, result.Metrics.LabelErrors)),
		o.plots.write(ctx, a, result.Plots))
	if o.asJSON {
		err = a.printTrainJSON(result, o.out, report != nil)
	} else {
		a.printTrained(result, o.out, report != nil)
	}
	if o.job || !a.errTTY {
		a.printMetricLines(&result.Metrics)
	}
	return result, errors.Join(err, failed, result.Metrics.RequireAccuracy(o.least))
}

// save writes the model, beside an older one unless that is to be replaced.
func (a *app) save(m *inception.Model, report []byte, o *trainOptions) error {
	kept := ""
	opts := inception.SaveOptions{Report: report, NoTrunk: o.noTrunk, DType: o.dtype}
	if !o.force && !o.job {
		opts.Kept = &kept
	}
	if err := m.Save(o.out, opts); err != nil {
		return err
	}
	if kept != "" {
		a.note("the older model is kept as %s", filepath.Join(filepath.Dir(o.out), filepath.Base(kept)))
	}
	return nil
}

// watchedRun trains with progress on the terminal and, where a folder is named, in TensorBoard's
// events. Events that cannot be written do not stop the training: failed says so when
// the model is saved.
func (a *app) watchedRun(ctx context.Context, folder *dataset.Folder, w *inception.Weights, cfg train.Config,
	events string) (r *train.Result, failed, err error) {
	b, err := newBoard(events)
	if err != nil {
		return nil, nil, err
	}
	p := a.trainProgress()
	cfg.Progress, cfg.Checked = b.watch(p.event), p.checked
	r, err = train.Run(ctx, folder, w, cfg)
	p.done()
	if err != nil {
		return nil, nil, errors.Join(err, b.close())
	}
	a.printProblems(r.Problems)
	a.printFindings(r.Checkup, r.Notes, p.shown) // bottlenecks and the head tell more
	a.note("%s computed, %d from the cache", plural.Count(r.Embedded, "bottleneck"), r.Cached)
	b.finish(r)
	return r, b.close(), nil
}

// report makes the report of a training, or says why it failed: the model is saved without it.
func (a *app) report(ctx context.Context, r *train.Result) []byte {
	html, err := a.reportHTML(ctx, r)
	if err != nil {
		fmt.Fprintf(a.stderr, "the model gets no report: %s\n", oneLine(err))
		return nil
	}
	return html
}

// reportHTML makes the report, and leaves in the model what it is made from.
func (a *app) reportHTML(ctx context.Context, r *train.Result) (html []byte, err error) {
	page, err := r.Report(ctx)
	if err != nil {
		return nil, err
	}
	if r.Model.ReportData, err = page.Encode(); err != nil {
		return nil, err
	}
	return page.HTML()
}

// reportPath is where the report of the model folder out lies.
func reportPath(out string) string { return source.Join(out, "report.html") }

func (a *app) trainConfig(o *trainOptions) (train.Config, error) {
	engine, err := o.engine.config()
	if err != nil {
		return train.Config{}, err
	}
	cfg := o.cfg
	cfg.Engine = engine
	cfg.Precision = nn.Precision(o.engine.precision)
	cfg.Limits = o.limits.limits()
	cfg.Date = a.today()
	cfg.ToolVersion = toolVersion()
	cfg.Split.Validation = share(cfg.Split.Validation)
	cfg.Split.Test = share(cfg.Split.Test)
	if cfg.CacheDir, err = a.cacheDir(o.cache); err != nil {
		return train.Config{}, err
	}
	cfg.Checkpoints.Dir = cfg.CacheDir
	return cfg, o.headFlags.resolve(a, &cfg)
}

// share turns a fraction as people write it (0: none) into dataset.SplitConfig's (0: default,
// negative: none).
func share(f float64) float64 {
	if f == 0 {
		return -1
	}
	return f
}

func describeTrunk(w *inception.Weights) string {
	return fmt.Sprintf("%s, width %g, %d pixels (%s)", w.Flavor, w.Width, w.Recipe.Size, w.Source)
}
