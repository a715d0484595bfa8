package matrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/atomicfile"
	"github.com/c236555e/rehead/internal/safetensors"
)

// format is the value of "format" in a file's metadata.
const format = "rehead-matrix/1"

// settings are the rest of the metadata, as JSON under the key "classifier".
type settings struct {
	Labels      []string             `json:"labels"`
	Activation  inception.Activation `json:"activation"`
	Temperature float64              `json:"temperature"`
	Thresholds  []float64            `json:"thresholds,omitempty"`
}

// Save writes the classifier as one file, which appears whole or not at all and replaces another of its
// name. Equal classifiers give equal bytes.
func (c *Classifier) Save(path string) error {
	if err := c.usable(); err != nil {
		return err
	}
	h := &c.model.Head
	text, err := json.Marshal(settings{c.model.Labels, h.Activation, c.model.Temperature, c.model.Thresholds})
	if err != nil {
		return fmt.Errorf("matrix: save: %w", err)
	}
	err = atomicfile.Write(path, func(w io.Writer) error {
		return safetensors.Write(w, map[string]string{"format": format, "classifier": string(text)}, []safetensors.Tensor{
			{Name: "weight", DType: safetensors.F32, Shape: []int{h.Classes, h.Features}, Values: h.W},
			{Name: "bias", DType: safetensors.F32, Shape: []int{h.Classes}, Values: h.B}})
	})
	if err != nil {
		return fmt.Errorf("matrix: save: %w", err)
	}
	return nil
}

// Open reads a classifier that Save wrote. What is wrong with its content is an
// *inception.FormatError.
func Open(path string) (_ *Classifier, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("matrix: open: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("matrix: open: %w", err)
	}
	f, err := safetensors.New(path, file, info.Size())
	if err != nil {
		return nil, err
	}
	c, err := decode(f)
	var bad *inception.FormatError
	if err != nil && !errors.As(err, &bad) {
		err = &inception.FormatError{File: path, Offset: -1, Reason: err.Error(), Err: err}
	}
	return c, err
}

// decode makes a classifier of a file's content.
func decode(f *safetensors.File) (*Classifier, error) {
	if got := f.Metadata["format"]; got != format {
		return nil, fmt.Errorf("is a file of format %q, want %q: a Classifier's Save writes it", got, format)
	}
	var s settings
	if err := json.Unmarshal([]byte(f.Metadata["classifier"]), &s); err != nil {
		return nil, fmt.Errorf("its metadata cannot be read: %w", err)
	}
	weight, ok := f.Lookup("weight")
	bias, also := f.Lookup("bias")
	if !ok || !also || len(weight.Shape) != 2 || len(bias.Shape) != 1 || bias.Shape[0] != weight.Shape[0] ||
		weight.DType != safetensors.F32 || bias.DType != safetensors.F32 {
		return nil, errors.New("has no weight [K,F] with a bias [K] in float32: save it again")
	}
	c := &Classifier{model: inception.Model{Labels: s.Labels, Temperature: s.Temperature, Thresholds: s.Thresholds,
		Head: inception.Head{Classes: weight.Shape[0], Features: weight.Shape[1], Activation: s.Activation,
			W: make([]float32, weight.Elements()), B: make([]float32, bias.Elements())}}}
	if err := f.Float32(weight, c.model.Head.W, nil); err != nil {
		return nil, err
	}
	if err := f.Float32(bias, c.model.Head.B, nil); err != nil {
		return nil, err
	}
	return c, c.model.ValidateHead()
}
