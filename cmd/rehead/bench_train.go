package main

import (
	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/cmd/rehead/internal/benchmark"
)

func newBenchTrain(a *app) *cobra.Command {
	var (
		rows, features, classes, runs, threads int
		asJSON                                 bool
	)
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Time the fit of a head to made-up bottlenecks",
		Long: `Solves for a softmax head as "rehead train" does once every picture is embedded:
the default solver and weight decay, to convergence, on made-up bottlenecks of
overlapping classes that are the same every time. "rehead bench forward" times
the trunk.`,
		Example: `  rehead bench train --rows 10000 --classes 20`,
		Args:    needArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case classes < 2 || rows < classes:
				return usagef("--rows %d, --classes %d: want at least 2 classes and a row for each", rows, classes)
			case features < 1 || runs < 1 || threads < 0:
				return usagef("--features, --runs and --threads: got %d, %d and %d, want at least 1, 1 and 0", features, runs,
					threads)
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
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
