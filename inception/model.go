package inception

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception/internal/files"
	"github.com/c236555e/rehead/internal/strictjson"
	"github.com/c236555e/rehead/nn"
)

// Split is how the training pictures were dealt to parts: the fields of dataset.SplitConfig, which
// converts to it and back.
type Split struct {
	Validation float64 `json:"validation"`
	Test       float64 `json:"test"`
	Salt       string  `json:"salt,omitempty"`
	Legacy     bool    `json:"legacy,omitempty"`
	Stratified bool    `json:"stratified,omitempty"`
	Near       int     `json:"near,omitempty"`
	Rule       int     `json:"rule,omitempty"` // 0, as in older models, means 1
}

// Model is a trained classifier: everything that is needed to answer for a picture as it was
// trained to.
type Model struct {
	Labels      []string  // in the order of the head's rows
	Head        Head      //
	Reads       *Features // what the head reads of the trunk; nil means the bottleneck
	Temperature float64   // the logits are divided by it before the activation; 0 means 1
	// of a head of sigmoids: from which probability on a picture is said to have a label, 0..1; nil
	// means 0.5 each
	Thresholds  []float64
	Unknown     *Unknown        // optional: when a picture is of none of the labels
	Distance    *Distance       // with Unknown.Weight: how far pictures are from those of the training
	Views       int             // the answer is the mean over so many of picture.FixedView; 0 or 1: the picture alone
	Recipe      picture.Recipe  // how a picture becomes the trunk's input
	Flavor      Flavor          //
	Width       float64         //
	TrunkDigest string          // Weights.Digest of the trunk that belongs to the head
	BFloat16    bool            // the forward pass computes with nn.BFloat16
	Ranges      nn.Ranges       // of an int8 forward pass; nil means another precision
	Trunk       *Weights        // nil when the model was saved without it: see AttachTrunk
	Seed        uint64          // the seed of the training run
	Split       Split           // how the pictures were split
	Training    json.RawMessage // the settings of the training run, a JSON object; nil means {}
	Metrics     json.RawMessage // what the training run measured, a JSON object; nil means {}
	ToolVersion string          // the rehead that made it
	Name        string          // optional: what people call it
	SelfTest    *SelfTest       // optional: pictures with the answers that are expected of them
	Report      []byte          // optional: report.html
	ReportData  []byte          // optional: what the report is made from, so that it can be made again
	Neighbours  *Neighbours     // optional: training pictures, for explanations
	Pictures    *PictureDigests // optional: which pictures it was made with
}

// SelfTest is a few tiny pictures with the bottlenecks and logits that the model gave for them when
// it was made.
type SelfTest struct {
	Pictures    [][]byte    // encoded, PNG or JPEG
	Bottlenecks [][]float32 // [P][Features]
	Logits      [][]float32 // [P][Classes], before the temperature
}

// Validate checks that labels, head, recipe and trunk are good and belong together.
func (m *Model) Validate() error {
	if err := m.ValidateHead(); err != nil {
		return err
	}
	if err := m.checkViews(); err != nil {
		return err
	}
	if err := checkRecipe(m.Recipe); err != nil {
		return fmt.Errorf("inception: model: %w", err)
	}
	if _, err := ParseFlavor(string(m.Flavor)); err != nil {
		return err
	}
	if err := checkWidth(m.Width); err != nil {
		return err
	}
	if err := m.checkReads(); err != nil {
		return err
	}
	if !files.IsSHA256(m.TrunkDigest) {
		return fmt.Errorf("inception: model: trunk digest %q is not a SHA-256 in lower-case hexadecimal", m.TrunkDigest)
	}
	if m.Ranges != nil && (len(m.Ranges) == 0 || m.BFloat16) {
		return fmt.Errorf("inception: model: got %d ranges in a map that is not nil, BFloat16 %v: want nil unless for int8",
			len(m.Ranges), m.BFloat16)
	}
	if m.Trunk != nil {
		if err := m.belongs(m.Trunk); err != nil {
			return err
		}
	}
	return m.checkRecord()
}

// ValidateHead checks what Answer needs: labels, head, temperature and thresholds.
func (m *Model) ValidateHead() error {
	if m == nil {
		return errors.New("inception: model: got none")
	}
	if err := m.Head.Validate(); err != nil {
		return err
	}
	if err := checkLabels(m.Labels, m.Head.Classes); err != nil {
		return err
	}
	if t := m.Temperature; t != 0 && !(t > 0 && t <= math.MaxFloat32) {
		return fmt.Errorf("inception: model: temperature is %g, want a finite number above 0, or 0 for 1", t)
	}
	if err := m.checkThresholds(); err != nil {
		return err
	}
	return m.Unknown.validate(m)
}

// checkRecord checks what a model keeps of its training.
func (m *Model) checkRecord() error {
	if err := checkObject("training settings", m.Training); err != nil {
		return err
	}
	if err := checkObject("metrics", m.Metrics); err != nil {
		return err
	}
	if m.Neighbours != nil {
		if err := m.Neighbours.validate(m); err != nil {
			return err
		}
	}
	if err := m.Pictures.validate(); err != nil {
		return err
	}
	if m.SelfTest != nil {
		return m.SelfTest.validate(&m.Head)
	}
	return nil
}

// checkReads checks that the head reads what the trunk gives.
func (m *Model) checkReads() error {
	if err := m.Reads.Validate(m.Width); err != nil {
		return fmt.Errorf("inception: model: %w", err)
	}
	if m.Reads.Foreign() && m.Reads.Side != 0 && m.Reads.Side != m.MapSide() {
		return fmt.Errorf("inception: model: the head reads %d pixels a side of the last block, which has %d for pictures "+
			"of %d", m.Reads.Side, m.MapSide(), m.Recipe.Size)
	}
	if f := m.Reads.Length(m.Width); f != m.Head.Features {
		return fmt.Errorf("inception: model: the head reads %d features, but a trunk of width %g gives %d", m.Head.Features,
			m.Width, f)
	}
	return nil
}

// checkObject checks that a part of model.json is a JSON object, or absent.
func checkObject(name string, text json.RawMessage) error {
	if len(text) == 0 {
		return nil
	}
	if err := strictjson.Check(text); err != nil {
		return fmt.Errorf("inception: model: %s: %w", name, err)
	}
	if bytes.TrimLeft(text, " \t\r\n")[0] != '{' {
		return fmt.Errorf("inception: model: %s: want a JSON object", name)
	}
	return nil
}

func (m *Model) checkThresholds() error {
	if m.Thresholds == nil {
		return nil
	}
	if !m.MultiLabel() || len(m.Thresholds) != m.Head.Classes {
		return fmt.Errorf("inception: model: got %d thresholds for %d classes of a %s head, want one a "+
			"class of a sigmoid head", len(m.Thresholds), m.Head.Classes, m.Head.Activation)
	}
	for i, t := range m.Thresholds {
		if !(0 <= t && t <= 1) {
			return fmt.Errorf("inception: model: threshold %d is %g, want 0..1", i, t)
		}
	}
	return nil
}

// checkLabels wants one non-empty line of text for each class, all different.
func checkLabels(labels []string, classes int) error {
	if len(labels) != classes {
		return fmt.Errorf("inception: model: got %d labels for %d classes, want one each", len(labels), classes)
	}
	seen := make(map[string]int, len(labels))
	for i, l := range labels {
		if l == "" || !utf8.ValidString(l) || slices.ContainsFunc([]rune(l), unicode.IsControl) {
			return fmt.Errorf("inception: model: label %d is %q, want text without line breaks or control characters", i, l)
		}
		if first, ok := seen[l]; ok {
			return fmt.Errorf("inception: model: labels %d and %d are both %q, want all different", first, i, l)
		}
		seen[l] = i
	}
	return nil
}

// Precision is what the model's forward pass computes with.
func (m *Model) Precision() nn.Precision { return precision(m.BFloat16, m.Ranges) }

// belongs reports whether w is the trunk that the head was made for.
func (m *Model) belongs(w *Weights) error {
	if w.Precision() != m.Precision() {
		return fmt.Errorf("inception: model: the trunk, which computes with %s, %w, bottlenecks of %s: give the weights as "+
			"they were in training", w.Precision(), ErrOtherTrunk, m.Precision())
	}
	if w.Digest != m.TrunkDigest {
		return fmt.Errorf("inception: model: the trunk (%s, width %g, digest %.12s) %w (%s, width %g, digest %.12s): give "+
			"the same weights as in training", w.Flavor, w.Width, w.Digest, ErrOtherTrunk, m.Flavor, m.Width, m.TrunkDigest)
	}
	if w.Flavor != m.Flavor || w.Width != m.Width {
		return fmt.Errorf("inception: model: the model says flavour %s and width %g, its trunk %s and %g: train it again",
			m.Flavor, m.Width, w.Flavor, w.Width)
	}
	return nil
}

// AttachTrunk gives a model that was saved without its trunk the weights that belong to it; others
// are [ErrOtherTrunk].
func (m *Model) AttachTrunk(w *Weights) error {
	if m == nil || w == nil {
		return errors.New("inception: model: attach trunk: got no model or no weights")
	}
	w, err := m.inPrecision(w)
	if err != nil {
		return err
	}
	if err := m.belongs(w); err != nil {
		return err
	}
	m.Trunk = w.TrunkOnly().WithRecipe(m.Recipe)
	return nil
}

// inPrecision returns w, as a weight file has it, in the model's precision.
func (m *Model) inPrecision(w *Weights) (*Weights, error) {
	if w.Precision() != nn.Float32 {
		return w, nil
	}
	return w.withPrecision(m.BFloat16, m.Ranges)
}

// NewModel makes a model of a trunk and a head that was trained on its bottlenecks, those of
// NewTrunk(w, ...), with the labels of the head's rows in their order. All else is as in the zero Model:
// set what more is known, such as Temperature, and call [RecordSelfTest] before it is saved. The model
// shares w and the slices. A head that reads other features than the bottleneck belongs into a Model of
// its own, with Reads.
func NewModel(w *Weights, labels []string, head Head) (*Model, error) {
	if w == nil {
		return nil, errors.New("inception: model: got no weights")
	}
	m := modelOn(w, labels)
	m.Head = head
	return m, m.Validate()
}

// modelOn is a model without a head, on the trunk of w.
func modelOn(w *Weights, labels []string) *Model {
	return &Model{Labels: labels, Recipe: w.Recipe, Flavor: w.Flavor, Width: w.Width, TrunkDigest: w.Digest,
		BFloat16: w.BFloat16, Ranges: w.Ranges, Trunk: w.TrunkOnly()}
}

// ModelFromWeights makes a model of weights that have a classifier or a head, as the published networks
// have that of ImageNet; others are [ErrNoClassifier]. Without labels of their own its classes are
// called by their numbers.
func ModelFromWeights(w *Weights) (*Model, error) {
	if w == nil || w.Classes == 0 && w.Head == nil {
		return nil, fmt.Errorf("inception: %w: train a head on them with `rehead train DIR --weights FILE`", ErrNoClassifier)
	}
	m := modelOn(w, w.Labels)
	if w.Head != nil {
		m.Head, m.Reads = *w.Head, w.Reads
	} else {
		m.Head = Head{Classes: w.Classes, Features: w.Features(), W: w.Tensors["fc.weight"].Data,
			B: w.Tensors["fc.bias"].Data}
	}
	if err := m.Head.Validate(); err != nil {
		return nil, err
	}
	if m.Labels == nil {
		for i := range m.Head.Classes {
			m.Labels = append(m.Labels, strconv.Itoa(i))
		}
	}
	return m, m.Validate()
}
