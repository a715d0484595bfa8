package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/train"
)

// evaluateOptions is the command line of `evaluate`.
type evaluateOptions struct {
	engine engineFlags
	limits limitFlags
	data   dataFlags
	cache  string
	least  float64
	asJSON bool
	report string
	table  string // --predictions
	plots  plotFlags
	cfg    train.EvaluateConfig
}

func newEvaluate(a *app) *cobra.Command {
	var o evaluateOptions
	cmd := &cobra.Command{
		Use:   "evaluate MODEL DIR|MANIFEST",
		Short: "Measure a model on label folders or a manifest",
		Long: `Prints accuracy with 95 % intervals, and precision and recall of each label. It
uses the bottleneck cache. A model remembers its training pictures: accuracy is
printed of all pictures, then apart of those that it has seen and has not.
--part test measures the ones that training held out.
--report and --plots write the same report and charts as train: see
docs/reports.md. --predictions writes a row a picture: its path, part and label,
the answer with its probability, and the label's rank among the answers and
loss.`,
		Example: `  rehead evaluate model flower_photos --part test
  rehead evaluate model new_photos --report report.html --min-accuracy 0.9`,
		Args: needArgs(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.evaluate(cmd.Context(), args[0], args[1], &o)
		},
	}
	o.engine.add(cmd, a)
	o.engine.addTrunk(cmd)
	o.engine.addViews(cmd)
	o.engine.addPrecision(cmd, modelPrecision)
	o.limits.add(cmd)
	o.data.addManifest(cmd, a)
	f := cmd.Flags()
	f.StringVar(&o.cfg.Part, "part", "all",
		"which pictures: all, or those that were train, validation or test in the model's training")
	f.StringVar(&o.cache, "cache", "", "folder of the bottleneck cache, as for train")
	f.IntVar(&o.cfg.MaxBad, "max-bad", 0, "maximum unreadable pictures before giving up, as for train")
	f.IntVar(&o.cfg.Batch, "batch", 0, "maximum pictures per forward pass (0: chosen for this machine)")
	f.StringVar(&o.report, "report", "", "file to write an HTML report to, as train's")
	f.StringVar(&o.table, "predictions", "", "CSV file to write a row a picture to: what it is, and what the model says")
	o.plots.add(cmd, "reliability, confusion, labels, map")
	addMinAccuracy(cmd, &o.least)
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	first(cmd, "part report predictions plots min-accuracy json")
	return cmd
}

func (a *app) evaluate(ctx context.Context, path, pictures string, o *evaluateOptions) error {
	if err := errors.Join(checkMinAccuracy(o.least), checkPart(o.cfg.Part)); err != nil {
		return err
	}
	err := errors.Join(a.reportFolder("--report", o.report), a.predictionsFolder(o.table), o.plots.prepare(a))
	if err != nil {
		return err
	}
	engine, err := o.engine.config()
	if err != nil {
		return err
	}
	cfg := o.cfg
	cfg.Engine = engine
	cfg.Limits = o.limits.limits()
	cfg.Date = a.today()
	if cfg.CacheDir, err = a.cacheDir(o.cache); err != nil {
		return err
	}
	model, err := o.engine.model(path)
	if err != nil {
		return err
	}
	o.data.multiLabel = model.MultiLabel()
	folder, err := o.data.open(pictures, 1)
	if err != nil {
		return err
	}
	a.printNotes(folder)
	p := a.trainProgress()
	cfg.Progress = p.event
	result, err := train.Evaluate(ctx, model, folder, cfg)
	p.done()
	if err != nil {
		return err
	}
	failed := errors.Join(writeReport(a, "--report", o.report, func() ([]byte, error) {
		page, err := result.Report(ctx)
		if err != nil {
			return nil, err
		}
		return page.HTML()
	}),
		o.plots.write(ctx, a, result.Plots), writePredictions(a, o.table, result.Pictures))
	if o.asJSON {
		return errors.Join(printJSON(a.stdout, result), failed, result.RequireAccuracy(o.least))
	}
	a.printProblems(result.Problems)
	a.printEvaluated(&result.Metrics)
	a.printClasses(result.PerClass)
	return errors.Join(failed, result.RequireAccuracy(o.least))
}

// reportFolder asks, before any work is done, that the folder of the report that a flag names is there.
func (a *app) reportFolder(flag, path string) error {
	if path == "" {
		return nil
	}
	if source.Scheme(path) != "" {
		if err := a.checkOutput(path); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		return nil
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("%s: %s: the folder %s does not exist; create it first or choose another file", flag, path,
			filepath.Dir(path))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s: %s is a folder, want a file such as %s", flag, path, filepath.Join(path, "report.html"))
	}
	return nil
}

// writeReport writes the report whole or not at all; nothing where none is asked for.
func writeReport(a *app, flag, path string, make func() ([]byte, error)) error {
	if path == "" {
		return nil
	}
	html, err := make()
	if err != nil {
		return err
	}
	if err := a.writeBytes(path, html); err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	a.note("report written to %s", path)
	return nil
}

// partFlags are the values of --part.
var partFlags = [...]string{"all", "train", "validation", "test"}

func checkPart(part string) error {
	if !slices.Contains(partFlags[:], part) {
		return usagef("--part: got %q, want all, train, validation or test", part)
	}
	return nil
}
