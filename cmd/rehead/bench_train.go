package main

import (
	"context"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/cmd/rehead/internal/benchmark"
	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/head"
)

func newBenchTrain(a *app) *cobra.Command {
	var (
		rows, features, classes, runs, threads int
		asJSON                                 bool
		of                                     benchShards
	)
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Time the fit of a head to made-up bottlenecks",
		Long: `Solves for a softmax head as "rehead train" does once every picture is embedded:
the default solver and weight decay, to convergence, on made-up bottlenecks of
overlapping classes that are the same every time. "rehead bench forward" times
the trunk.

With --make DIR it writes such rows as shards of the random trunk instead, and
with --bottlenecks DIR it fits to the rows of shards, as "rehead train
--bottlenecks" does: in memory, or with --memory holding that much.`,
		Example: `  rehead bench train --rows 10000 --classes 20
  rehead bench train --make shards --rows 1000000 --classes 100
  rehead bench train --bottlenecks shards --memory 2GB`,
		Args: needArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case of.dir != "":
				return a.benchShards(cmd.Context(), of, threads, asJSON)
			case classes < 2 || rows < classes:
				return usagef("--rows %d, --classes %d: want at least 2 classes and a row for each", rows, classes)
			case features < 1 || runs < 1 || threads < 0:
				return usagef("--features, --runs and --threads: got %d, %d and %d, want at least 1, 1 and 0", features, runs,
					threads)
			}
			if of.make != "" {
				return a.makeShards(cmd.Context(), of.make, rows, classes)
			}
			r, err := benchmark.Head(cmd.Context(), benchmark.MadeUpBottlenecks(rows, features, classes), runs, threads)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, r)
			}
			a.sayWrapped("%.2f s a fit (min %.2f, %d runs) of %d x %d bottlenecks to %d classes: %d evaluations, loss %.5f; %d "+
				"threads, kernel %s, %.0f MB",
				r.Seconds.Median, r.Seconds.Min, r.Runs, r.Batch, r.Features, r.Classes, r.Evaluations, r.Loss, r.Threads, r.Kernel,
				r.RSSMB)
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVar(&rows, "rows", 3670, "bottlenecks")
	f.IntVar(&features, "features", 2048, "length of a bottleneck")
	f.IntVar(&classes, "classes", 5, "classes")
	f.IntVar(&runs, "runs", 3, "fits to time")
	f.IntVar(&threads, "threads", 0, "threads of the solver (0: one per core)")
	f.StringVar(&of.make, "make", "", "folder to write made-up shards to")
	f.StringVar(&of.dir, "bottlenecks", "", "shards to fit to")
	f.Var(&of.memory, "memory", "what the fit may hold, such as 2GB (0: all rows)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// benchShards says what shards `bench train` is about.
type benchShards struct {
	make, dir string
	memory    byteSize
}

// makeShards writes made-up shards.
func (a *app) makeShards(ctx context.Context, dir string, rows, classes int) error {
	if err := onDisk("--make", dir, "it is a benchmark's"); err != nil {
		return err
	}
	w, err := inception.Random(inception.RandomConfig{})
	if err != nil {
		return err
	}
	key, err := train.ShardKey(w, nil, nn.Config{})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	bar := a.progress("making up", "rows", rows)
	defer bar.done()
	return benchmark.MadeUpShards(ctx, dir, key, rows, classes, bar.set)
}

// benchShards times a fit to shards.
func (a *app) benchShards(ctx context.Context, s benchShards, threads int, asJSON bool) error {
	places, err := shards.FindAt(a.cloud.addresses(), s.dir)
	if err != nil {
		return err
	}
	set, err := shards.OpenSet(ctx, places)
	if err != nil {
		return err
	}
	if s.memory > 0 {
		debug.SetMemoryLimit(int64(s.memory))
	}
	began := time.Now()
	r, err := benchmark.Shards(ctx, set, int64(s.memory), threads, func(e head.Event) {
		if e.Phase == head.PhaseFit {
			a.note("pass %d, %.1f s: loss %.6f, at most %.2g above the least", e.Done+1, time.Since(began).Seconds(), e.Loss,
				e.Gap)
		}
	})
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(a.stdout, r)
	}
	a.sayWrapped("%.2f s for %d x %d bottlenecks of %d classes: %d passes, %d rows in memory, evaluated %d times; loss "+
		"%.6f, at most %.2g above the least; %d threads, %.0f MB", r.Seconds, r.Rows, r.Features, r.Classes, r.Passes,
		r.Resident, r.Evaluations, r.Loss, r.Gap, r.Threads, r.RSSMB)
	return nil
}
