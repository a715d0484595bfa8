package inception

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/strictjson"
	"github.com/c236555e/rehead/nn"
)

// modelFormat is the "format" of the model.json that this package writes and reads.
const modelFormat = "rehead-model/1"

// The files of a model.
const (
	modelJSONFile = "model.json"
	headFile      = "head.safetensors"
	trunkFile     = "trunk.safetensors"
	selfTestFile  = "selftest.safetensors"
	labelsFile    = "labels.txt"
	metricsFile   = "metrics.json"
	reportFile    = "report.html"
	reportData    = "report.json.gz"

	neighboursFile = "neighbours.safetensors"
	picturesFile   = "pictures.safetensors"
)

// modelFiles lists every file that a model can have beside model.json.
func modelFiles() []string {
	return []string{headFile, trunkFile, selfTestFile, labelsFile, metricsFile, reportFile, reportData,
		neighboursFile, picturesFile}
}

// modelJSON is model.json.
type modelJSON struct {
	Format   string               `json:"format"`
	Digest   string               `json:"digest"` // SHA-256 of this very file with these 64 digits replaced by zeros
	Tool     string               `json:"tool"`
	Labels   []string             `json:"labels"`
	Flavor   Flavor               `json:"flavor"`
	Width    float64              `json:"width"`
	Recipe   picture.Recipe       `json:"recipe"`
	Head     headEntry            `json:"head"`
	Trunk    trunkEntry           `json:"trunk"`
	Seed     uint64               `json:"seed"`
	Split    Split                `json:"split"`
	Training json.RawMessage      `json:"training"`
	Metrics  json.RawMessage      `json:"metrics"`
	Files    map[string]fileEntry `json:"files"` // of every other file
}

type headEntry struct {
	Classes     int     `json:"classes"`
	Features    int     `json:"features"`
	Temperature float64 `json:"temperature"`

	Activation Activation `json:"activation,omitempty"` // "" (models of older versions): Softmax
	Thresholds []float64  `json:"thresholds,omitempty"` // Model.Thresholds
	Unknown    *Unknown   `json:"unknown,omitempty"`
	Views      int        `json:"views,omitempty"` // Model.Views; 0 (models of older versions): the picture alone

	Layers []layerEntry `json:"layers,omitempty"` // Head.Before; none: a linear head
	Reads  *readsEntry  `json:"reads,omitempty"`  // Model.Reads; none: the bottleneck
}

// readsEntry is Model.Reads; which columns it has, the head's file says.
type readsEntry struct {
	Features
	Selected bool `json:"selected,omitempty"` // some columns, not all
}

type trunkEntry struct {
	Digest string `json:"digest"`          // Weights.Digest
	DType  string `json:"dtype,omitempty"` // of trunk.safetensors; empty when it was left out

	Precision nn.Precision `json:"precision,omitempty"` // of the forward pass; empty: float32
	Ranges    nn.Ranges    `json:"ranges,omitempty"`    // of an int8 forward pass
}

// entry is what model.json knows of another file.
type fileEntry struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// seal encodes model.json with its own digest in it.
func (m modelJSON) seal() ([]byte, error) {
	m.Digest = strings.Repeat("0", 64)
	data, err := indented(m)
	if err != nil {
		return nil, err
	}
	at := digestPlace(data)
	if at < 0 {
		return nil, fmt.Errorf("inception: %s has no place for its digest", modelJSONFile)
	}
	sum := sha256.Sum256(data)
	hex.Encode(data[at:at+64], sum[:])
	return data, nil
}

// digestPlace finds the 64 digits of model.json's own digest: its second field, right behind the
// format.
func digestPlace(data []byte) int {
	const key = `"digest": "`
	at := bytes.Index(data, []byte(key))
	if at < 0 || at+len(key)+64 > len(data) {
		return -1
	}
	return at + len(key)
}

// parseModelJSON decodes and checks model.json.
func parseModelJSON(name string, data []byte) (*modelJSON, error) {
	bad := func(format string, args ...any) error {
		return &FormatError{File: name, Offset: -1, Reason: fmt.Sprintf(format, args...)}
	}
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, bad("is damaged (%v): restore the model or train again", err)
	}
	if head.Format != modelFormat {
		return nil, bad("its format is %q, this rehead reads %q: use the rehead that wrote it, or train again", head.Format,
			modelFormat)
	}
	m := new(modelJSON)
	if err := strictjson.Unmarshal(data, m); err != nil {
		return nil, bad("%v: restore the model or train again", err)
	}
	at := digestPlace(data)
	if at < 0 || string(data[at:at+64]) != m.Digest {
		return nil, bad("its digest is not where it was written: restore the model or train again")
	}
	blank := bytes.Clone(data)
	copy(blank[at:], strings.Repeat("0", 64))
	if sum := sha256.Sum256(blank); hex.EncodeToString(sum[:]) != m.Digest {
		return nil, bad("was changed after it was written (SHA-256 %x, want %.16s...): restore the model or train again",
			sum[:8], m.Digest)
	}
	return m, nil
}

// indented encodes v for people: two spaces, and < > & as they are.
func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// object is a JSON object in its shortest form, {} for none.
func object(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return json.RawMessage("{}"), nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
