package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/inception/registry"
)

const (
	embedded       = "embedded"
	defaultWeights = embedded
	weightsHelp    = `trunk weights REF: "embedded", "random[:WIDTH]", the name of a pulled set, or a weight file`
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

// resolve returns the weights that a REF names: those of a pulled set, made-up ones, or those in a file.
func (a *app) resolve(ref string) (*inception.Weights, error) {
	if ref == embedded {
		return nil, errors.New("no trunk is embedded in this binary: name a weight file with --weights, or fetch one with rehead weights pull keras and name it")
	}
	store, err := a.store()
	if err != nil { // no cache folder: nothing was pulled into it
		return convert.Resolve(ref)
	}
	return store.Resolve(ref)
}

func newWeightsList(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the official weight files, and which of them are here",
		Args:  needArgs(0, 0),
		RunE: func(*cobra.Command, []string) error {
			store, err := a.store()
			if err != nil {
				return err
			}
			pulls, err := store.Pulls()
			if err != nil {
				return err
			}
			here := map[string]bool{}
			for _, p := range pulls {
				here[p.Name] = true
			}
			type line struct {
				registry.Entry
				Pulled bool `json:"pulled"`
			}
			var lines []line
			for _, e := range registry.Entries() {
				lines = append(lines, line{e, here[e.Name]})
			}
			if asJSON {
				return printJSON(a.stdout, lines)
			}
			if _, err := fmt.Fprintf(a.stdout, "%-18s %-12s %7s %7s %6s  %-7s %s\n", "name", "flavour", "classes", "MB", "top-1", "here", "file"); err != nil {
				return err
			}
			for _, l := range lines {
				top1, mark := "", ""
				if l.Top1 > 0 {
					top1 = fmt.Sprintf("%.1f", l.Top1)
				}
				if l.Pulled {
					mark = "pulled"
				}
				if _, err := fmt.Fprintf(a.stdout, "%-18s %-12s %7d %7.0f %6s  %-7s %s\n", l.Name, l.Flavor, l.Classes, float64(l.Size)/1e6, top1, mark, l.File); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
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
		Args:  needArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.store()
			if err != nil {
				return err
			}
			bar := a.progress("kB", 0)
			cfg.Progress = func(done, total int64) {
				bar.of = int(total / 1000)
				bar.set(int(done / 1000))
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
			return nil
		},
	}
	cmd.Flags().StringVar(&cfg.From, "from", "", "mirror: a URL or folder that holds the file under its published name, or the file itself")
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
			store, err := a.store()
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
		options convert.Options
		flavor  string
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:   "convert IN OUT",
		Short: "Convert a weight file to rehead's own format, batch norm folded; retrain.py's graph to a whole model",
		Long: `convert reads PyTorch .pth and .safetensors (torchvision, timm, pytorch-fid), Keras .h5, ONNX, TensorFlow's frozen GraphDef
(also inside inception-2015-12-05.tgz) and TF-slim's .ckpt; the file's bytes decide, never its name. retrain.py's
output_graph.pb, with its labels beside it or in --labels, becomes a model folder.`,
		Args: needArgs(2, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			start := time.Now()
			if err := parentExists(args[1]); err != nil {
				return err
			}
			options.Flavor = inception.Flavor(flavor)
			r, err := convert.Convert(args[0], args[1], options)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, describeWeights(r.Weights))
			}
			what := "weights"
			if r.Model != nil {
				what = fmt.Sprintf("a model of %d labels", len(r.Model.Labels))
			}
			w := r.Weights
			a.say("wrote %s, %s: flavour %s, width %g, %d classes, digest %.12s, in %.1f s", args[1], what, w.Flavor, w.Width, w.Classes, w.Digest, time.Since(start).Seconds())
			return nil
		},
	}
	cmd.Flags().StringVar(&flavor, "flavor", "", "the network's flavour where the file does not tell (default: detected)")
	cmd.Flags().StringVar(&options.DType, "dtype", "f32", "f32 or f16")
	cmd.Flags().StringVar(&options.Labels, "labels", "", "file with a label a line, for the classifier")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object when done")
	return cmd
}

func newWeightsInfo(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info REF",
		Short: "Describe weights: flavour, width, recipe, classifier, source, digest",
		Args:  needArgs(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			w, err := a.resolve(args[0])
			if err != nil {
				return err
			}
			info := describeWeights(w)
			if asJSON {
				return printJSON(a.stdout, info)
			}
			_, err = fmt.Fprint(a.stdout, info.String())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// weightsCard is what `weights info --json` prints.
type weightsCard struct {
	Flavor     inception.Flavor `json:"flavor"`
	Width      float64          `json:"width"`
	Features   int              `json:"features"`
	Classes    int              `json:"classes"`
	Parameters int              `json:"parameters"`
	Tensors    int              `json:"tensors"`
	GFLOP      float64          `json:"gflop_per_image"`
	Recipe     dataset.Recipe   `json:"recipe"`
	Source     string           `json:"source"`
	Digest     string           `json:"digest"`

	Notes map[string]string `json:"notes,omitempty"` // what a conversion wrote down: why this flavour, the file's digest
}

func describeWeights(w *inception.Weights) weightsCard {
	card := weightsCard{
		Flavor: w.Flavor, Width: w.Width, Features: w.Features(), Classes: w.Classes, Tensors: len(w.Tensors),
		GFLOP: flop(w) / 1e9, Recipe: w.Recipe, Source: w.Source, Digest: w.Digest, Notes: w.Notes,
	}
	for _, t := range w.Tensors {
		card.Parameters += len(t.Data)
	}
	return card
}

// flop counts the multiplications and additions of the trunk's convolutions for one picture.
func flop(w *inception.Weights) float64 {
	cost, err := inception.TrunkCost(w.Width, w.Recipe.Size)
	if err != nil {
		return 0
	}
	return float64(cost.FLOPs())
}

// String is the card as people read it.
func (c weightsCard) String() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s "+format+"\n", append([]any{name}, args...)...)
	}
	row("flavour", "%s", c.Flavor)
	row("width", "%g (%.2f M parameters in %d tensors, %.2f GFLOP a picture)", c.Width, float64(c.Parameters)/1e6, c.Tensors, c.GFLOP)
	row("bottleneck", "%d features", c.Features)
	if c.Classes > 0 {
		row("classifier", "%d classes", c.Classes)
	} else {
		row("classifier", "none")
	}
	if recipe, err := json.Marshal(c.Recipe); err == nil {
		row("recipe", "%s", recipe)
	}
	row("source", "%s", c.Source)
	row("digest", "%s", c.Digest)
	for _, name := range slices.Sorted(maps.Keys(c.Notes)) {
		row(name, "%s", c.Notes[name])
	}
	return b.String()
}
