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
func (w *Weights) Precision() nn.Precision { return precision(w.BFloat16, w.Ranges) }

func precision(bfloat16 bool, ranges nn.Ranges) nn.Precision {
	switch {
	case ranges != nil:
		return nn.Int8
	case bfloat16:
		return nn.BFloat16
	}
	return nn.Float32
}

// Narrowed returns the weights for a trunk that computes with nn.BFloat16. It is another trunk, as
// that of Quantized is. The tensors are shared and stay float32.
func (w *Weights) Narrowed() (*Weights, error) {
	if w == nil || w.Precision() != nn.Float32 {
		return nil, errors.New("inception: narrow: got no weights, or some of another precision, want those of float32")
	}
	other := *w
	other.BFloat16, other.float, other.Digest = true, w.Digest, narrowedDigest(w.Digest)
	return &other, nil
}

// Computing returns the model with a forward pass in another precision than its head was trained
// with: float32 or bfloat16, as int8 wants ranges, which training finds. Its answers differ a
// little from those that its metrics tell of, and from its self-test, which is left out. The model
// must have its trunk. With the precision that it has it is the model itself.
func (m *Model) Computing(p nn.Precision) (*Model, error) {
	switch {
	case m == nil || m.Trunk == nil:
		return nil, errors.New("inception: model: precision: got no model, or one without its trunk: attach it first")
	case p == m.Precision():
		return m, nil
	case p == nn.Int8:
		return nil, fmt.Errorf("inception: model: it was trained on bottlenecks of %s and has no ranges for int8: "+
			"train with int8", m.Precision())
	}
	w := *m.Trunk
	if w.Precision() != nn.Float32 {
		w.BFloat16, w.Ranges, w.Digest, w.float = false, nil, w.float, ""
	}
	trunk, err := w.withPrecision(p == nn.BFloat16, nil)
	if err != nil {
		return nil, err
	}
	other := *m
	other.Trunk, other.TrunkDigest, other.BFloat16, other.Ranges = trunk, trunk.Digest, trunk.BFloat16, nil
	other.SelfTest = nil
	return &other, nil
}

// withPrecision returns w, of float32, for a trunk that computes with bfloat16, with those ranges or,
// with neither, as it is.
func (w *Weights) withPrecision(bfloat16 bool, ranges nn.Ranges) (*Weights, error) {
	switch precision(bfloat16, ranges) {
	case nn.Int8:
		return w.Quantized(ranges)
	case nn.BFloat16:
		return w.Narrowed()
	}
	return w, nil
}

// narrowedDigest is the digest of a bfloat16 trunk, from that of its weights.
func narrowedDigest(float string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte("rehead bfloat16 trunk 1\n"+float+"\n")))
}

// Quantized returns the weights for a trunk that computes with nn.Int8 and these ranges. Its
// bottlenecks are not quite those of float32, so it is another trunk, with a digest of its own:
// heads, models and caches of the two never mix. The tensors are shared and stay float32; they
// become bytes when the trunk is compiled. Ranges must be finite.
func (w *Weights) Quantized(ranges nn.Ranges) (*Weights, error) {
	if w == nil || w.Precision() != nn.Float32 {
		return nil, errors.New("inception: quantize: got no weights, or some of another precision, want those of float32")
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
	other.Ranges, other.float, other.Digest = maps.Clone(ranges), w.Digest, quantizedDigest(w.Digest, ranges)
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
// float32 trunk, also where it computes with another precision, whose trunk has a digest of its own.
func (m *Model) IsTrunk(digest string) bool {
	switch m.Precision() {
	case nn.Int8:
		digest = quantizedDigest(digest, m.Ranges)
	case nn.BFloat16:
		digest = narrowedDigest(digest)
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
