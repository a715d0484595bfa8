package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/metrics"
)

// trainOptions is the command line of `train`.
type trainOptions struct {
	engine   engineFlags
	limits   limitFlags
	weights  string
	out      string
	cache    string
	dtype    string
	noTrunk  bool
	noReport bool
	asJSON   bool
	plots    plotFlags
	events   string  // folder of TensorBoard's event file, "" for none
	least    float64 // accuracy, 0 for any
	job      bool    // a training job, whose log is read by machines
	cfg      train.Config
	dataFlags
	headFlags
}

func newTrain(a *app) *cobra.Command { return trainCommand(a, &trainOptions{}) }

// trainCommand is `train` with its options in o.
func trainCommand(a *app, o *trainOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "train [DIR|MANIFEST]",
		Short: "Train a softmax head on a folder of label folders",
		Long: `train embeds the pictures of a folder of label folders, or of a manifest (CSV, JSON lines, .lst), with a frozen trunk and
solves for a softmax head. Without DIR it is a SageMaker training job: data, settings and model are below /opt/ml
(SAGEMAKER_BASE_DIR overrides it).`,
		Args: needArgs(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
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
	o.dataFlags.add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.weights, "weights", defaultWeights, weightsHelp)
	f.StringVarP(&o.out, "output", "o", "model", "folder to write the model to")
	f.StringVar(&o.cache, "cache", "",
		"folder of the bottleneck cache (default: rehead in the user's cache folder, or REHEAD_CACHE); \"none\" for no cache")
	f.StringVar(&o.dtype, "dtype", "f32", "how the trunk is stored in the model: f32 or f16")
	f.BoolVar(&o.noTrunk, "no-trunk", false, "store only the trunk's digest in the model")
	f.BoolVar(&o.noReport, "no-report", false, "write no report.html into the model")
	o.plots.add(cmd, "loss, accuracy, reliability, confusion, labels, map")
	f.StringVar(&o.events, "tensorboard", "",
		"folder to write TensorBoard's event file to while training: losses, accuracies, final metrics, "+
			"histograms of the head")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object when done")
	addGate(cmd, &o.least)
	f.Float64Var(&o.cfg.Split.Validation, "validation", 0.1, "share of the pictures held out to choose with; 0 for none")
	f.Float64Var(&o.cfg.Split.Test, "test", 0.1, "share of the pictures held out to measure with; 0 for none")
	f.StringVar(&o.cfg.Split.Salt, "salt", "", "text that the stable split is salted with")
	f.BoolVar(&o.cfg.Split.Legacy, "legacy-split", false, "split exactly as TensorFlow's retrain.py")
	f.Uint64Var(&o.cfg.Seed, "seed", 0, "seed, stored in the model")
	o.headFlags.add(cmd, &o.cfg)
	f.IntVar(&o.cfg.Neighbours, "neighbours", 200,
		"most training pictures that the model keeps, as thumbnails, to explain with; as a SageMaker job 0 by default")
	f.Float64Var(&o.cfg.Unknown, "unknown", 0,
		"share of known pictures, up to 0.5, that the model may take for none of its labels; it then says so of "+
			"pictures (0: it never does)")
	f.IntVar(&o.cfg.MaxBad, "max-bad", 0,
		"most unreadable pictures before giving up (0: a tenth, at least 10; negative: none)")
	f.IntVar(&o.cfg.Batch, "batch", 0, "pictures a forward pass takes at most (0: chosen for this machine)")
	return cmd
}

// train runs a whole training and leaves the model at o.out.
func (a *app) train(ctx context.Context, dir string, o *trainOptions) (*train.Result, error) {
	cfg, err := a.trainConfig(o)
	if err != nil {
		return nil, err
	}
	if err := checkGate(o.least); err != nil {
		return nil, err
	}
	if err := parentExists(o.out); err != nil {
		return nil, err
	}
	if err := inception.CheckTarget(o.out); err != nil {
		return nil, err
	}
	if err := o.plots.prepare(); err != nil {
		return nil, err
	}
	folder, err := o.open(dir, 2)
	if err != nil {
		return nil, err
	}
	w, err := a.resolve(o.weights)
	if err != nil {
		return nil, err
	}
	if !o.asJSON {
		a.sayWrapped("%d pictures of %d labels; trunk %s", len(folder.Items), len(folder.Labels), describeTrunk(w))
	}
	result, failed, err := a.watchedRun(ctx, folder, w, cfg, o.events)
	if err != nil {
		return nil, err
	}
	var report []byte
	if !o.noReport {
		report = a.report(ctx, result)
	}
	if err := result.Model.Save(o.out,
		inception.SaveOptions{Report: report, NoTrunk: o.noTrunk, DType: o.dtype}); err != nil {
		return nil, err
	}
	if err := result.Finish(); err != nil {
		return nil, err
	}
	failed = errors.Join(failed, o.plots.write(ctx, a, result.Plots))
	if o.asJSON {
		err = a.printTrainJSON(result, o.out, report != nil)
	} else {
		a.printTrained(result, o.out)
		if report != nil {
			a.say("report written to %s", reportPath(o.out))
		}
	}
	if o.job || !a.errTTY {
		a.printMetricLines(&result.Metrics)
	}
	return result, errors.Join(err, failed, result.Metrics.RequireAccuracy(o.least))
}

// watchedRun trains with progress on the terminal and, where a folder is named, in TensorBoard's
// events. Events that cannot be written are worth no trained model: they are failed, to be told of
// when the model is saved.
func (a *app) watchedRun(ctx context.Context, folder *dataset.Folder, w *inception.Weights, cfg train.Config,
	events string) (r *train.Result, failed, err error) {
	b, err := newBoard(events)
	if err != nil {
		return nil, nil, err
	}
	p := a.trainProgress()
	cfg.Progress = b.watch(p.event)
	r, err = train.Run(ctx, folder, w, cfg)
	p.done()
	if err != nil {
		return nil, nil, errors.Join(err, b.close())
	}
	b.finish(r)
	return r, b.close(), nil
}

// report makes the report of a training, or says why there is none: a trained model is worth saving
// without it.
func (a *app) report(ctx context.Context, r *train.Result) []byte {
	report, err := r.Report(ctx)
	if err != nil {
		fmt.Fprintf(a.stderr, "the model gets no report: %s\n", oneLine(err))
		return nil
	}
	return report
}

// reportPath is where the report of the model folder out lies.
func reportPath(out string) string { return filepath.Join(out, "report.html") }

func (a *app) trainConfig(o *trainOptions) (train.Config, error) {
	engine, err := o.engine.config()
	if err != nil {
		return train.Config{}, err
	}
	cfg := o.cfg
	cfg.Engine = engine
	cfg.Precision = nn.Precision(o.engine.precision)
	cfg.Limits = o.limits.limits()
	cfg.ToolVersion = toolVersion()
	cfg.Split.Validation = share(cfg.Split.Validation)
	cfg.Split.Test = share(cfg.Split.Test)
	cfg.Split = o.split(cfg.Split)
	if cfg.CacheDir, err = a.cacheDir(o.cache); err != nil {
		return train.Config{}, err
	}
	cfg.Checkpoints.Dir = cfg.CacheDir
	return cfg, o.headFlags.resolve(&cfg)
}

// share turns a fraction as people write it (0: none) into dataset.SplitConfig's (0: default,
// negative: none).
func share(f float64) float64 {
	if f == 0 {
		return -1
	}
	return f
}

// cacheDir says where bottlenecks are kept; "" for nowhere.
func (a *app) cacheDir(flag string) (string, error) {
	switch flag {
	case "none":
		return "", nil
	case "":
		dir, err := a.cacheRoot()
		if err != nil {
			return "", fmt.Errorf("%w; name one with --cache, or --cache none", err)
		}
		return filepath.Join(dir, "bottlenecks"), nil
	}
	return flag, nil
}

// cacheRoot is the folder of all that can be made or fetched again.
func (a *app) cacheRoot() (string, error) {
	if dir := a.getenv("REHEAD_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w; name one in REHEAD_CACHE", err)
	}
	return filepath.Join(dir, "rehead"), nil
}

func describeTrunk(w *inception.Weights) string {
	return fmt.Sprintf("%s, width %g, %d pixels (%s)", w.Flavor, w.Width, w.Recipe.Size, w.Source)
}

func (a *app) printTrainJSON(r *train.Result, out string, report bool) error {
	metrics, err := json.Marshal(r.Metrics)
	if err != nil {
		return fmt.Errorf("train: metrics: %w", err)
	}
	var all map[string]any
	if err := json.Unmarshal(metrics, &all); err != nil {
		return fmt.Errorf("train: metrics: %w", err)
	}
	all["model"] = out
	all["report"] = nil
	if report {
		all["report"] = reportPath(out)
	}
	all["labels"] = r.Model.Labels
	all["embedded"] = r.Embedded
	all["cached"] = r.Cached
	all["seconds"] = r.Seconds
	all["problems"] = problemsJSON(r.Problems)
	return printJSON(a.stdout, all)
}

// problemJSON is a file that was left out, as JSON shows it.
type problemJSON struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

func problemsJSON(problems []source.Problem) []problemJSON {
	out := make([]problemJSON, 0, len(problems))
	for _, p := range problems {
		out = append(out, problemJSON{p.Path, oneLine(fmt.Errorf("%s", p.Reason))})
	}
	return out
}

func (a *app) printTrained(r *train.Result, out string) {
	a.printProblems(r.Problems)
	a.printFindings(r.Checkup, r.Notes)
	a.say("%d bottlenecks computed, %d from the cache", r.Embedded, r.Cached)
	a.printParts(&r.Metrics)
	a.say("model written to %s", out)
}

func (a *app) printProblems(problems []source.Problem) {
	if len(problems) == 0 {
		return
	}
	a.say("%d files were left out:", len(problems))
	for _, p := range problems {
		a.say("  %s: %s", p.Path, p.Reason)
	}
}

// printParts prints the accuracy on each part that has pictures.
func (a *app) printParts(m *metrics.Metrics) {
	a.printPart("train", m.Train)
	a.printPart("validation", m.Validation)
	a.printPart("test", m.Test)
	if m.CrossValidated != nil {
		a.printPart("cross-val.", *m.CrossValidated)
		a.say("cross-val. are the train and validation pictures, each answered by a head that was trained without its fold")
	}
	a.printAverages(m)
}

// printEvaluated prints the accuracy on all pictures, then on what the model had seen and what not.
func (a *app) printEvaluated(m *metrics.Metrics) {
	if m.ConfusionPart == "all" {
		a.printPart("all", m.All)
	}
	switch {
	case m.Seen == nil:
		a.say("the model does not remember its training pictures: it cannot tell which of these it was trained on, and " +
			"the parts, by its split rule, mean nothing for pictures of another folder")
	case m.Seen.Images == 0:
		a.say("the model was trained or tuned on none of these pictures")
	case m.Unseen.Images == 0:
		a.say("the model was trained or tuned on all of these pictures")
	default:
		a.printPart("seen", *m.Seen)
		a.printPart("unseen", *m.Unseen)
		a.say("seen are the pictures that the model was trained or tuned on")
	}
	a.printPart("train", m.Train)
	a.printPart("validation", m.Validation)
	a.printPart("test", m.Test)
	a.printAverages(m)
}

// printPart prints the accuracy of a part, nothing of one without pictures.
func (a *app) printPart(name string, p metrics.Part) {
	if p.Images > 0 {
		a.say("%-10s accuracy %6.2f %%  (95 %% interval %.2f to %.2f; %d of %d pictures)%s", name, 100*p.Accuracy,
			100*p.Interval[0], 100*p.Interval[1], p.Correct, p.Images, weighted(p))
	}
}

// printAverages prints what puts the accuracy in its place.
func (a *app) printAverages(m *metrics.Metrics) {
	if v := m.Averages; v != nil {
		on := "the " + m.ConfusionPart
		if m.ConfusionPart == "all" {
			on = "all"
		}
		a.sayWrapped("on %s pictures balanced accuracy %.2f %%, macro F1 %.3f; always answering %q would be right for "+
			"%.2f %%", on, 100*v.Balanced, v.MacroF1, v.LargestLabel, 100*v.LargestAccuracy)
	}
	if s := m.MultiLabel; s != nil {
		a.say("accuracy counts pictures whose every label is right; on the %s pictures micro F1 %.3f, macro F1 %.3f, mean "+
			"average precision %.3f, %.2f %% of the decisions wrong",
			m.ConfusionPart, s.MicroF1, s.MacroF1, s.MeanAP, 100*s.HammingLoss)
	}
}

// weighted is what weights make of a part's accuracy, "" where pictures have none.
func weighted(p metrics.Part) string {
	if p.Weighted == nil {
		return ""
	}
	return fmt.Sprintf("; weighted %.2f %%", 100*p.Weighted.Accuracy)
}

// ofSeveral is what more is known of a label where pictures have several, "" elsewhere.
func ofSeveral(c metrics.Class) string {
	if c.Threshold == nil {
		return ""
	}
	ap := "-"
	if c.AveragePrecision != nil {
		ap = fmt.Sprintf("%.3f", *c.AveragePrecision)
	}
	return fmt.Sprintf("  average precision %s, given from %.3f on", ap, *c.Threshold)
}
