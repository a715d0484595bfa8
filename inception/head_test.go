package inception

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn"
)

// chain is a head with every kind of layer in it.
func chain(features, classes int) Head {
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, scale float64) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(scale * r.NormFloat64())
		}
		return v
	}
	h := Head{Classes: classes, Features: features, Activation: Sigmoid}
	width := features
	for _, l := range []HeadLayer{{Kind: LayerL2}, {Kind: LayerScale}, {Kind: LayerReLU}, {Kind: LayerDense, Units: 17},
		{Kind: LayerGELU}, {Kind: LayerGELUTanh}, {Kind: LayerTanh}, {Kind: LayerDense, Units: 13}, {Kind: LayerSwish}, {Kind: LayerSELU},
		{Kind: LayerLeakyReLU, Alpha: 0.2}, {Kind: LayerELU, Alpha: 0.7}, {Kind: LayerReLU6}, {Kind: LayerSigmoid},
		{Kind: LayerNorm, Alpha: 1e-3}, {Kind: LayerPReLU}, {Kind: LayerHardSwish}, {Kind: LayerMish}, {Kind: LayerSoftplus},
		{Kind: LayerSoftsign}, {Kind: LayerHardSigmoid, Alpha: 0.3}} {
		switch l.Kind {
		case LayerDense:
			l.W, l.B = draw(l.Units*width, 2/math.Sqrt(float64(width))), draw(l.Units, 0.3)
		case LayerScale:
			l.W, l.B = draw(width, 10), draw(width, 0.5)
		case LayerPReLU:
			l.W = draw(width, 0.5)
		}
		width = l.width(width)
		h.Before = append(h.Before, l)
	}
	h.W, h.B = draw(classes*width, 1), draw(classes, 1)
	return h
}

// TestHeadGradient: the gradient of each logit is that of central differences.
func TestHeadGradient(t *testing.T) {
	h := chain(31, 3)
	if err := h.Validate(); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	x := make([]float32, 31)
	for i := range x {
		x[i] = r.Float32()
	}
	logits := func(i int, by float64) []float64 {
		y := append([]float32(nil), x...)
		y[i] = float32(float64(y[i]) + by)
		out := make([]float64, 3)
		_ = h.Logits(y, out)
		return out
	}
	for k := range 3 {
		g, length := h.gradient(k, x), 0.0
		for _, v := range g {
			length += v * v
		}
		for i := range g {
			const by = 1.0 / 1024
			want := (logits(i, by)[k] - logits(i, -by)[k]) / (2 * by)
			if !(math.Abs(g[i]-want) <= 1e-3*math.Sqrt(length)) {
				t.Errorf("class %d, feature %d: gradient %g, differences say %g", k, i, g[i], want)
			}
		}
	}
}

// TestHeadKept: a model with a chain of layers is read as it was saved, answers with it, and its
// maps, exact or not, add up to the logits.
func TestHeadKept(t *testing.T) {
	m := small(t)
	m.SelfTest, m.Neighbours, m.Thresholds = nil, nil, nil
	m.Head = chain(m.Head.Features, len(m.Labels))
	dir := filepath.Join(t.TempDir(), "m")
	mustSave(t, m, dir, SaveOptions{})
	got := mustOpen(t, dir)
	if !reflect.DeepEqual(got.Head, m.Head) {
		t.Fatalf("read %+v, saved %+v", got.Head, m.Head)
	}
	c, err := NewClassifier(got, nn.Config{Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	x, err := c.Explain(context.Background(), &Input{Data: sketch(t, 0, 1)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range x.Maps {
		sum, n := 0.0, 0
		for _, row := range e.Cells {
			for _, v := range row {
				sum, n = sum+float64(v), n+1
			}
		}
		if !e.Gradient || !(math.Abs(sum/float64(n)+e.Bias-e.Logit) <= 1e-4) {
			t.Errorf("%s: cells and bias make %g, want %g, said to be a gradient", e.Label, sum/float64(n)+e.Bias, e.Logit)
		}
	}
}

// TestHeadRefused changes one thing in a good head each.
func TestHeadRefused(t *testing.T) {
	for want, change := range map[string]func(h *Head){
		"layer 3: got 0 units":     func(h *Head) { h.Before[3].Units = 0 },
		"layer 1: scale has":       func(h *Head) { h.Before[1].B = nil },
		"not finite":               func(h *Head) { h.Before[3].W[0] = float32(math.NaN()) },
		`kind is "maxout"`:         func(h *Head) { h.Before[2].Kind = "maxout" },
		"alpha":                    func(h *Head) { h.Before[2].Alpha = 1 },
		"at most 32":               func(h *Head) { h.Before = make([]HeadLayer, 33) },
		"W has":                    func(h *Head) { h.W = h.W[1:] },
		"got 1 classes, want 2 to": func(h *Head) { h.Classes, h.Activation = 1, Softmax },
	} {
		h := chain(16, 2)
		change(&h)
		if err := h.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}
