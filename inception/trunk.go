package inception

import (
	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/nn"
)

// Trunk is the network up to the bottleneck, compiled; safe for concurrent use.
type Trunk struct {
	weights *Weights
	program *nn.Program
}

// Features returns F, the length of a bottleneck.
func (t *Trunk) Features() int { return t.weights.Features() }

// Size returns the side of the input in pixels.
func (t *Trunk) Size() int { return t.weights.Recipe.Size }

// Weights returns the weights that the trunk was made from.
func (t *Trunk) Weights() *Weights { return t.weights }

// EmbedConfig sets how EmbedAll shares out its work; the zero value is good.
type EmbedConfig struct {
	Batch    int            // most pictures in one forward pass; 0 means 8
	Decoders int            // goroutines that read, decode and resize; 0 means GOMAXPROCS
	Limits   dataset.Limits // of one picture
}
