package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/inception/registry"
)

const (
	defaultWeights = embedded.Name
	weightsHelp    = `trunk weights REF: "embedded" (in this binary), "random[:WIDTH]", the name of a pulled set, or a weight file`
)

func newWeights(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "weights",
		Short: "List, download, convert, describe and verify weight files",
		Args:  needArgs(0, 0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newWeightsList(a), newWeightsPull(a), newWeightsConvert(a), newWeightsInfo(a), newWeightsVerify(a))
	return cmd
}

// store is where pulled weights are kept: below REHEAD_CACHE, or rehead in the user's cache folder.
func (a *app) store() (registry.Store, error) {
	dir, err := a.cacheRoot()
	if err != nil {
		return registry.Store{}, err
	}
	return registry.Store{Dir: filepath.Join(dir, "weights")}, nil
}

// storeOf is the store for a name that is to be pulled or verified there.
func (a *app) storeOf(name string) (registry.Store, error) {
	if name == embedded.Name {
		return registry.Store{}, fmt.Errorf("weights: %s is in this binary, which checks it whenever it is read: "+
			"use it as --weights %s", name, name)
	}
	return a.store()
}

// resolve returns the weights that a REF names: those in the binary, those of a pulled set, made-up
// ones, or a file's.
func (a *app) resolve(ref string) (*inception.Weights, error) {
	store, _ := a.store() // without a cache folder nothing was pulled, and Resolve says so
	return store.Resolve(ref)
}

func newWeightsPull(a *app) *cobra.Command {
	var (
		cfg    registry.PullConfig
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "pull NAME",
		Short: "Download an official weight file, check it, convert it and keep it",
		Args:  needArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.storeOf(args[0])
			if err != nil {
				return err
			}
			bar := a.transfer(args[0])
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
			a.say("%s: %s from %s, digest %.12s; use it as --weights %s", p.Name, store.Path(p), p.From, p.Digest, p.Name)
			if p.SHA256 == "" {
				a.say("its publisher states no digest: only its size was checked; this copy's SHA-256 is %s", p.FileSHA256)
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
		Use:   "verify NAME",
		Short: "Hash a pulled file again and run its self-test",
		Args:  needArgs(1, 1),
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
			a.say("%s: whole (%s), self-test passed at a distance of %.2g", r.Name, r.File, r.Distance)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func newWeightsConvert(a *app) *cobra.Command {
	var (
		options   convert.Options
		flavor    string
		mean, std []float32
		asJSON    bool
	)
	cmd := &cobra.Command{
		Use:   "convert IN OUT",
		Short: "Convert a weight file to rehead's own format, batch norm folded; whole models to model folders",
		Long: `convert reads PyTorch .pth and .safetensors (torchvision, timm, pytorch-fid), Keras .keras, .h5 and .weights.h5, ONNX,
SavedModel, TensorFlow's frozen GraphDef (also inside inception-2015-12-05.tgz), checkpoints (.ckpt, or .index with its .data
file), .tflite and TensorFlow.js's model.json; the file's bytes decide, never its name. A head that is more than one dense
layer with softmax becomes a model folder, as does retrain.py's output_graph.pb with its labels beside it or in --labels.

A published file is known by its SHA-256 and gets its authors' recipe. Another one gets its flavour's, which --flavor, --mean,
--std and --size change: a network of your own trained with ImageNet's mean and deviation wants
--flavor timm --mean 123.675,116.28,103.53 --std 58.395,57.12,57.375`,
		Args: needArgs(2, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			start := time.Now()
			if err := parentExists(args[1]); err != nil {
				return err
			}
			options.Flavor, options.Official = inception.Flavor(flavor), registry.Official
			var err error
			if options.Mean, err = channels("mean", mean); err != nil {
				return err
			}
			if options.Std, err = channels("std", std); err != nil {
				return err
			}
			r, err := convert.Convert(args[0], args[1], options)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, convert.InfoOf(r.Weights))
			}
			what := "weights"
			if r.Model != nil {
				what = fmt.Sprintf("a model of %d labels", len(r.Model.Labels))
			}
			w := r.Weights
			a.say("wrote %s, %s: flavour %s, width %g, %d classes, digest %.12s, in %.1f s", args[1], what, w.Flavor, w.Width,
				w.Classes, w.Digest, time.Since(start).Seconds())
			return nil
		},
	}
	cmd.Flags().StringVar(&flavor, "flavor", "", "the network's flavour where the file does not tell (default: detected)")
	cmd.Flags().Float32SliceVar(&mean, "mean", nil,
		"`R,G,B` in 0..255: what the input is reduced by, instead of the flavour's")
	cmd.Flags().Float32SliceVar(&std, "std", nil, "`R,G,B`: what it is then divided by")
	cmd.Flags().Lookup("mean").DefValue, cmd.Flags().Lookup("std").DefValue = "", ""
	cmd.Flags().IntVar(&options.Size, "size", 0, "side of the input in `pixels`, 75 or more (default: the flavour's 299)")
	cmd.Flags().StringVar(&options.DType, "dtype", "f32", "f32 or f16")
	cmd.Flags().BoolVar(&options.TrunkOnly, "trunk-only", false, "leave out what follows the trunk")
	cmd.Flags().BoolVar(&options.Quantized, "quantized", false, "take int8 weights of an ONNX file for their real values")
	cmd.Flags().StringVar(&options.Labels, "labels", "", "file with a label a line, for the classifier")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object when done")
	return cmd
}

// channels are the three numbers of a flag, nil when it was not given.
func channels(flag string, v []float32) (*[3]float32, error) {
	switch len(v) {
	case 0:
		return nil, nil
	case 3:
		return (*[3]float32)(v), nil
	}
	return nil, usagef("--%s: got %d numbers, want three: R,G,B", flag, len(v))
}
