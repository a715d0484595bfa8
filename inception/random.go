package inception

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"runtime"

	"github.com/c236555e/rehead/internal/par"
)

// RandomConfig describes made-up weights; the zero value is the full network of flavour tf-2015
// from seed 0.
type RandomConfig struct {
	Width   float64 // 0 means 1
	Seed    uint64  // the same seed gives the same weights, on any machine
	Flavor  Flavor  // "" means TF2015
	Classes int     // classes of a made-up classifier; 0: none
	Size    int     // side of the input in pixels, MinSize..4096; 0 means the flavour's 299
}

// Random makes up weights that keep activations in range through the whole depth, for tests,
// benchmarks and first steps without a download: a random trunk still tells colours and textures
// apart, but it knows nothing of the world.
//
// Weights are uniform with the variance that He et al. 2015 (arXiv:1502.01852) derive for layers
// with ReLU, except that centring of every filter's mean is done by a part, and the variance
// corrected for it as Brock et al. 2021 (arXiv:2101.08692, section 3) do for the whole: without any
// centring, all pictures end up in nearly the same direction; with all of it, rounding errors grow
// a hundredfold on their way through the network. Biases are 0.
func Random(cfg RandomConfig) (*Weights, error) {
	if cfg.Width == 0 {
		cfg.Width = 1
	}
	if cfg.Flavor == "" {
		cfg.Flavor = TF2015
	}
	if cfg.Classes < 0 || cfg.Classes > maxClasses {
		return nil, fmt.Errorf("inception: random weights: Classes is %d, want 0 to %d", cfg.Classes, maxClasses)
	}
	if _, err := ParseFlavor(string(cfg.Flavor)); err != nil {
		return nil, err
	}
	recipe := cfg.Flavor.Recipe()
	if cfg.Size != 0 {
		recipe = Resized(recipe, cfg.Size)
		if err := checkRecipe(recipe); err != nil {
			return nil, fmt.Errorf("inception: random weights: %w", err)
		}
	}
	list, err := slots(cfg.Width)
	if err != nil {
		return nil, err
	}
	if cfg.Classes > 0 {
		list = append(list, slot{"fc.weight", []int{cfg.Classes, features(cfg.Width)}}, slot{"fc.bias", []int{cfg.Classes}})
	}
	data := make([][]float32, len(list))
	par.Do(runtime.GOMAXPROCS(0), len(list), func(i int) { data[i] = list[i].draw(cfg.Seed) })
	tensors := make(map[string]Tensor, len(list))
	for i, s := range list {
		tensors[s.name] = Tensor{Shape: s.shape, Data: data[i]}
	}
	source := fmt.Sprintf("made up at random, width %g, seed %d", cfg.Width, cfg.Seed)
	w, err := NewWeights(cfg.Flavor, cfg.Width, source, tensors)
	if err != nil {
		return nil, err
	}
	w.Recipe = recipe
	return w, nil
}

// centred is the part of a filter's mean, in power, that is taken out of it: 1 - (1-share)^2.
const centred = 0.5

// draw makes up one tensor; a bias (one axis) is zero.
func (s slot) draw(seed uint64) []float32 {
	data := make([]float32, s.elements())
	if len(s.shape) == 1 {
		return data
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.name)) // a hash never fails to write
	rng := rand.NewPCG(seed, h.Sum64())
	fan := len(data) / s.shape[0]
	share := 1 - math.Sqrt(1-centred)
	gain := math.Sqrt(2 / float64(fan) / (1 - centred/math.Pi))
	if s.name == "fc.weight" {
		share, gain = 0, math.Sqrt(1/float64(fan))
	}
	filter := make([]float64, fan)
	for at := 0; at < len(data); at += fan {
		mean := 0.0
		for i := range filter {
			filter[i] = (float64(rng.Uint64()>>11)/(1<<52) - 1) * math.Sqrt(3) // variance 1
			mean += filter[i]
		}
		mean *= share / float64(fan)
		for i, v := range filter {
			data[at+i] = float32((v - mean) * gain)
		}
	}
	return data
}
