package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/train"
)

func newEvaluate(a *app) *cobra.Command {
	var (
		engine engineFlags
		limits limitFlags
		data   dataFlags
		cache  string
		least  float64
		asJSON bool
		report string
		plots  plotFlags
		cfg    train.EvaluateConfig
	)
	cmd := &cobra.Command{
		Use:   "evaluate MODEL DIR|MANIFEST",
		Short: "Measure a model on a folder of label folders, or on a manifest",
		Args:  needArgs(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(checkGate(least), checkPart(cfg.Part)); err != nil {
				return err
			}
			if err := errors.Join(reportFolder(report), plots.prepare()); err != nil {
				return err
			}
			var err error
			if cfg.Engine, err = engine.config(); err != nil {
				return err
			}
			cfg.Limits = limits.limits()
			if cfg.CacheDir, err = a.cacheDir(cache); err != nil {
				return err
			}
			model, err := engine.model(args[0])
			if err != nil {
				return err
			}
			data.several = model.MultiLabel()
			folder, err := data.open(args[1], 1)
			if err != nil {
				return err
			}
			p := a.trainProgress()
			cfg.Progress = p.event
			result, err := train.Evaluate(cmd.Context(), model, folder, cfg)
			p.done()
			if err != nil {
				return err
			}
			failed := errors.Join(writeReport(a, report, func() ([]byte, error) { return result.Report(cmd.Context()) }),
				plots.write(cmd.Context(), a, result.Plots))
			if asJSON {
				return errors.Join(printJSON(a.stdout, result), failed, result.RequireAccuracy(least))
			}
			a.printProblems(result.Problems)
			a.printEvaluated(&result.Metrics)
			for _, c := range result.PerClass {
				a.say("  %-24s precision %.3f (%.3f to %.3f)  recall %.3f (%.3f to %.3f)  F1 %.3f  (%d pictures)%s", c.Label,
					c.Precision, c.PrecisionInterval[0], c.PrecisionInterval[1], c.Recall, c.RecallInterval[0],
					c.RecallInterval[1], c.F1, c.Measured, ofSeveral(c))
			}
			return errors.Join(failed, result.RequireAccuracy(least))
		},
	}
	engine.add(cmd, a)
	engine.addTrunk(cmd)
	engine.addPrecision(cmd, modelPrecision)
	limits.add(cmd)
	data.addManifest(cmd)
	f := cmd.Flags()
	f.StringVar(&cfg.Part, "part", "all",
		"which pictures: all, or those that were train, validation or test in the model's training")
	f.StringVar(&cache, "cache", "", "folder of the bottleneck cache, as for train")
	f.IntVar(&cfg.MaxBad, "max-bad", 0, "most unreadable pictures before giving up, as for train")
	f.IntVar(&cfg.Batch, "batch", 0, "pictures a forward pass takes at most (0: chosen for this machine)")
	f.StringVar(&report, "report", "", "file to write an HTML report to, as train's")
	plots.add(cmd, "reliability, confusion, labels, map")
	addGate(cmd, &least)
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// reportFolder asks, before any work is done, that the folder of the report is there.
func reportFolder(path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("--report: %s: the folder %s does not exist; create it first or choose another file", path,
			filepath.Dir(path))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("--report: %s is a folder, want a file such as %s", path, filepath.Join(path, "report.html"))
	}
	return nil
}

// writeReport writes the report whole or not at all; nothing where none is asked for.
func writeReport(a *app, path string, make func() ([]byte, error)) error {
	if path == "" {
		return nil
	}
	html, err := make()
	if err != nil {
		return err
	}
	if err := writeBytes(path, html); err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	a.say("report written to %s", path)
	return nil
}
