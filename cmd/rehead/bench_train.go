package main

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train"
)

// trainReport is what `bench train --json` prints. A head is fitted to all rows at once, so the
// batch is their number.
type trainReport struct {
	MsPerImage      spread  `json:"ms_per_image"`
	ImagesPerSecond float64 `json:"images_per_second"`
	Seconds         spread  `json:"seconds"` // of a whole fit
	Runs            int     `json:"runs"`
	Threads         int     `json:"threads"`
	Batch           int     `json:"batch"`
	Features        int     `json:"features"`
	Classes         int     `json:"classes"`
	Evaluations     int     `json:"evaluations"`
	Loss            float64 `json:"loss"`
	Converged       bool    `json:"converged"`
	Device          string  `json:"device"`
	Kernel          string  `json:"kernel"`
	RSSMB           float64 `json:"rss_mb"`
}

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
			r, err := timeTrain(cmd.Context(), madeUpBottlenecks(rows, features, classes), runs, threads)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, r)
			}
			a.say("%.2f s a fit (min %.2f, %d runs) of %d x %d bottlenecks to %d classes: %d evaluations, loss %.5f; %d "+
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

// timeTrain fits a head to ex several times.
func timeTrain(ctx context.Context, ex train.Examples, runs, threads int) (*trainReport, error) {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	r := &trainReport{Runs: runs, Threads: threads, Batch: len(ex.Rows), Features: ex.Features(), Classes: ex.Classes,
		Device: "cpu", Kernel: nn.Kernels()[0]}
	var seconds, each []float64
	for range runs {
		start := time.Now()
		fit, err := train.FitHead(ctx, ex, train.FitConfig{Threads: threads})
		if err != nil {
			return nil, err
		}
		s := time.Since(start).Seconds()
		seconds, each = append(seconds, s), append(each, 1e3*s/float64(len(ex.Rows)))
		r.Evaluations, r.Loss, r.Converged = fit.Evaluations, fit.Loss, fit.Converged
	}
	r.Seconds, r.MsPerImage, r.RSSMB = newSpread(seconds), newSpread(each), peakRSS()
	r.ImagesPerSecond = r.MsPerImage.perSecond()
	return r, nil
}

// madeUpBottlenecks are n rows of f features that look like bottlenecks: not negative, correlated
// through a few hidden directions, with k classes that overlap. The same every time.
func madeUpBottlenecks(n, f, k int) train.Examples {
	const hidden = 32
	rng := rand.New(rand.NewPCG(uint64(n), uint64(k)))
	normal := func(count int, scale float64) []float32 {
		v := make([]float32, count)
		for i := range v {
			v[i] = float32(scale * rng.NormFloat64())
		}
		return v
	}
	mix := normal(hidden*f, 0.4/math.Sqrt(hidden))
	centres := normal(k*hidden, 0.6)
	ex := train.Examples{Rows: make([][]float32, n), Labels: make([]int, n), Classes: k}
	for i := range n {
		class := i % k
		row := normal(f, 0.3)
		for j, c := range centres[class*hidden : (class+1)*hidden] {
			v := c + float32(rng.NormFloat64())
			for l, m := range mix[j*f : (j+1)*f] {
				row[l] += v * m
			}
		}
		for j, v := range row {
			row[j] = max(0, 0.3+v)
		}
		ex.Rows[i], ex.Labels[i] = row, class
	}
	return ex
}
