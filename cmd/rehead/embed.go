package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/npy"
	"github.com/c236555e/rehead/nn"
)

func newEmbed(a *app) *cobra.Command {
	var (
		engine  engineFlags
		limits  limitFlags
		weights string
		out     string
		batch   int
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:   "embed IMAGE|DIR... -o features.npy",
		Short: "Write the bottlenecks of pictures as a float32 .npy array, a row a picture",
		Args:  needArgs(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usagef("embed: -o is missing: name the .npy file to write")
			}
			cfg, err := engine.config()
			if err != nil {
				return err
			}
			if err := parentExists(out); err != nil {
				return err
			}
			paths, problems, err := listPictures(args)
			if err != nil {
				return err
			}
			a.printProblems(problems)
			w, err := a.resolve(weights)
			if err != nil {
				return err
			}
			if w, err = engine.calibrateOn(cmd.Context(), w, cfg, paths, limits.limits()); err != nil {
				return err
			}
			trunk, err := inception.NewTrunk(w, cfg)
			if err != nil {
				return err
			}
			defer trunk.Close()
			debug.FreeOSMemory() // the tensors that were packed
			return a.embed(cmd, trunk, paths, out, limits.limits(), batch, asJSON)
		},
	}
	engine.add(cmd, a)
	engine.addPrecision(cmd, fmt.Sprintf("int8 calibrates on the first %d pictures", inception.CalibrationPictures))
	limits.add(cmd)
	cmd.Flags().StringVar(&weights, "weights", defaultWeights, weightsHelp)
	cmd.Flags().StringVarP(&out, "output", "o", "", "the .npy file to write")
	cmd.Flags().IntVar(&batch, "batch", 0, "pictures a forward pass takes at most (0: chosen for this machine)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object when done")
	return cmd
}

// calibrateOn returns w in the precision that is asked for; int8 takes its ranges from the first of
// the pictures.
func (e *engineFlags) calibrateOn(ctx context.Context, w *inception.Weights, cfg nn.Config, paths []string,
	lim picture.Limits) (*inception.Weights, error) {
	if int8s, err := e.quantized(); err != nil || !int8s {
		return w, err
	}
	return inception.Calibrate(ctx, w, cfg, min(len(paths), inception.CalibrationPictures),
		func(i int, pixels []float32) error {
			data, err := source.Read(paths[i], lim)
			if err == nil {
				_, err = w.Recipe.Load(data, lim, pixels)
			}
			return err
		})
}

func (a *app) embed(cmd *cobra.Command, trunk *inception.Trunk, paths []string, out string, lim picture.Limits,
	batch int, asJSON bool) (err error) {
	w, err := npy.Create(out, trunk.Features())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	bar := a.progress("embedding", len(paths))
	defer bar.done()
	read := func(i int) ([]byte, error) { return source.Read(paths[i], lim) }
	emit := func(i int, vec []float32, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w; take it out of the list: nothing was written", paths[i], err)
		}
		bar.add(1)
		return w.Append(vec)
	}
	if err := trunk.EmbedAll(cmd.Context(), len(paths), read, emit,
		inception.EmbedConfig{Batch: batch, Limits: lim}); err != nil {
		return err
	}
	if err := w.Commit(); err != nil {
		return err
	}
	bar.done()
	if asJSON {
		return printJSON(a.stdout, struct {
			Images   int    `json:"images"`
			Features int    `json:"features"`
			Output   string `json:"output"`

			Precision nn.Precision `json:"precision"`
		}{len(paths), trunk.Features(), out, trunk.Program().Precision()})
	}
	a.say("wrote %s: %d x %d float32, computed with %s", out, len(paths), trunk.Features(), trunk.Program().Precision())
	return nil
}

// listPictures expands folders to the pictures below them, sorted by path; what is named directly
// keeps its place. Files below a folder that are no pictures are left out and returned as problems.
func listPictures(args []string) (paths []string, problems []source.Problem, err error) {
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, nil, err
		}
		if !info.IsDir() {
			paths = append(paths, arg)
			continue
		}
		files, left, err := source.List(arg)
		if err != nil {
			return nil, nil, err
		}
		problems = append(problems, left...)
		for _, f := range files {
			paths = append(paths, f.Path)
		}
	}
	return paths, problems, nil
}
