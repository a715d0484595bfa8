package benchmark

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/c236555e/rehead/cmd/rehead/internal/memory"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train/head"
)

// HeadReport is what `bench train --json` prints. A head is fitted to all rows at once, so the
// batch is their number.
type HeadReport struct {
	MsPerImage      Spread  `json:"ms_per_image"`
	ImagesPerSecond float64 `json:"images_per_second"`
	Seconds         Spread  `json:"seconds"` // of a whole fit
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

// Head times runs fits of a head to ex.
func Head(ctx context.Context, ex head.Examples, runs, threads int) (*HeadReport, error) {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	r := &HeadReport{Runs: runs, Threads: threads, Batch: len(ex.Rows), Features: ex.Features(), Classes: ex.Classes,
		Device: "cpu", Kernel: nn.Kernels()[0]}
	var seconds, each []float64
	for range runs {
		start := time.Now()
		fit, err := head.Fit(ctx, ex, head.Config{Threads: threads})
		if err != nil {
			return nil, err
		}
		s := time.Since(start).Seconds()
		seconds, each = append(seconds, s), append(each, 1e3*s/float64(len(ex.Rows)))
		r.Evaluations, r.Loss, r.Converged = fit.Evaluations, fit.Loss, fit.Converged
	}
	r.Seconds, r.MsPerImage, r.RSSMB = newSpread(seconds), newSpread(each), memory.Peak()
	r.ImagesPerSecond = r.MsPerImage.perSecond()
	return r, nil
}

// hidden is how many directions correlate made-up bottlenecks.
const hidden = 32

// normal are numbers of mean 0 and a standard deviation.
func normal(rng *rand.Rand, count int, scale float64) []float32 {
	v := make([]float32, count)
	for i := range v {
		v[i] = float32(scale * rng.NormFloat64())
	}
	return v
}

// MadeUpBottlenecks are n rows of f features that look like bottlenecks: not negative, correlated
// through a few hidden directions, with k classes that overlap. The same every time.
func MadeUpBottlenecks(n, f, k int) head.Examples {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(k)))
	mix := normal(rng, hidden*f, 0.4/math.Sqrt(hidden))
	centres := normal(rng, k*hidden, 0.6)
	ex := head.Examples{Rows: make([][]float32, n), Labels: make([]int, n), Classes: k}
	const batch = 256 // rows whose numbers are drawn, in order, before they are mixed side by side
	along := make([]float32, batch*hidden)
	for from := 0; from < n; from += batch {
		rows := ex.Rows[from:min(from+batch, n)]
		for i := range rows {
			class := (from + i) % k
			ex.Labels[from+i] = class
			rows[i] = normal(rng, f, 0.3)
			for j, c := range centres[class*hidden : (class+1)*hidden] {
				along[i*hidden+j] = c + float32(rng.NormFloat64())
			}
		}
		par.Do(runtime.GOMAXPROCS(0), len(rows), func(i int) { mixRow(rows[i], along[i*hidden:][:hidden], mix) })
	}
	return ex
}

// mixRow adds to a row what its hidden directions [hidden] say, and makes it one of averages after a ReLU.
func mixRow(row, along, mix []float32) {
	for j, v := range along {
		for l, m := range mix[j*len(row) : (j+1)*len(row)] {
			row[l] += v * m
		}
	}
	for j, v := range row {
		row[j] = max(0, 0.3+v)
	}
}
