package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
)

const (
	defaultWeights = "embedded"
	weightsHelp    = `trunk weights REF: "embedded", "random[:WIDTH]", or a weight file`
)

func newWeights(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "weights",
		Short: "Convert and describe weight files",
		Args:  needArgs(0, 0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newWeightsConvert(a), newWeightsInfo(a))
	return cmd
}

func newWeightsConvert(a *app) *cobra.Command {
	var (
		flavor, dtype string
		asJSON        bool
	)
	cmd := &cobra.Command{
		Use:   "convert IN OUT",
		Short: "Convert a weight file to rehead's own format, batch norm folded",
		Args:  needArgs(2, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			start := time.Now()
			if err := parentExists(args[1]); err != nil {
				return err
			}
			w, err := convert.LoadWith(args[0], convert.Options{Flavor: inception.Flavor(flavor)})
			if err != nil {
				return err
			}
			if err := w.Write(args[1], dtype); err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, describeWeights(w))
			}
			a.say("wrote %s: flavour %s, width %g, %d classes, digest %s, in %.1f s", args[1], w.Flavor, w.Width, w.Classes, w.Digest[:12], time.Since(start).Seconds())
			return nil
		},
	}
	cmd.Flags().StringVar(&flavor, "flavor", "", "the network's flavour where the file does not tell (default: detected)")
	cmd.Flags().StringVar(&dtype, "dtype", "f32", "f32 or f16")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object when done")
	return cmd
}

func newWeightsInfo(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info REF",
		Short: "Describe weights: format, flavour, width, recipe, classifier, digest",
		Args:  needArgs(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			w, err := convert.Resolve(args[0])
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
}

func describeWeights(w *inception.Weights) weightsCard {
	card := weightsCard{
		Flavor: w.Flavor, Width: w.Width, Features: w.Features(), Classes: w.Classes, Tensors: len(w.Tensors),
		GFLOP: flop(w) / 1e9, Recipe: w.Recipe, Source: w.Source, Digest: w.Digest,
	}
	for _, t := range w.Tensors {
		card.Parameters += len(t.Data)
	}
	return card
}

// flop counts the multiplications and additions of the trunk's convolutions for one picture.
func flop(w *inception.Weights) float64 {
	layers, err := inception.Layers(w.Width, w.Recipe.Size)
	if err != nil {
		return 0
	}
	total := 0.0
	for _, l := range layers {
		total += 2 * float64(l.Shape[0]*l.Shape[1]*l.Shape[2]*l.Shape[3]) * float64(l.Out[0]*l.Out[1])
	}
	return total
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
	return b.String()
}
