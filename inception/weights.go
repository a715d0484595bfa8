package inception

import (
	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception/safetensors"
)

// FormatError says which file and tensor is wrong, where, and what to do about it.
type FormatError = safetensors.FormatError

// Tensor is a dense float32 tensor, outermost axis first.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Weights are the numbers of one network, batch norm already folded into convolutions.
//
// Tensors holds, under torchvision's paths, "<path>.weight" [O,I,KH,KW] and "<path>.bias" [O] for each of the 94
// convolutions, and, when Classes > 0, "fc.weight" [K,F] and "fc.bias" [K]. A Weights is not changed after it is made;
// graphs and programs share its slices.
type Weights struct {
	Flavor  Flavor
	Width   float64        // width multiplier, 1 for the published network
	Source  string         // where the numbers come from, for people
	Recipe  dataset.Recipe // the flavour's, unless the file says otherwise
	Classes int            // classes of the classifier, 0 without one
	Labels  []string       // the classifier's labels in order; nil when the file has none
	Tensors map[string]Tensor
	// Digest is the hex SHA-256 that names the trunk: flavour, and name, shape and values of every convolution's
	// tensors. Neither the file's layout nor the classifier is part of it, and float16 storage only as far as it
	// changed the values.
	Digest string
}

// Features returns the length of the bottleneck, 2048 at width 1.
func (w *Weights) Features() int { return features(w.Width) }
