package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/cmd/rehead/internal/benchmark"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train"
)

// forwardOptions is the command line of `bench forward`.
type forwardOptions struct {
	engine   engineFlags
	weights  string
	batch    int
	duration time.Duration
	profile  bool
	reads    string
	asJSON   bool
}

func newBenchForward(a *app) *cobra.Command {
	var o forwardOptions
	cmd := &cobra.Command{
		Use:   "forward",
		Short: "Time the trunk's forward pass on random pixels",
		Long: `Times the trunk's forward pass on random pixels, after three passes to warm up.
--profile also times each step of the network by itself.`,
		Example: `  rehead bench forward --threads 2 --batch 8
  rehead bench forward --precision int8 --profile`,
		Args: needArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.benchForward(cmd.Context(), &o)
			if err != nil {
				return err
			}
			if o.asJSON {
				return printJSON(a.stdout, r)
			}
			a.sayWrapped("%.1f ms an image (min %.1f, p99 %.1f; %d runs), %.1f images/s, %.0f GFLOP/s; %d threads, "+
				"batch %d, %s, "+
				"kernel %s, %s, %.0f MB",
				r.MsPerImage.Median, r.MsPerImage.Min, r.MsPerImage.P99, r.Runs, r.ImagesPerSecond, r.GFLOPS, r.Threads, r.Batch,
				r.Device, r.Kernel, r.Precision, r.RSSMB)
			a.printProfile(r.Profile)
			return nil
		},
	}
	o.engine.add(cmd, a)
	o.engine.addPrecision(cmd, "int8 calibrates on random pixels, too")
	cmd.Flags().StringVar(&o.weights, "weights", "random", weightsHelp)
	cmd.Flags().IntVar(&o.batch, "batch", 1, "pictures per forward pass")
	cmd.Flags().DurationVar(&o.duration, "duration", 5*time.Second,
		"how long to measure, after three passes to warm up")
	addFeatures(cmd, &o.reads, "what the trunk gives")
	cmd.Flags().BoolVar(&o.profile, "profile", false, "also time each step of the network by itself, at batch 1")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return cmd
}

func (a *app) benchForward(ctx context.Context, o *forwardOptions) (*benchmark.ForwardReport, error) {
	if o.batch < 1 {
		return nil, usagef("--batch: got %d, want at least 1", o.batch)
	}
	reads, err := train.ParseFeatures(o.reads)
	if err != nil {
		return nil, usagef("bench forward: --features: %v", err)
	}
	cfg, err := o.engine.config()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	w, err := a.resolve(o.weights)
	if err != nil {
		return nil, err
	}
	if w, err = o.engine.calibrateAtRandom(ctx, w, cfg); err != nil {
		return nil, err
	}
	r, err := benchmark.Forward(ctx, w, benchmark.ForwardConfig{Network: cfg, Reads: reads, Batch: o.batch,
		For: o.duration, Profile: o.profile, Began: start})
	if err == nil {
		r.Weights = o.weights
	}
	return r, err
}

// calibrateAtRandom returns w in the precision that is asked for; int8 takes its ranges from random
// pixels, which is good enough for timing.
func (e *engineFlags) calibrateAtRandom(ctx context.Context, w *inception.Weights,
	cfg nn.Config) (*inception.Weights, error) {
	random := benchmark.RandomPixels(1, w.Recipe.Size)
	return e.inPrecision(ctx, w, cfg, 1, func(_ int, pixels []float32) error {
		copy(pixels, random)
		return nil
	})
}

// printProfile prints a row a step, then a row an algorithm.
func (a *app) printProfile(steps []benchmark.LayerTime) {
	if len(steps) == 0 {
		return
	}
	t := table{head: []string{"step", "algorithm", "shape", "ms", "GFLOP/s", "share"}, right: "lllrrr"}
	kinds := map[string]*benchmark.LayerTime{}
	for _, s := range steps {
		t.row(s.Name, s.Algorithm, s.Shape, fmt.Sprintf("%.3f", s.Ms), fmt.Sprintf("%.0f", s.GFLOPS), percent(s.Share))
		k := kinds[s.Algorithm]
		if k == nil {
			k = &benchmark.LayerTime{Algorithm: s.Algorithm}
			kinds[s.Algorithm] = k
		}
		k.Ms, k.GFLOP, k.Share = k.Ms+s.Ms, k.GFLOP+s.GFLOP, k.Share+s.Share
	}
	names := slices.Collect(maps.Keys(kinds))
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(cmp.Compare(kinds[y].Ms, kinds[x].Ms), cmp.Compare(x, y))
	})
	for _, name := range names {
		k := kinds[name]
		t.row("all of", name, "", fmt.Sprintf("%.3f", k.Ms), fmt.Sprintf("%.0f", k.GFLOP/k.Ms*1e3), percent(k.Share))
	}
	a.say("")
	a.printTable(&t, "")
}
