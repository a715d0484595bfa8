package inception

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn"
)

// Prediction is one label with its probability, 0..1.
type Prediction struct {
	Label       string  `json:"label"`
	Probability float64 `json:"probability"`
	Class       int     `json:"-"` // the label's place in Model.Labels
}

// Result is the answer for one picture: either Err or the rest.
type Result struct {
	Predictions []Prediction // every class, most probable first, ties in the order of the labels
	Bottleneck  []float32    // [F]: what the head read, see Model.Reads
	// where Model.MultiLabel: those whose probability reaches the model's threshold, in the order
	// of Predictions, not nil; nil elsewhere
	Labels  []string
	Unknown *bool // whether the picture is of none of the labels; nil where the model does not tell
	// where Options.Explain asks for it
	Explanation *Explanation
	Info        picture.Info // what the picture was
	Err         error        // why the picture could not be read
}

// Classifier answers for pictures with a model; safe for concurrent use.
type Classifier struct {
	model   *Model // without its Trunk
	trunk   *Trunk
	buffers sync.Pool        // of *[]float32, the inputs of one pass
	alike   func() []float64 // of the model's neighbours, computed when it is first asked for
}

// NewClassifier compiles the model's trunk, and keeps none of its tensors: of a full-width float32
// trunk they are 87 MB beside 173 of packed weights, and garbage once the caller drops the model. Go
// collects them when the heap has grown by as much again; debug.FreeOSMemory does so at once.
// A model that was saved without its trunk is [ErrNoTrunk], a device that will not do [nn.ErrDevice].
func NewClassifier(m *Model, cfg nn.Config) (*Classifier, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if m.Trunk == nil {
		return nil, fmt.Errorf("inception: %w (%s, width %g, digest %.12s): give the weights that it was trained on",
			ErrNoTrunk, m.Flavor, m.Width, m.TrunkDigest)
	}
	trunk, err := NewTrunkOf(m.Trunk.WithRecipe(m.Recipe), m.Reads, cfg)
	if err != nil {
		return nil, err
	}
	return newClassifier(m, trunk), nil
}

func newClassifier(m *Model, trunk *Trunk) *Classifier {
	kept := *m
	kept.Trunk = nil
	c := &Classifier{model: &kept, trunk: trunk, alike: sync.OnceValue(m.Neighbours.alike)}
	c.buffers.New = func() any { return new([]float32) }
	return c
}

// Classifier answers with the model m on this trunk, which is compiled already, is the model's own and
// gives what its head reads: to the bit as one of [NewClassifier] does. The trunk stays the caller's, and
// open for as long as the classifier is used; the classifier's Close leaves it so.
func (t *Trunk) Classifier(m *Model) (*Classifier, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if t == nil || t.weights.Digest != m.TrunkDigest || t.weights.Recipe != m.Recipe {
		return nil, errors.New("inception: classifier: got a trunk of other weights or another recipe than the model's, " +
			"want its own: NewClassifier compiles it")
	}
	own := t.reading(m.Reads)
	if own == nil {
		return nil, fmt.Errorf("inception: classifier: the trunk gives the %v, the head reads the %v: NewClassifier "+
			"compiles what it needs", t.features, m.Reads)
	}
	return newClassifier(m, own), nil
}

// Classify answers for each of the inputs: the one way from a picture to an answer, in predict and
// in serve. Those that are not decoded yet are decoded side by side, which leaves them their
// Pixels; then all share one forward pass. A picture that cannot be read, or for which the
// network's answer is not finite, has its error in its Result; the error returned is about the
// whole call, such as ctx.Err(). A result depends on nothing but its own picture.
func (c *Classifier) Classify(ctx context.Context, inputs ...*Input) ([]Result, error) {
	results := make([]Result, len(inputs))
	var encoded []int
	for i, in := range inputs {
		if in == nil {
			return nil, fmt.Errorf("inception: classify: input %d is nil", i)
		}
		if in.Pixels == nil {
			encoded = append(encoded, i)
		}
	}
	err := par.Each(ctx, 0, len(encoded), func(_, k int) error {
		i := encoded[k]
		results[i].Err = inputs[i].Decode(ctx, c.model.Recipe, nil)
		return nil
	})
	if err != nil {
		return nil, err
	}
	good := make([]int, 0, len(inputs))
	for i, in := range inputs {
		results[i].Info = in.Info
		if results[i].Err == nil {
			good = append(good, i)
		}
	}
	if len(good) == 0 {
		return results, nil
	}
	vectors, err := c.embed(ctx, inputs, good)
	if err != nil {
		return nil, err
	}
	features, logits := c.trunk.Features(), make([]float64, c.model.Head.Classes)
	for k, i := range good {
		c.model.answer(&results[i], vectors[k*features:(k+1)*features:(k+1)*features], logits)
		if c.model.Views > 1 && results[i].Err == nil {
			if err := c.answerViews(ctx, &results[i], inputs[i].Pixels, results[i].Bottleneck); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}

// embed runs the inputs of the given places in one forward pass and returns their bottlenecks.
func (c *Classifier) embed(ctx context.Context, inputs []*Input, places []int) ([]float32, error) {
	pixels, size := inputs[places[0]].Pixels, c.trunk.pixels()
	if n := len(places); n > 1 {
		buffer := c.buffers.Get().(*[]float32)
		defer c.buffers.Put(buffer)
		if cap(*buffer) < n*size {
			*buffer = make([]float32, n*size)
		}
		pixels = (*buffer)[:0]
		for _, i := range places {
			if got := len(inputs[i].Pixels); got != size {
				return nil, fmt.Errorf("inception: classify: got %d input values for a picture, want %d", got, size)
			}
			pixels = append(pixels, inputs[i].Pixels...)
		}
	}
	vectors := make([]float32, len(places)*c.trunk.Features())
	return vectors, c.trunk.Embed(ctx, len(places), pixels, vectors)
}

// Model returns the model but for its Trunk, which is compiled and nil here: who saves or exports it
// keeps the model that the classifier was made from.
func (c *Classifier) Model() *Model { return c.model }

// Trunk returns the compiled trunk.
func (c *Classifier) Trunk() *Trunk { return c.trunk }

// Close waits for the calls under way and releases what was compiled. Later calls fail with
// [nn.ErrClosed].
func (c *Classifier) Close() error { return c.trunk.Close() }

// SelfTestTolerance is how far, as the norm of the difference over the norm of what is stored, an
// answer of the self-test may be off: float32 kernels that add in another order stay a hundred
// times below it, a swapped pool, a wrong recipe or a damaged kernel goes far beyond. Kernels that
// round more have twenty times their nn.Program.Rounding instead, where that is more.
const SelfTestTolerance = 1e-3

// BFloat16Tolerance is SelfTestTolerance for a model that computes with bfloat16: what plain Go adds in
// another order may round to the next of its 8 bits, and tiles (kernel amx) round weights that other kernels
// take for what they are. Those others agree to the bit if they are in assembly; narrow networks of made-up
// weights were off by up to 0.027 between tiles and plain Go, photographs in the full one by 0.013.
const BFloat16Tolerance = 4e-2

func (m *Model) tolerance() float64 {
	if m.BFloat16 {
		return BFloat16Tolerance
	}
	return SelfTestTolerance
}

// Record makes a self-test of the given pictures, PNG or JPEG, from the answers of this classifier; of
// none, of drawn ones.
func (c *Classifier) Record(ctx context.Context, pictures ...[]byte) (*SelfTest, error) {
	if len(pictures) == 0 {
		var err error
		if pictures, err = drawnPictures(); err != nil {
			return nil, err
		}
	}
	results, err := c.Classify(ctx, encodedInputs(pictures)...)
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

func encodedInputs(pictures [][]byte) []*Input {
	inputs := make([]*Input, len(pictures))
	for i, p := range pictures {
		inputs[i] = &Input{Data: p}
	}
	return inputs
}

func (c *Classifier) logits(bottleneck []float32) []float32 {
	wide := make([]float64, c.model.Head.Classes)
	_ = c.model.Head.Logits(bottleneck, wide) // of the model's own sizes
	narrow := make([]float32, len(wide))
	for i, z := range wide {
		narrow[i] = float32(z)
	}
	return narrow
}

// Check runs the model's self-test: an answer beyond SelfTestTolerance, or BFloat16Tolerance, is an
// error that wraps [ErrSelfTest]. Of a model that has none, from a weight file or made long ago, it wants
// an answer for drawn pictures.
func (c *Classifier) Check(ctx context.Context) error {
	if c == nil {
		return errors.New("inception: self-test: got no classifier")
	}
	s := c.model.SelfTest
	if s == nil {
		return c.checkPass(ctx)
	}
	results, err := c.Classify(ctx, encodedInputs(s.Pictures)...)
	if err != nil {
		return err
	}
	most := max(c.model.tolerance(), 20*c.trunk.program.Rounding())
	for i, r := range results {
		if r.Err != nil {
			return fmt.Errorf("inception: %w: picture %d: %w", ErrSelfTest, i, r.Err)
		}
		for _, part := range []struct {
			name      string
			got, want []float32
		}{{"bottleneck", r.Bottleneck, s.Bottlenecks[i]}, {"logits", c.logits(r.Bottleneck), s.Logits[i]}} {
			if d := numeric.Distance(part.got, part.want); !(d <= most) {
				return fmt.Errorf("inception: %w: the %s of picture %d is off by %.2g of its norm, want at most %g: this "+
					"build or machine computes wrongly, try another device or kernel", ErrSelfTest, part.name, i, d, most)
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
