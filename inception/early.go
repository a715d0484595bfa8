package inception

import (
	"context"
	"errors"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/nn"
)

var errEarly = errors.New("inception: this part of the package is being written")

// NewWeights checks that tensors are exactly those of a network of the given width and returns them as Weights with
// the flavour's recipe. The map and its slices belong to the Weights from then on.
func NewWeights(flavor Flavor, width float64, source string, tensors map[string]Tensor) (*Weights, error) {
	return nil, errEarly
}

// ReadWeights reads a converted weight file.
func ReadWeights(path string) (*Weights, error) { return nil, errEarly }

// Write writes the weights to path, whole or not at all, as "f32" (also "") or "f16".
func (w *Weights) Write(path string, dtype string) error { return errEarly }

// Random makes up well-scaled weights.
func Random(cfg RandomConfig) (*Weights, error) { return nil, errEarly }

// Build adds the network to g.
func Build(g *nn.Graph, w *Weights, size, batch int) (*Net, error) { return nil, errEarly }

// NewTrunk compiles the network up to the bottleneck for pictures of w.Recipe.Size.
func NewTrunk(w *Weights, cfg nn.Config) (*Trunk, error) { return nil, errEarly }

// Embed turns n pictures, pixels [n,3,Size,Size], into bottlenecks [n,Features].
func (t *Trunk) Embed(ctx context.Context, n int, pixels, bottlenecks []float32) error {
	return errEarly
}

// EmbedAll reads, decodes and embeds pictures 0..n-1; emit is called from one goroutine in order of i.
func (t *Trunk) EmbedAll(ctx context.Context, n int, read func(i int) ([]byte, error), emit func(i int, vec []float32, err error) error, cfg EmbedConfig) error {
	return errEarly
}

// Close releases the compiled program.
func (t *Trunk) Close() error { return errEarly }

// Program is the compiled network, for its description.
func (t *Trunk) Program() *nn.Program { return t.program }

// Logits computes W b + B for one bottleneck in float64. dst is [Classes].
func (h *Head) Logits(bottleneck []float32, dst []float64) {}

// Rank turns one picture's logits into ranked predictions: softmax(logits/Temperature).
func (m *Model) Rank(logits []float64) []Prediction { return nil }

// Validate checks that labels, head, recipe and trunk belong together.
func (m *Model) Validate() error { return errEarly }

// AttachTrunk gives a model that was saved without its trunk the weights that belong to it.
func (m *Model) AttachTrunk(w *Weights) error { return errEarly }

// Save writes the model folder dir, whole or not at all.
func (m *Model) Save(dir string, opts SaveOptions) error { return errEarly }

// OpenModel reads a model folder, its .tar.gz, or a converted weight file that has a classifier.
func OpenModel(path string) (*Model, error) { return nil, errEarly }

// ModelFromWeights makes a model of weights that have a classifier.
func ModelFromWeights(w *Weights) (*Model, error) { return nil, errEarly }

// Classifier answers for pictures with a model; safe for concurrent use.
type Classifier struct{ model *Model }

// NewClassifier compiles the model's trunk.
func NewClassifier(m *Model, cfg nn.Config) (*Classifier, error) { return nil, errEarly }

// Classify answers for each of the images, encoded bytes. The error is about the whole call; a picture that cannot be
// read has its own in its Result.
func (c *Classifier) Classify(ctx context.Context, lim dataset.Limits, images ...[]byte) ([]Result, error) {
	return nil, errEarly
}

// Check runs the model's self-test, if it has one.
func (c *Classifier) Check(ctx context.Context) error { return errEarly }

// Model returns the model.
func (c *Classifier) Model() *Model { return c.model }

// Trunk returns the compiled trunk.
func (c *Classifier) Trunk() *Trunk { return nil }

// Close releases the compiled trunk.
func (c *Classifier) Close() error { return errEarly }
