package benchmark

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/c236555e/rehead/cmd/rehead/internal/memory"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/nn"
)

// ForwardReport is what `bench forward --json` prints.
type ForwardReport struct {
	MsPerImage      Spread  `json:"ms_per_image"`
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

	Profile []LayerTime `json:"profile,omitempty"`
}

// LayerTime is one step of the network in a profile.
type LayerTime struct {
	Name      string  `json:"name"`
	Algorithm string  `json:"algorithm"`
	Shape     string  `json:"shape"`
	Ms        float64 `json:"ms"`
	GFLOP     float64 `json:"gflop"`
	GFLOPS    float64 `json:"gflop_per_second"`
	Share     float64 `json:"share"` // of the sum of all steps, 0..1
}

// ForwardConfig says what Forward times.
type ForwardConfig struct {
	Network nn.Config
	Reads   *inception.Features // what the trunk gives; nil: the bottleneck
	Batch   int
	For     time.Duration // to measure, after three passes to warm up
	Profile bool          // time each step by itself, too
	Began   time.Time     // when the weights began to be read
}

// Forward times the forward pass of w on random pixels.
func Forward(ctx context.Context, w *inception.Weights, cfg ForwardConfig) (*ForwardReport, error) {
	trunk, err := inception.NewTrunkOf(w, cfg.Reads, cfg.Network)
	if err != nil {
		return nil, err
	}
	defer trunk.Close()
	load := time.Since(cfg.Began)
	times, err := timeForward(ctx, trunk, cfg.Batch, cfg.For)
	if err != nil {
		return nil, err
	}
	program := trunk.Program()
	r := &ForwardReport{
		Runs: len(times), Threads: program.Threads(), Batch: cfg.Batch, Size: trunk.Size(),
		Device: program.Device(), Kernel: program.Kernel(), Precision: string(program.Precision()),
		LoadMs: float64(load.Microseconds()) / 1e3, RSSMB: memory.Peak(),
	}
	r.MsPerImage = newSpread(times)
	r.ImagesPerSecond = r.MsPerImage.perSecond()
	r.GFLOP = convert.InfoOf(w).GFLOP
	r.GFLOPS = r.GFLOP * r.ImagesPerSecond
	if cfg.Profile {
		r.Profile, err = profile(ctx, trunk)
	}
	return r, err
}

// profile times each step of the network for one picture: the shortest of ten rounds.
func profile(ctx context.Context, trunk *inception.Trunk) ([]LayerTime, error) {
	const rounds = 10
	steps, err := trunk.Program().Profile(ctx, rounds, RandomPixels(1, trunk.Size()))
	if err != nil {
		return nil, err
	}
	total := 0.0
	for _, s := range steps {
		total += s.Time.Seconds()
	}
	out := make([]LayerTime, len(steps))
	for i, s := range steps {
		out[i] = LayerTime{s.Name, s.Algorithm, s.Shape, s.Time.Seconds() * 1e3, s.GFLOP, s.GFLOP / s.Time.Seconds(),
			s.Time.Seconds() / total}
	}
	return out, nil
}

// RandomPixels are n inputs of size x size in -1..1, the same every time.
func RandomPixels(n, size int) []float32 {
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
	pixels := RandomPixels(batch, trunk.Size())
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
