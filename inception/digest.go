package inception

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/nn"
)

// Digest is the SHA-256, in hexadecimal, of all that decides what the model answers: its labels,
// head, temperature, thresholds, recipe and trunk. How it was trained, measured and saved does not
// count. A model that cannot be used is an error of Validate's.
func (m *Model) Digest() (string, error) {
	if err := m.Validate(); err != nil {
		return "", err
	}
	sum := sha256.New()
	err := json.NewEncoder(sum).Encode(struct {
		Labels      []string
		Temperature float64
		Thresholds  []float64
		Unknown     *Unknown
		Activation  Activation
		Layers      []layerEntry
		Recipe      picture.Recipe
		Trunk       string
		Ranges      nn.Ranges
		Reads       *Features
		Views       int `json:",omitempty"`
	}{m.Labels, m.Temperature, m.Thresholds, m.Unknown, m.Head.Activation, m.Head.entries(), m.Recipe, m.TrunkDigest,
		m.Ranges, m.Reads, m.Views})
	if err == nil {
		err = m.encodeHead(sum)
	}
	if err == nil && m.Distance != nil {
		err = m.Distance.encode(sum)
	}
	if err != nil {
		return "", fmt.Errorf("inception: model: digest: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
