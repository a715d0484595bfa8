package export

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/atomicfile"
	"github.com/c236555e/rehead/internal/wrongfield"
	"github.com/c236555e/rehead/nn"
)

// Format is a kind of file.
type Format string

// The formats.
const (
	FormatONNX        Format = "onnx"        // see [ONNX]
	FormatKeras       Format = "keras"       // a .keras archive, as Keras 3 saves models
	FormatTFLite      Format = "tflite"      // TensorFlow Lite, float32
	FormatSafetensors Format = "safetensors" // weights alone, under the names of another library
)

// Names says whose names weights have in a file of [FormatSafetensors].
type Names string

// The names.
const (
	NamesTorchvision Names = "torchvision" // keys of the state dict of torchvision.models.inception_v3
	NamesKeras       Names = "keras"       // paths of the variables of keras.applications.InceptionV3
)

// Config says what is written; Format is required.
type Config struct {
	Format    Format
	Names     Names // of FormatSafetensors, which wants one; "" for all others
	TrunkOnly bool  // leave out the head: what is written ends in the bottleneck
}

// Validate names the field that is wrong.
func (c Config) Validate() error {
	switch c.Format {
	case FormatSafetensors:
		if c.Names != NamesTorchvision && c.Names != NamesKeras {
			return wrongfield.Errorf("export: config", "Names", "got %q, want %q or %q", c.Names, NamesTorchvision, NamesKeras)
		}
		return nil
	case FormatONNX, FormatKeras, FormatTFLite:
		if c.Names != "" {
			return wrongfield.Errorf("export: config", "Names", "got %q, want none for %q: they are for %q", c.Names, c.Format,
				FormatSafetensors)
		}
		return nil
	}
	return wrongfield.Errorf("export: config", "Format",
		"got %q, want %q, %q, %q or %q", c.Format, FormatONNX, FormatKeras,
		FormatTFLite, FormatSafetensors)
}

// Write writes the model in a format of other programs. The same model gives the same bytes.
//
// ONNX, Keras and TensorFlow Lite files compute everything from RGB pixels, 0..255, that the caller
// resized to the recipe's side, to probabilities after the model's temperature, or to the bottleneck
// with TrunkOnly: ONNX from [N,3,S,S], the others from [N,S,S,3]. Labels and recipe stand in ONNX's
// and TensorFlow Lite's metadata and in Keras's metadata.json.
//
// Weights by torchvision's or Keras's names go into that library's own network, which must be this
// one: average pools that count their border or do not, and one dense layer as the head. Others are
// refused in words. The network's input is then the recipe's, (x - mean) / std. The file's metadata
// says "recipe", "labels" and "activation"; the temperature is part of the weights.
//
// A model without its trunk is refused, and so is, but in ONNX, one that computes with int8, and one
// whose head reads more than the last block. A head that reads the last block's maximum or all of it
// has that in the place of the bottleneck, all of it with the channels last.
func Write(m *inception.Model, w io.Writer, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if err := m.Validate(); err != nil {
		return err
	}
	bad := func(err error) error { return fmt.Errorf("export: %s: %w", c.Format, err) }
	if w == nil {
		return bad(errors.New("got nothing to write to"))
	}
	if m.Trunk == nil {
		return bad(errors.New("the model has no trunk: attach the weights it was trained on"))
	}
	if m.Reads != nil && !m.Reads.Foreign() && !c.TrunkOnly && c.Format != FormatONNX {
		return bad(fmt.Errorf("the head reads %v, which of these files only %q holds: write that, or train it with "+
			"--features last", m.Reads, FormatONNX))
	}
	if tanh := func(l inception.HeadLayer) bool { return l.Kind == inception.LayerGELUTanh }; c.Format == FormatKeras &&
		!c.TrunkOnly && slices.ContainsFunc(m.Head.Before, tanh) {
		return bad(fmt.Errorf("the head has GELU by a tanh, for which Keras has no layer: write %q or %q, or leave the "+
			"head out (--trunk-only)", FormatONNX, FormatTFLite))
	}
	if norm := func(l inception.HeadLayer) bool { return l.Kind == inception.LayerNorm }; c.Format == FormatTFLite &&
		!c.TrunkOnly && slices.ContainsFunc(m.Head.Before, norm) {
		return bad(fmt.Errorf("the head has a layer norm, for which TensorFlow Lite has no operator: write %q or %q, or "+
			"leave the head out (--trunk-only)", FormatONNX, FormatKeras))
	}
	if p := m.Precision(); p == nn.Int8 && c.Format != FormatONNX {
		return bad(fmt.Errorf("the model computes with %s, which of these files only %q holds: write that, or train "+
			"the model with float32", p, FormatONNX))
	}
	layers, err := trunk(m)
	if err != nil {
		return bad(err)
	}
	n := &network{Model: m, layers: layers}
	if !c.TrunkOnly {
		n.head = &m.Head
		n.read()
	}
	write := map[Format]func(io.Writer) error{FormatONNX: n.onnx, FormatKeras: n.keras, FormatTFLite: n.tflite,
		FormatSafetensors: func(w io.Writer) error { return n.weights(w, c.Names) }}[c.Format]
	if err := write(w); err != nil {
		return bad(err)
	}
	return nil
}

// WriteFile writes what [Write] writes to path, whole or not at all; another file of this name is
// replaced.
func WriteFile(m *inception.Model, path string, c Config) error {
	return atomicfile.Write(path, func(w io.Writer) error { return Write(m, w, c) })
}

// network is a model that is being written.
type network struct {
	*inception.Model
	layers []layer
	head   *inception.Head // nil: the trunk alone
}

// temperature is what the logits are divided by.
func (n *network) temperature() float64 {
	if n.Temperature == 0 {
		return 1
	}
	return n.Temperature
}

// last is the head's last layer with the temperature in it: [Classes,Inputs] and [Classes].
func (n *network) last() (w, b []float32) {
	t := n.temperature()
	if t == 1 {
		return n.head.W, n.head.B
	}
	w, b = make([]float32, len(n.head.W)), make([]float32, len(n.head.B))
	for i, v := range n.head.W {
		w[i] = float32(float64(v) / t)
	}
	for i, v := range n.head.B {
		b[i] = float32(float64(v) / t)
	}
	return w, b
}

// activation is what makes probabilities of the logits.
func (n *network) activation() inception.Activation {
	if n.MultiLabel() {
		return inception.Sigmoid
	}
	return inception.Softmax
}
