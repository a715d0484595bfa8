package inception

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/c236555e/rehead/nn"
)

// Precision is what a trunk of these weights computes with: nn.Int8 where they have ranges.
func (w *Weights) Precision() nn.Precision {
	if w.Ranges != nil {
		return nn.Int8
	}
	return nn.Float32
}

// Quantized returns the weights for a trunk that computes with nn.Int8 and these ranges. Its
// bottlenecks are not quite those of float32, so it is another trunk, with a digest of its own:
// heads, models and caches of the two never mix. The tensors are shared and stay float32; they
// become bytes when the trunk is compiled. Ranges must be finite.
func (w *Weights) Quantized(ranges nn.Ranges) (*Weights, error) {
	if w == nil || w.Ranges != nil {
		return nil, errors.New("inception: quantize: got no weights, or some that ranges already, want those of float32")
	}
	if len(ranges) == 0 {
		return nil, errors.New("inception: quantize: got no ranges, want those of a calibration")
	}
	for _, name := range slices.Sorted(maps.Keys(ranges)) {
		r := ranges[name]
		if d := r.High - r.Low; !(d >= 0 && d <= math.MaxFloat32) {
			return nil, fmt.Errorf("inception: quantize: range of %q: got %g to %g, want finite numbers in order", name, r.Low,
				r.High)
		}
	}
	other := *w
	other.Ranges, other.Digest = maps.Clone(ranges), quantizedDigest(w.Digest, ranges)
	return &other, nil
}

// quantizedDigest is the digest of an int8 trunk, from that of its weights and from its ranges.
func quantizedDigest(float string, ranges nn.Ranges) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "rehead int8 trunk 1\n%s\n", float) // a hash never fails to write
	for _, name := range slices.Sorted(maps.Keys(ranges)) {
		r := ranges[name]
		_, _ = fmt.Fprintf(h, "%s %08x %08x\n", name, math.Float32bits(r.Low), math.Float32bits(r.High))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// IsTrunk reports whether m's trunk has the weights of that digest, which is Weights.Digest of a
// float32 trunk, also where it computes with int8, whose trunk has a digest of its own.
func (m *Model) IsTrunk(digest string) bool {
	if m.Ranges != nil {
		digest = quantizedDigest(digest, m.Ranges)
	}
	return digest == m.TrunkDigest
}

// CalibrationPictures is how many pictures are enough to calibrate with: twice as many change the
// bottlenecks less than storing them in bytes does.
const CalibrationPictures = 32

// Calibrate finds the ranges of the trunk of w, of float32, on n pictures, of which load(i, pixels)
// writes the i-th as the recipe makes it, [3,Size,Size], and returns the weights for int8. A
// picture whose load fails is passed over; when all do, the last error is returned. cfg says what
// to run on; the device is the CPU.
func Calibrate(ctx context.Context, w *Weights, cfg nn.Config, n int,
	load func(i int, pixels []float32) error) (_ *Weights, err error) {
	if w == nil || load == nil {
		return nil, errors.New("inception: calibrate: got no weights or no way to load pictures")
	}
	if err := checkRecipe(w.Recipe); err != nil {
		return nil, fmt.Errorf("inception: calibrate: %w", err)
	}
	net, err := Build(nn.NewGraph(), w.TrunkOnly(), w.Recipe.Size, 1)
	if err != nil {
		return nil, err
	}
	cfg.Device = "cpu"
	c, err := nn.NewCalibrator(cfg, net.Input, net.Bottleneck)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	pixels := make([]float32, 3*w.Recipe.Size*w.Recipe.Size)
	var last error
	used := 0
	for i := range n {
		if err := load(i, pixels); err != nil {
			last = err
			continue
		}
		if err := c.Add(ctx, pixels); err != nil {
			return nil, err
		}
		used++
	}
	if used == 0 {
		return nil, fmt.Errorf("inception: calibrate: got none of %d pictures, want at least one: %w", n,
			cmp.Or(last, errNoPicture))
	}
	ranges, err := c.Ranges()
	if err != nil {
		return nil, err
	}
	return w.Quantized(ranges)
}

var errNoPicture = errors.New("there is none")
