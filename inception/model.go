package inception

import (
	"encoding/json"

	"github.com/c236555e/rehead/dataset"
)

// Head is the linear classifier on the bottleneck: logits = W b + B.
type Head struct {
	Classes  int
	Features int
	W        []float32 // [Classes,Features]
	B        []float32 // [Classes]
}

// Model is a trained classifier: everything that is needed to answer for a picture as it was trained to.
type Model struct {
	Labels      []string            // in the order of the head's rows
	Head        Head                //
	Temperature float64             // the logits are divided by it before the softmax; 0 means 1
	Recipe      dataset.Recipe      // how a picture becomes the trunk's input
	Flavor      Flavor              //
	Width       float64             //
	TrunkDigest string              // Weights.Digest of the trunk that belongs to the head
	Trunk       *Weights            // nil when the model was saved without it: see AttachTrunk
	Seed        uint64              // the seed of the training run
	Split       dataset.SplitConfig // how the pictures were split
	Training    json.RawMessage     // the settings of the training run, a JSON object
	Metrics     json.RawMessage     // what the training run measured, a JSON object
	ToolVersion string              // the rehead that made it
	SelfTest    *SelfTest           // optional: pictures with the answers that are expected of them
	Report      []byte              // optional: report.html
}

// SelfTest is a few tiny pictures with the bottlenecks and logits that the model gave for them when it was made.
type SelfTest struct {
	Pictures    [][]byte    // encoded, PNG or JPEG
	Bottlenecks [][]float32 // [P][Features]
	Logits      [][]float32 // [P][Classes], before the temperature
}

// SaveOptions says what Save writes; the zero value stores everything in float32.
type SaveOptions struct {
	NoTrunk bool   // store only the trunk's digest
	DType   string // of the trunk: "f32" (also "") or "f16"
	Report  []byte // report.html; nil writes Model.Report, if there is one
}
