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
	"github.com/c236555e/rehead/train"
)

// embedOptions is the command line of `embed`.
type embedOptions struct {
	engine  engineFlags
	limits  limitFlags
	weights string
	out     string
	batch   int
	reads   string
	asJSON  bool
}

func newEmbed(a *app) *cobra.Command {
	var o embedOptions
	cmd := &cobra.Command{
		Use:   "embed IMAGE|DIR... -o features.npy",
		Short: "Write bottlenecks of pictures as a float32 .npy array",
		Long: `Writes the bottlenecks of pictures as a float32 .npy array, a row a picture, in
the order of the arguments; a folder stands for the pictures below it, sorted by
path. The array has 2,048 columns with the full network and 1,024 with the small
one; --features writes what other blocks say of the pictures. The file appears
whole or not at all.`,
		Example: `  rehead embed flower_photos --weights keras -o features.npy
  rehead embed flower_photos --features all -o features.npy`,
		Args: needArgs(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.out == "" {
				return usagef("embed: -o is missing: name the .npy file to write")
			}
			return a.embed(cmd.Context(), args, &o)
		},
	}
	o.engine.add(cmd, a)
	o.engine.addPrecision(cmd, fmt.Sprintf("int8 calibrates on the first %d pictures", inception.CalibrationPictures))
	o.limits.add(cmd)
	cmd.Flags().StringVar(&o.weights, "weights", defaultWeights, weightsHelp)
	cmd.Flags().StringVarP(&o.out, "output", "o", "", "the .npy file to write")
	addFeatures(cmd, &o.reads, "what to write")
	cmd.Flags().IntVar(&o.batch, "batch", 0, "maximum pictures per forward pass (0: chosen for this machine)")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object when done")
	return cmd
}

func (a *app) embed(ctx context.Context, args []string, o *embedOptions) error {
	cfg, err := o.engine.config()
	if err != nil {
		return err
	}
	reads, err := train.ParseFeatures(o.reads)
	if err != nil {
		return usagef("embed: --features: %v", err)
	}
	if err := parentExists(o.out); err != nil {
		return err
	}
	paths, problems, err := listPictures(args)
	if err != nil {
		return err
	}
	a.printProblems(problems)
	w, err := a.resolve(o.weights)
	if err != nil {
		return err
	}
	if w, err = o.engine.calibrateOn(ctx, w, cfg, paths, o.limits.limits()); err != nil {
		return err
	}
	trunk, err := inception.NewTrunkOf(w, reads, cfg)
	if err != nil {
		return err
	}
	defer trunk.Close()
	debug.FreeOSMemory() // the tensors that were packed
	if err := a.writeBottlenecks(ctx, trunk, paths, o); err != nil {
		return err
	}
	features, precision := trunk.Features(), trunk.Program().Precision()
	if o.asJSON {
		return printJSON(a.stdout, struct {
			Images   int    `json:"images"`
			Features int    `json:"features"`
			Output   string `json:"output"`

			Precision nn.Precision `json:"precision"`
		}{len(paths), features, o.out, precision})
	}
	a.say("wrote %s: %d x %d float32, computed with %s", o.out, len(paths), features, precision)
	return nil
}

// writeBottlenecks writes the file whole or not at all.
func (a *app) writeBottlenecks(ctx context.Context, trunk *inception.Trunk, paths []string,
	o *embedOptions) (err error) {
	w, err := npy.Create(o.out, trunk.Features())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	bar := a.progress("embedding", len(paths))
	defer bar.done()
	read := func(i int) ([]byte, error) { return source.Read(paths[i], o.limits.limits()) }
	emit := func(i int, vec []float32, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w; take it out of the list: nothing was written", paths[i], err)
		}
		bar.add(1)
		return w.Append(vec)
	}
	if err := trunk.EmbedAll(ctx, len(paths), read, emit,
		inception.EmbedConfig{Batch: o.batch, Limits: o.limits.limits()}); err != nil {
		return err
	}
	return w.Commit()
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

// listPictures expands folders to the pictures below them, sorted by path; what is named directly
// keeps its place. Files below a folder that are not pictures are left out and returned as
// problems.
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

// addFeatures adds the flag that names what a trunk gives.
func addFeatures(cmd *cobra.Command, reads *string, what string) {
	cmd.Flags().StringVar(reads, "features", train.FeaturesLast, what+
		": last (the last block's averages), all (every block's), or a list of blocks and of mean, quarters, deviation; "+
		"block by block, statistic by statistic, unscaled")
}
