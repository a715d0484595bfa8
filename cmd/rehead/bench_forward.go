package main

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/nn"
)

// forwardReport is what `bench forward --json` prints.
type forwardReport struct {
	MsPerImage      spread  `json:"ms_per_image"`
	ImagesPerSecond float64 `json:"images_per_second"`
	Runs            int     `json:"runs"`
	Threads         int     `json:"threads"`
	Batch           int     `json:"batch"`
	Size            int     `json:"size"`
	Weights         string  `json:"weights"`
	Device          string  `json:"device"`
	Kernel          string  `json:"kernel"`
	Precision       string  `json:"precision"`
	LoadMs          float64 `json:"load_ms"`
	GFLOP           float64 `json:"gflop_per_image"`
	GFLOPS          float64 `json:"gflop_per_second"`
	RSSMB           float64 `json:"rss_mb"`

	Profile []layerTime `json:"profile,omitempty"`
}

// layerTime is one step of the network in a profile.
type layerTime struct {
	Name      string  `json:"name"`
	Algorithm string  `json:"algorithm"`
	Shape     string  `json:"shape"`
	Ms        float64 `json:"ms"`
	GFLOP     float64 `json:"gflop"`
	GFLOPS    float64 `json:"gflop_per_second"`
	Share     float64 `json:"share"` // of the sum of all steps, 0..1
}

// forwardOptions is the command line of `bench forward`.
type forwardOptions struct {
	engine   engineFlags
	weights  string
	batch    int
	duration time.Duration
	profile  bool
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
			a.say("%.1f ms an image (min %.1f, p99 %.1f; %d runs), %.1f images/s, %.0f GFLOP/s; %d threads, batch %d, %s, "+
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
	cmd.Flags().IntVar(&o.batch, "batch", 1, "pictures a forward pass")
	cmd.Flags().DurationVar(&o.duration, "duration", 5*time.Second,
		"how long to measure, after three passes to warm up")
	cmd.Flags().BoolVar(&o.profile, "profile", false, "also time each step of the network by itself, at batch 1")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return cmd
}

func (a *app) benchForward(ctx context.Context, o *forwardOptions) (*forwardReport, error) {
	if o.batch < 1 {
		return nil, usagef("--batch: got %d, want at least 1", o.batch)
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
	trunk, err := inception.NewTrunk(w, cfg)
	if err != nil {
		return nil, err
	}
	defer trunk.Close()
	load := time.Since(start)
	times, err := timeForward(ctx, trunk, o.batch, o.duration)
	if err != nil {
		return nil, err
	}
	program := trunk.Program()
	r := &forwardReport{
		Runs: len(times), Threads: program.Threads(), Batch: o.batch, Size: trunk.Size(), Weights: o.weights,
		Device: program.Device(), Kernel: program.Kernel(), Precision: string(program.Precision()),
		LoadMs: float64(load.Microseconds()) / 1e3, RSSMB: peakRSS(),
	}
	r.MsPerImage = newSpread(times)
	r.ImagesPerSecond = r.MsPerImage.perSecond()
	r.GFLOP = convert.InfoOf(w).GFLOP
	r.GFLOPS = r.GFLOP * r.ImagesPerSecond
	if o.profile {
		r.Profile, err = profileForward(ctx, trunk)
	}
	return r, err
}

// calibrateAtRandom returns w in the precision that is asked for; int8 takes its ranges from random
// pixels, which is good enough for timing.
func (e *engineFlags) calibrateAtRandom(ctx context.Context, w *inception.Weights,
	cfg nn.Config) (*inception.Weights, error) {
	if int8s, err := e.quantized(); err != nil || !int8s {
		return w, err
	}
	random := randomPixels(1, w.Recipe.Size)
	return inception.Calibrate(ctx, w, cfg, 1, func(_ int, pixels []float32) error {
		copy(pixels, random)
		return nil
	})
}

// profileForward times each step of the network for one picture: the shortest of ten rounds.
func profileForward(ctx context.Context, trunk *inception.Trunk) ([]layerTime, error) {
	const rounds = 10
	steps, err := trunk.Program().Profile(ctx, rounds, randomPixels(1, trunk.Size()))
	if err != nil {
		return nil, err
	}
	total := 0.0
	for _, s := range steps {
		total += s.Time.Seconds()
	}
	out := make([]layerTime, len(steps))
	for i, s := range steps {
		out[i] = layerTime{s.Name, s.Algorithm, s.Shape, s.Time.Seconds() * 1e3, s.GFLOP, s.GFLOP / s.Time.Seconds(),
			s.Time.Seconds() / total}
	}
	return out, nil
}

// printProfile prints a row a step, then a row an algorithm.
func (a *app) printProfile(steps []layerTime) {
	if len(steps) == 0 {
		return
	}
	a.say("\n%-34s %-22s %-40s %8s %9s %7s", "step", "algorithm", "shape", "ms", "GFLOP/s", "share")
	kinds := map[string]*layerTime{}
	for _, s := range steps {
		a.say("%-34s %-22s %-40s %8.3f %9.0f %6.1f%%", s.Name, s.Algorithm, s.Shape, s.Ms, s.GFLOPS, 100*s.Share)
		k := kinds[s.Algorithm]
		if k == nil {
			k = &layerTime{Algorithm: s.Algorithm}
			kinds[s.Algorithm] = k
		}
		k.Ms, k.GFLOP, k.Share = k.Ms+s.Ms, k.GFLOP+s.GFLOP, k.Share+s.Share
	}
	names := slices.Collect(maps.Keys(kinds))
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(cmp.Compare(kinds[y].Ms, kinds[x].Ms), cmp.Compare(x, y))
	})
	a.say("")
	for _, name := range names {
		k := kinds[name]
		a.say("%-34s %-22s %-40s %8.3f %9.0f %6.1f%%", "all of", name, "", k.Ms, k.GFLOP/k.Ms*1e3, 100*k.Share)
	}
}

// randomPixels are n inputs of size x size in -1..1, the same every time.
func randomPixels(n, size int) []float32 {
	pixels := make([]float32, n*3*size*size)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range pixels {
		pixels[i] = rng.Float32()*2 - 1
	}
	return pixels
}

// timeForward runs the trunk for at least d and three passes, and returns milliseconds an image of
// each pass.
func timeForward(ctx context.Context, trunk *inception.Trunk, batch int, d time.Duration) ([]float64, error) {
	pixels := randomPixels(batch, trunk.Size())
	out := make([]float32, batch*trunk.Features())
	const warm, least = 3, 3
	var times []float64
	var start time.Time
	for i := 0; i < warm+least || time.Since(start) < d; i++ {
		if i == warm {
			start = time.Now()
		}
		t := time.Now()
		if err := trunk.Embed(ctx, batch, pixels, out); err != nil {
			return nil, err
		}
		if i >= warm {
			times = append(times, float64(time.Since(t).Nanoseconds())/1e6/float64(batch))
		}
	}
	return times, nil
}
