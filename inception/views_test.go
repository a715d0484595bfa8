package inception

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/nn"
)

// TestViews: a model that wants several views answers with the mean of what it says of each, one
// picture at a time, many and with maps, and keeps that on disk. Its bottleneck is the picture's own.
func TestViews(t *testing.T) {
	for name, activation := range map[string]Activation{"softmax": Softmax, "sigmoid": Sigmoid} {
		t.Run(name, func(t *testing.T) {
			m := reading(t, Mean, Quarters)
			m.Head.Activation, m.Temperature = activation, 1.7
			if activation == Softmax {
				m.Unknown = &Unknown{Threshold: 0.1, FalseReject: 0.05}
			}
			data, px := sketch(t, 1, 4), make([]float32, 3*m.Recipe.Size*m.Recipe.Size)
			one := classifierOf(t, m)
			want, score := make([]float64, 3), 0.0
			const views = 5
			for k := range views {
				if err := m.Recipe.LoadView(data, picture.Limits{}, k, px); err != nil {
					t.Fatal(err)
				}
				r, err := one.Classify(t.Context(), &Input{Pixels: slices.Clone(px)})
				if err != nil || r[0].Err != nil {
					t.Fatal(err, r[0].Err)
				}
				for _, p := range r[0].Predictions {
					want[slices.Index(m.Labels, p.Label)] += p.Probability / views
				}
				z := make([]float64, 3)
				if err := m.Head.Logits(r[0].Bottleneck, z); err != nil {
					t.Fatal(err)
				}
				score += UnknownScore(z) / views
			}
			m.Views = views
			dir := filepath.Join(t.TempDir(), "m")
			mustSave(t, m, dir, SaveOptions{})
			several := classifierOf(t, mustOpen(t, dir))
			got, err := several.Classify(t.Context(), &Input{Data: data}, &Input{Data: data})
			if err != nil {
				t.Fatal(err)
			}
			alone, err := one.Classify(t.Context(), &Input{Data: data})
			if err != nil || !slices.Equal(got[0].Bottleneck, alone[0].Bottleneck) {
				t.Error("the bottleneck is not the picture's own", err)
			}
			if !(numeric.Distance(probabilities(m, got[0]), narrowed(want)) <= 1e-6) {
				t.Errorf("got %v, want %v", got[0].Predictions, want)
			}
			if u := got[0].Unknown; m.Unknown != nil && *u != !(score >= m.Unknown.Threshold) {
				t.Errorf("unknown is %v with a score of %v", *u, score)
			}
			x, err := several.Explain(t.Context(), &Input{Data: data}, 0)
			if err != nil || !slices.Equal(x.Predictions, got[0].Predictions) {
				t.Errorf("explained: got %v, %v, want %v", x.Predictions, err, got[0].Predictions)
			}
			bad := 0
			err = several.ClassifyAll(t.Context(), 3, func(i int) ([]byte, error) { return [][]byte{data, data[:9], data}[i], nil },
				func(i int, r Result) error {
					if i == 1 {
						bad++
						return nil
					}
					if !(numeric.Distance(probabilities(m, r), probabilities(m, got[0])) <= 1e-6) {
						t.Errorf("picture %d of all: got %v", i, r.Predictions)
					}
					return r.Err
				}, EmbedConfig{})
			if err != nil || bad != 1 {
				t.Error(err, bad)
			}
		})
	}
	m := small(t)
	m.Views = picture.MaxViews + 1
	if err := m.Validate(); err == nil || !strings.Contains(err.Error(), "views") {
		t.Errorf("got %v", err)
	}
}

func classifierOf(t *testing.T, m *Model) *Classifier {
	t.Helper()
	c, err := NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func probabilities(m *Model, r Result) []float32 {
	p := make([]float32, len(m.Labels))
	for _, l := range r.Predictions {
		p[slices.Index(m.Labels, l.Label)] = float32(l.Probability)
	}
	return p
}

func narrowed(v []float64) []float32 {
	out := make([]float32, len(v))
	for i := range v {
		out[i] = float32(v[i])
	}
	return out
}

// TestCombineViewsExtremes: views that are sure of different labels leave finite logits.
func TestCombineViewsExtremes(t *testing.T) {
	m := small(t)
	for _, activation := range []Activation{Softmax, Sigmoid} {
		m.Head.Activation = activation
		mean, err := m.CombineViews([]float64{900, -900, 0, 900, -900, 0})
		if err != nil {
			t.Fatal(err)
		}
		for _, z := range mean {
			if math.IsNaN(z) || math.IsInf(z, 0) {
				t.Errorf("%s: got %v", activation, z)
			}
		}
	}
}
