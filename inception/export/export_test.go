package export_test

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/inception/export"
	"github.com/c236555e/rehead/nn"
)

const side = inception.MinSize

// noise is a scaled picture of noise.
func noise(size int) *inception.Input {
	rng := rand.New(rand.NewPCG(4, 5))
	in := &inception.Input{Pixels: make([]float32, 3*size*size)}
	for i := range in.Pixels {
		in.Pixels[i] = 2*rng.Float32() - 1
	}
	return in
}

// answers are a model's probabilities by label.
func answers(t *testing.T, m *inception.Model) map[string]float64 {
	t.Helper()
	c, err := inception.NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Classify(t.Context(), noise(m.Recipe.Size))
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]float64{}
	for _, p := range got[0].Predictions {
		by[p.Label] = p.Probability
	}
	return by
}

// foreign is a model that reads the last block's maxima, with the means or without, or all of its 2x2 pixels.
func foreign(t *testing.T, flavor inception.Flavor, head string) *inception.Model {
	const size = 107
	m := model(t, flavor, size)
	m.Reads = inception.LastMaximum()
	switch head {
	case "cells":
		m.Reads = inception.LastCells(size)
	case "both":
		m.Reads = inception.LastMeanMaximum()
	}
	rng := rand.New(rand.NewPCG(2, 9))
	m.Head.Features = m.Reads.Length(m.Width)
	m.Head.W = make([]float32, m.Head.Classes*m.Head.Features)
	for i := range m.Head.W {
		m.Head.W[i] = 0.1 * (rng.Float32() - 0.5)
	}
	return m
}

// deep is a head with every layer that all formats hold.
func deep(m *inception.Model) {
	rng, f := rand.New(rand.NewPCG(1, 9)), m.Head.Features
	some := func(n int, scale float32) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = scale * (rng.Float32() - 0.5)
		}
		return v
	}
	m.Head.Before = []inception.HeadLayer{
		{Kind: inception.LayerL2}, {Kind: inception.LayerScale, W: some(f, 2), B: some(f, 1)},
		{Kind: inception.LayerTanh},
		{Kind: inception.LayerDense, Units: 7, W: some(7*f, 1), B: some(7, 1)}, {Kind: inception.LayerReLU},
		{Kind: inception.LayerDense, Units: 6, W: some(42, 1), B: some(6, 1)},
		{Kind: inception.LayerLeakyReLU, Alpha: 0.25}, {Kind: inception.LayerELU, Alpha: 1},
		{Kind: inception.LayerSwish}, {Kind: inception.LayerReLU6}, {Kind: inception.LayerSigmoid},
		{Kind: inception.LayerDense, Units: 5, W: some(30, 3), B: some(5, 1)}, {Kind: inception.LayerGELU},
	}
	m.Head.W = some(15, 3)
}

// bent is a head with the other layers, a layer norm where the format has one.
func bent(m *inception.Model, format export.Format) {
	deep(m)
	l := m.Head.Before
	slopes := []float32{0.1, 0.25, 0.3, -0.2, 0, 0.5, 0.7}
	l = append(l[1:4], inception.HeadLayer{Kind: inception.LayerPReLU, W: slopes}, inception.HeadLayer{Kind: inception.LayerHardSwish},
		l[5], inception.HeadLayer{Kind: inception.LayerSoftplus}, inception.HeadLayer{Kind: inception.LayerHardSigmoid, Alpha: 0.25},
		l[11], inception.HeadLayer{Kind: inception.LayerMish}, inception.HeadLayer{Kind: inception.LayerSoftsign})
	if format != export.FormatTFLite {
		l = slices.Insert(l, 3, inception.HeadLayer{Kind: inception.LayerNorm, Alpha: 1e-3})
	}
	m.Head.Before = l
}

// TestTanhGELU: what Keras has no layer for comes back from the other formats, and is refused there.
func TestTanhGELU(t *testing.T) {
	for _, format := range []export.Format{export.FormatONNX, export.FormatTFLite, export.FormatKeras} {
		m := model(t, inception.Keras, side)
		m.Head.Before = []inception.HeadLayer{{Kind: inception.LayerGELUTanh}}
		path := filepath.Join(t.TempDir(), "m")
		err := export.WriteFile(m, path, export.Config{Format: format})
		if format == export.FormatKeras {
			if err == nil || !strings.Contains(err.Error(), "--trunk-only") {
				t.Errorf("%s: got error %v, want the way out", format, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		back, err := convert.OpenModel(path, convert.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(back.Head.Before) != 1 || back.Head.Before[0].Kind != inception.LayerGELUTanh {
			t.Errorf("%s: got layers %+v, want GELU by a tanh", format, back.Head.Before)
		}
	}
}

// TestRoundTrip reads back what was written, for each structure: the same weights, recipe and labels,
// and the same answers, whatever the head.
func TestRoundTrip(t *testing.T) {
	for _, format := range []export.Format{export.FormatONNX, export.FormatKeras, export.FormatTFLite} {
		for _, flavor := range []inception.Flavor{inception.TF2015, inception.Keras, inception.Torchvision} {
			for _, head := range []string{"dense", "deep", "bent", "sigmoid", "maximum", "both", "cells"} {
				if head == "dense" || flavor == inception.Keras { // a head is the same for every structure
					t.Run(string(format)+"/"+string(flavor)+"/"+head, func(t *testing.T) { roundTrip(t, format, flavor, head) })
				}
			}
		}
	}
}

func roundTrip(t *testing.T, format export.Format, flavor inception.Flavor, head string) {
	m := model(t, flavor, side)
	switch head {
	case "maximum", "both", "cells":
		m = foreign(t, flavor, head)
	case "deep":
		deep(m)
	case "bent":
		bent(m, format)
	case "sigmoid":
		m.Head.Activation = inception.Sigmoid
	}
	m.Recipe.Mean, m.Recipe.Std = [3]float32{123.675, 116.28, 103.53}, [3]float32{58.395, 57.12, 57.375}
	path := filepath.Join(t.TempDir(), "m")
	if err := export.WriteFile(m, path, export.Config{Format: format}); err != nil {
		t.Fatal(err)
	}
	back, err := convert.OpenModel(path, convert.Options{Flavor: flavor})
	if err != nil {
		t.Fatal(err)
	}
	if back.TrunkDigest != m.TrunkDigest || back.Recipe != m.Recipe || !slices.Equal(back.Labels, m.Labels) {
		t.Errorf("got trunk %.12s, recipe %+v, labels %q, want %.12s, %+v, %q", back.TrunkDigest, back.Recipe, back.Labels,
			m.TrunkDigest, m.Recipe, m.Labels)
	}
	want, got := answers(t, m), answers(t, back)
	for label, p := range want {
		if d := got[label] - p; !(d < 1e-5 && d > -1e-5) { // float32 in another order, at the head alone
			t.Errorf("%s: probability %g, want %g", label, got[label], p)
		}
	}
	if !back.Reads.Equal(m.Reads) {
		t.Errorf("the head reads %v, want %v", back.Reads, m.Reads)
	}
	if detected, err := convert.Load(path, convert.Options{}); err != nil {
		t.Error(err)
	} else if f := detected.Flavor; f.CountBorder() != flavor.CountBorder() || f.MaxIn7c() != flavor.MaxIn7c() {
		t.Errorf("told as %s, want a network like %s", f, flavor)
	}
}

// TestNames: weights by another library's names come back as they were, with the head that fits, and
// what does not fit is refused with the way out.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		names  export.Names
		flavor inception.Flavor
		key    string
	}{{export.NamesTorchvision, inception.Torchvision, `"Mixed_7c.branch_pool.bn.running_var"`},
		{export.NamesKeras, inception.Keras, `"batch_normalization_93/moving_variance"`}} {
		t.Run(string(c.names), func(t *testing.T) {
			m := model(t, c.flavor, side)
			config := export.Config{Format: export.FormatSafetensors, Names: c.names}
			var b bytes.Buffer
			if err := export.Write(m, &b, config); err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(b.Bytes(), []byte(c.key)) {
				t.Errorf("the file has no %s", c.key)
			}
			path := filepath.Join(t.TempDir(), "m.safetensors")
			if err := export.WriteFile(m, path, config); err != nil {
				t.Fatal(err)
			}
			back, err := convert.OpenModel(path, convert.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if back.TrunkDigest != m.TrunkDigest || back.Recipe != m.Recipe || !slices.Equal(back.Labels, m.Labels) {
				t.Errorf("got trunk %.12s, %+v, %q, want %.12s, %+v, %q", back.TrunkDigest, back.Recipe, back.Labels,
					m.TrunkDigest, m.Recipe, m.Labels)
			}
			deep(m)
			if err := export.Write(m, &b, config); err == nil || !strings.Contains(err.Error(), "--trunk-only") {
				t.Errorf("a deep head: got error %v, want the way out", err)
			}
			config.TrunkOnly = true
			if err := export.Write(m, &b, config); err != nil {
				t.Errorf("without its deep head: %v", err)
			}
			for _, f := range inception.Flavors() {
				fits := f.CountBorder() == c.flavor.CountBorder() && !f.MaxIn7c()
				if err := export.Write(model(t, f, side), &b, config); (err == nil) != fits {
					t.Errorf("%s: got error %v, want one: %v", f, err, !fits)
				}
			}
		})
	}
}

// TestTrunkOnly: without its head a file gives bottlenecks.
func TestTrunkOnly(t *testing.T) {
	for _, format := range []export.Format{export.FormatONNX, export.FormatKeras, export.FormatTFLite} {
		m := model(t, inception.Keras, side)
		path := filepath.Join(t.TempDir(), "m")
		if err := export.WriteFile(m, path, export.Config{Format: format, TrunkOnly: true}); err != nil {
			t.Fatal(err)
		}
		w, err := convert.Load(path, convert.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if w.Digest != m.TrunkDigest || w.Classes != 0 || w.Recipe != m.Recipe {
			t.Errorf("%s: got trunk %.12s with %d classes and %+v, want %.12s with none and %+v", format, w.Digest, w.Classes,
				w.Recipe, m.TrunkDigest, m.Recipe)
		}
	}
}

// TestConfig: what no file can be is refused by the field's name.
func TestConfig(t *testing.T) {
	for _, c := range []export.Config{{}, {Format: "h5"}, {Format: export.FormatSafetensors},
		{Format: export.FormatSafetensors, Names: "timm"}, {Format: export.FormatONNX, Names: export.NamesKeras}} {
		if err := export.Write(model(t, inception.Keras, side), &bytes.Buffer{}, c); err == nil ||
			!strings.Contains(err.Error(), "Names") && !strings.Contains(err.Error(), "Format") {
			t.Errorf("%+v: got error %v, want one that names the field", c, err)
		}
	}
	m := model(t, inception.Keras, side)
	m.Trunk = nil
	if err := export.Write(m, &bytes.Buffer{}, export.Config{Format: export.FormatKeras}); err == nil {
		t.Error("a model without its trunk was written")
	}
}
