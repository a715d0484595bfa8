package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/inception/registry"
)

func newWeights(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "weights",
		Short: "List, download, convert, describe and verify weight files",
		Long: `Lists, downloads, converts, describes and verifies weight files. docs/weights.md
says which files are read, and how they are told apart.`,
		Example: `  rehead weights list
  rehead weights pull keras
  rehead weights convert net.pth trunk.safetensors`,
		Args: needCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newWeightsList(a), newWeightsPull(a), newWeightsConvert(a), newWeightsInfo(a), newWeightsVerify(a))
	return cmd
}

func newWeightsPull(a *app) *cobra.Command {
	var (
		cfg    registry.PullConfig
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "pull NAME",
		Short: "Download an official weight file, check it, convert it and keep it",
		Long: `Downloads an official weight file, checks its digest, converts it and keeps it
in the cache; --weights NAME then uses it. A download that was cut short is
continued. --from takes the file from a mirror or a folder instead.`,
		Example: `  rehead weights pull keras
  rehead weights pull torchvision --from https://mirror.example.com/weights`,
		Args: needArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.storeOf(args[0])
			if err != nil {
				return err
			}
			bar := a.downloadBar(args[0])
			cfg.Progress = bar.set
			cfg.Retrying = func(err error, pause time.Duration) {
				bar.done()
				fmt.Fprintf(a.stderr, "%s; trying again in %s\n", oneLine(err), pause)
			}
			p, err := store.Pull(cmd.Context(), args[0], cfg)
			bar.done()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, p)
			}
			a.sayWrapped("%s: %s from %s, digest %.12s; use it as --weights %s", p.Name, store.Path(p), p.From, p.Digest, p.Name)
			if p.SHA256 == "" {
				a.sayWrapped("its publisher states no digest: only its size was checked; this copy's SHA-256 is %s", p.FileSHA256)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&cfg.From, "from", "",
		"mirror: a URL or folder that holds the file under its published name, or the file itself")
	cmd.Flags().StringVar(&cfg.DType, "dtype", "f32", "how the weights are kept: f32 or f16")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object when done")
	return cmd
}

func newWeightsVerify(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "verify NAME",
		Short:   "Hash a pulled file again and run its self-test",
		Example: `  rehead weights verify keras`,
		Args:    needArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.storeOf(args[0])
			if err != nil {
				return err
			}
			r, err := store.Verify(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, r)
			}
			a.sayWrapped("%s: whole (%s), self-test passed at a distance of %.2g", r.Name, r.File, r.Distance)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// convertOptions is the command line of `weights convert`.
type convertOptions struct {
	cfg       convert.Options
	flavor    string
	mean, std []float32
	asJSON    bool
}

func newWeightsConvert(a *app) *cobra.Command {
	var o convertOptions
	cmd := &cobra.Command{
		Use:   "convert IN OUT",
		Short: "Convert a weight file to rehead's own format",
		Long: `Reads PyTorch .pth and .safetensors (torchvision, timm, pytorch-fid), .pt2 and
TorchScript, Keras .keras, .h5 and .weights.h5, ONNX, OpenVINO's .xml, Core ML
packages and .mlmodel, SavedModel, TensorFlow's frozen GraphDef (also inside
inception-2015-12-05.tgz), checkpoints (.ckpt, or .index with its .data file),
TensorFlow.js's model.json, .tflite, Paddle's .pdparams and .json, and writes
safetensors with batch norm folded in. The file's bytes decide what it is, never
its name. A head that is more than one dense layer with softmax becomes a model
folder, as does retrain.py's output_graph.pb with its labels beside it or in
--labels.

A published file is known by its SHA-256 and gets its authors' recipe. Another
one gets its flavour's, which --flavor, --mean, --std and --size change; the
second example is for a network trained with ImageNet's mean and deviation.`,
		Example: `  rehead weights convert inception_v3_google-0cc3c7bd.pth trunk.safetensors
  rehead weights convert net.pth trunk.safetensors --flavor timm \
      --mean 123.675,116.28,103.53 --std 58.395,57.12,57.375
  rehead weights convert fine-tuned.pth model --head-activation relu \
      --labels labels.txt`,
		Args: needArgs(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.convertWeights(cmd.Context(), args[0], args[1], &o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.flavor, "flavor", "", "the network's flavour where the file does not tell (default: detected)")
	f.Float32SliceVar(&o.mean, "mean", nil,
		"`R,G,B` in 0..255: mean that is subtracted from the input, instead of the flavour's")
	f.Float32SliceVar(&o.std, "std", nil, "`R,G,B`: standard deviation that it is then divided by")
	f.Lookup("mean").DefValue, f.Lookup("std").DefValue = "", ""
	f.IntVar(&o.cfg.Size, "size", 0, "side of the input in `pixels`, 75 or more (default: the flavour's 299)")
	f.StringVar(&o.cfg.DType, "dtype", "f32", "f32 or f16")
	f.BoolVar(&o.cfg.TrunkOnly, "trunk-only", false, "leave out what follows the trunk")
	f.BoolVar(&o.cfg.Quantized, "quantized", false,
		"take int8 weights of ONNX, OpenVINO, Core ML and TFLite however far their rounding moves the answers")
	f.StringVar(&o.cfg.HeadActivation, "head-activation", "",
		"what stands behind each dense layer but the last, where the file does not say: none, relu, tanh, gelu, ...")
	f.StringVar(&o.cfg.HeadOutput, "head-output", "",
		"what stands behind the last, where the file does not say: softmax or sigmoid")
	f.StringVar(&o.cfg.Pool, "pool", "",
		"timm's global_pool where the file does not say: avg, max, avgmax or catavgmax (default: avg)")
	f.Float64Var(&o.cfg.Epsilon, "epsilon", 0,
		"timm's norm_eps where the file does not say (default: 0.001)")
	f.StringVar(&o.cfg.Labels, "labels", "", "file with the classifier's labels, one a line")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object when done")
	first(cmd, "labels trunk-only dtype quantized json")
	return cmd
}

// check refuses what no file could be converted with.
func (o *convertOptions) check() error {
	errs := []error{oneOf("dtype", o.cfg.DType, "f32", "f16")}
	if o.cfg.Pool != "" {
		errs = append(errs, oneOf("pool", o.cfg.Pool, "avg", "max", "avgmax", "catavgmax"))
	}
	if o.cfg.HeadOutput != "" {
		errs = append(errs, oneOf("head-output", o.cfg.HeadOutput, "softmax", "sigmoid"))
	}
	if o.flavor != "" {
		var known []string
		for _, f := range inception.Flavors() {
			known = append(known, string(f))
		}
		errs = append(errs, oneOf("flavor", o.flavor, known...))
	}
	if !(o.cfg.Epsilon >= 0 && o.cfg.Epsilon < 1) {
		errs = append(errs, usagef("--epsilon: got %g, want more than 0 and less than 1", o.cfg.Epsilon))
	}
	return errors.Join(errs...)
}

func (a *app) convertWeights(ctx context.Context, in, out string, o *convertOptions) (err error) {
	start := time.Now()
	if err := o.check(); err != nil {
		return err
	}
	to, err := a.outsideOf(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.discard()) }()
	if err := to.free("model.json", "remove that model, or choose another place"); err != nil {
		return err
	}
	for _, file := range []*string{&in, &o.cfg.Labels} {
		local, done, failed := a.here(*file)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, done()) }()
		*file = local
	}
	o.cfg.Flavor, o.cfg.Official = inception.Flavor(o.flavor), registry.Official
	if o.cfg.Mean, err = rgb("mean", o.mean); err != nil {
		return err
	}
	if o.cfg.Std, err = rgb("std", o.std); err != nil {
		return err
	}
	r, err := convert.Convert(in, to.local, o.cfg)
	if err != nil {
		return err
	}
	if err := to.commit(ctx, "model.json"); err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(a.stdout, convert.InfoOf(r.Weights))
	}
	what := "weights"
	if r.Model != nil {
		what = fmt.Sprintf("a model of %d labels", len(r.Model.Labels))
	}
	w := r.Weights
	a.sayWrapped("wrote %s, %s: flavour %s, width %g, %d classes, digest %.12s, in %.1f s", out, what, w.Flavor, w.Width,
		w.Classes, w.Digest, time.Since(start).Seconds())
	if doubt := w.Notes["doubt"]; doubt != "" {
		a.sayWrapped("in doubt: %s", doubt)
	}
	return nil
}

// rgb is the three numbers of a flag, nil when it was not given.
func rgb(flag string, v []float32) (*[3]float32, error) {
	switch len(v) {
	case 0:
		return nil, nil
	case 3:
		return (*[3]float32)(v), nil
	}
	return nil, usagef("--%s: got %d numbers, want three: R,G,B", flag, len(v))
}

// storeOf is the store for a name that is to be pulled or verified there.
func (a *app) storeOf(name string) (registry.Store, error) {
	if name == embedded.Name {
		return registry.Store{}, fmt.Errorf("weights: %s is in this binary, which checks it whenever it is read: "+
			"use it as --weights %s", name, name)
	}
	return a.store()
}
