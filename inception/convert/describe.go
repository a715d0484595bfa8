package convert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
)

// Info is what a weight file is, for people and for `rehead weights info --json`.
type Info struct {
	File       string            `json:"file"`
	Bytes      int64             `json:"bytes"`
	SHA256     string            `json:"sha256"` // of the file
	Format     string            `json:"format"` // "safetensors", "pth", "pth-stream", "hdf5", "onnx", "graphdef", "checkpoint"
	Flavor     inception.Flavor  `json:"flavor"`
	Reason     string            `json:"reason,omitempty"` // why this flavour
	Width      float64           `json:"width"`
	Features   int               `json:"features"` // length of a bottleneck
	Classes    int               `json:"classes"`  // 0 without a classifier
	Tensors    int               `json:"tensors"`  // once converted
	Parameters int64             `json:"parameters"`
	Ignored    int               `json:"ignored"` // tensors of the file that inference does not use
	Digest     string            `json:"digest"`  // of the converted trunk: inception.Weights.Digest
	Source     string            `json:"source,omitempty"`
	Recipe     dataset.Recipe    `json:"recipe"`
	Notes      map[string]string `json:"notes,omitempty"`
	Labels     []string          `json:"labels,omitempty"`
}

// Describe reads a weight file of any supported kind, checks it as Load does, and says what it is.
func Describe(path string) (*Info, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read from
	w, src, err := load(f, Options{})
	if err != nil {
		return nil, fileError(path, err)
	}
	sum, err := f.digest()
	if err != nil {
		return nil, fileError(path, err)
	}
	info := &Info{
		File: path, Bytes: f.length, SHA256: sum, Format: f.format, Flavor: w.Flavor, Width: w.Width, Features: w.Features(),
		Classes: w.Classes, Tensors: len(w.Tensors), Digest: w.Digest, Source: w.Source, Recipe: w.Recipe, Notes: w.Notes, Labels: w.Labels,
	}
	for _, t := range w.Tensors {
		info.Parameters += int64(len(t.Data))
	}
	if src != nil {
		info.Reason, info.Ignored = src.reason, len(src.ignored)
	}
	return info, nil
}

// digest is the hex SHA-256 of the whole file, computed once.
func (f *file) digest() (string, error) {
	if f.sha256 != "" {
		return f.sha256, nil
	}
	h := sha256.New()
	n, err := io.Copy(h, io.NewSectionReader(f.File, 0, f.length))
	if err == nil && n != f.length {
		err = fmt.Errorf("shrank to %d bytes while it was read", n)
	}
	if err != nil {
		return "", err
	}
	f.sha256 = hex.EncodeToString(h.Sum(nil))
	return f.sha256, nil
}

// notes are the facts about a converted network that its file carries beside the numbers: where it came from, and how
// its flavour differs from the others.
func (src *source) notes() map[string]string {
	n := map[string]string{
		"source_format":       src.what,
		"source_sha256":       src.sha256,
		"flavor_reason":       src.reason,
		"average_pool_border": "not counted",
		"last_pool":           "average",
		"batch_norm":          fmt.Sprintf("folded in float64, eps %g", bnEps),
	}
	if src.flavor.CountBorder() {
		n["average_pool_border"] = "counted"
	}
	if src.flavor.MaxIn7c() {
		n["last_pool"] = "maximum"
	}
	return n
}
