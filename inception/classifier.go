package inception

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception/safetensors"
	"github.com/c236555e/rehead/nn"
)

// Prediction is one label with its probability, 0..1.
type Prediction struct {
	Label       string  `json:"label"`
	Probability float64 `json:"probability"`
}

// Result is the answer for one picture: either Err or the rest.
type Result struct {
	Predictions []Prediction // every class, most probable first, ties in the order of the labels
	Bottleneck  []float32    // [F]
	// where Model.Independent: those whose probability reaches the model's threshold, in the order
	// of Predictions, not nil; nil elsewhere
	Labels  []string
	Unknown *bool        // whether the picture is of none of the labels; nil where the model does not tell
	Info    picture.Info // what the picture was
	Err     error        // why the picture could not be read
}

// Classifier answers for pictures with a model; safe for concurrent use.
type Classifier struct {
	model   *Model
	trunk   *Trunk
	buffers sync.Pool // of *[]float32, inputs
}

// NewClassifier compiles the model's trunk.
func NewClassifier(m *Model, cfg nn.Config) (*Classifier, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if m.Trunk == nil {
		return nil, fmt.Errorf("inception: the model was saved without its trunk (%s, width %g, digest %.12s): give the "+
			"weights that it was trained on", m.Flavor, m.Width, m.TrunkDigest)
	}
	trunk, err := NewTrunk(m.Trunk.WithRecipe(m.Recipe), cfg)
	if err != nil {
		return nil, err
	}
	c := &Classifier{model: m, trunk: trunk}
	c.buffers.New = func() any { return new([]float32) }
	return c, nil
}

// Classify answers for each of the images, which are encoded bytes: the one way from bytes to an
// answer, in predict and in serve. Pictures are decoded side by side and share one forward pass. A
// picture that cannot be read has its error in its Result; the error returned is about the whole
// call, such as ctx.Err().
func (c *Classifier) Classify(ctx context.Context, lim picture.Limits, images ...[]byte) ([]Result, error) {
	results := make([]Result, len(images))
	if len(images) == 0 {
		return results, ctx.Err()
	}
	pixels := c.trunk.pixels()
	buffer := c.buffers.Get().(*[]float32)
	defer c.buffers.Put(buffer)
	if cap(*buffer) < len(images)*pixels {
		*buffer = make([]float32, len(images)*pixels)
	}
	input := (*buffer)[:len(images)*pixels]
	c.decode(ctx, lim, images, input, results)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	good := 0 // those that could be read move together
	for i := range results {
		if results[i].Err != nil {
			continue
		}
		if good < i {
			copy(input[good*pixels:(good+1)*pixels], input[i*pixels:])
		}
		good++
	}
	if good == 0 {
		return results, nil
	}
	answers, err := c.Infer(ctx, good, input[:good*pixels])
	if err != nil {
		return nil, err
	}
	for i := range results {
		if results[i].Err != nil {
			continue
		}
		info := results[i].Info
		results[i], answers = answers[0], answers[1:]
		results[i].Info = info
	}
	return results, nil
}

// Infer answers for n pictures in one forward pass, pixels [n,3,Size,Size] as Model().Recipe.Load
// writes them: the part of Classify that follows decoding, for callers that decode elsewhere. The
// results' Info is zero; a picture's Err is set when the network's answer for it is not finite.
func (c *Classifier) Infer(ctx context.Context, n int, pixels []float32) ([]Result, error) {
	features := c.trunk.Features()
	vectors := make([]float32, n*features)
	if err := c.trunk.Embed(ctx, n, pixels, vectors); err != nil {
		return nil, err
	}
	results := make([]Result, n)
	logits := make([]float64, c.model.Head.Classes)
	for i := range results {
		r := &results[i]
		r.Bottleneck = vectors[i*features : (i+1)*features : (i+1)*features]
		if safetensors.NotFinite(r.Bottleneck) >= 0 {
			r.Bottleneck, r.Err = nil, errNotFinite
			continue
		}
		c.model.Head.Logits(r.Bottleneck, logits)
		r.Predictions, r.Unknown = c.model.Rank(logits), c.model.Unknown.rejects(logits)
		r.Labels = c.model.answered(logits, r.Predictions)
	}
	return results, nil
}

// decode loads the images into their places in input.
func (c *Classifier) decode(ctx context.Context, lim picture.Limits, images [][]byte, input []float32,
	results []Result) {
	pixels := c.trunk.pixels()
	load := func(i int) {
		r := &results[i]
		r.Info, r.Err = c.model.Recipe.LoadContext(ctx, images[i], lim, input[i*pixels:(i+1)*pixels])
	}
	if len(images) == 1 {
		load(0)
		return
	}
	var (
		wg   sync.WaitGroup
		next atomic.Int64
	)
	for range min(len(images), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(images) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				load(i)
			}
		})
	}
	wg.Wait()
}

// Model returns the model.
func (c *Classifier) Model() *Model { return c.model }

// Trunk returns the compiled trunk.
func (c *Classifier) Trunk() *Trunk { return c.trunk }

// Close releases what was compiled.
func (c *Classifier) Close() error { return c.trunk.Close() }

// SelfTestTolerance is how far, as the norm of the difference over the norm of what is stored, an
// answer of the self-test may be off: float32 kernels that add in another order stay a hundred
// times below it, a swapped pool, a wrong recipe or a damaged kernel goes far beyond.
const SelfTestTolerance = 1e-3

// Record makes a self-test of the given pictures from the answers of this classifier.
func (c *Classifier) Record(ctx context.Context, pictures ...[]byte) (*SelfTest, error) {
	results, err := c.Classify(ctx, picture.Limits{}, pictures...)
	if err != nil {
		return nil, err
	}
	s := &SelfTest{Pictures: pictures}
	for i, r := range results {
		if r.Err != nil {
			return nil, fmt.Errorf("inception: self-test: picture %d: %w", i, r.Err)
		}
		s.Bottlenecks = append(s.Bottlenecks, r.Bottleneck)
		s.Logits = append(s.Logits, c.logits(r.Bottleneck))
	}
	return s, s.validate(&c.model.Head)
}

func (c *Classifier) logits(bottleneck []float32) []float32 {
	wide := make([]float64, c.model.Head.Classes)
	c.model.Head.Logits(bottleneck, wide)
	narrow := make([]float32, len(wide))
	for i, z := range wide {
		narrow[i] = float32(z)
	}
	return narrow
}

// Check runs the model's self-test, if it has one: an answer beyond SelfTestTolerance is an error.
func (c *Classifier) Check(ctx context.Context) error {
	s := c.model.SelfTest
	if s == nil {
		return nil
	}
	results, err := c.Classify(ctx, picture.Limits{}, s.Pictures...)
	if err != nil {
		return err
	}
	for i, r := range results {
		if r.Err != nil {
			return fmt.Errorf("inception: self-test: picture %d: %w", i, r.Err)
		}
		for _, part := range []struct {
			name      string
			got, want []float32
		}{{"bottleneck", r.Bottleneck, s.Bottlenecks[i]}, {"logits", c.logits(r.Bottleneck), s.Logits[i]}} {
			if d := distance(part.got, part.want); !(d <= SelfTestTolerance) {
				return fmt.Errorf("inception: self-test: the %s of picture %d is off by %.2g of its norm, want at most %g: this "+
					"build or machine computes wrongly, try another device or kernel",
					part.name, i, d, SelfTestTolerance)
			}
		}
	}
	return nil
}

// validate checks the self-test's sizes against the head.
func (s *SelfTest) validate(h *Head) error {
	n := len(s.Pictures)
	if n == 0 || n > 64 || len(s.Bottlenecks) != n || len(s.Logits) != n {
		return fmt.Errorf("inception: self-test: got %d pictures, %d bottlenecks and %d logits, want 1 to 64 of each", n,
			len(s.Bottlenecks), len(s.Logits))
	}
	for i := range n {
		if len(s.Bottlenecks[i]) != h.Features || len(s.Logits[i]) != h.Classes || len(s.Pictures[i]) == 0 {
			return fmt.Errorf("inception: self-test: picture %d has %d bytes, %d features and %d logits, want some, %d and %d",
				i, len(s.Pictures[i]), len(s.Bottlenecks[i]), len(s.Logits[i]), h.Features, h.Classes)
		}
	}
	return nil
}

// distance is the norm of the difference over the norm of want; NaN if either holds one.
func distance(got, want []float32) float64 {
	var diff, norm float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		diff += d * d
		norm += float64(w) * float64(w)
	}
	if diff == 0 {
		return 0
	}
	return math.Sqrt(diff / norm)
}
