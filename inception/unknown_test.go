package inception_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

func TestUnknown(t *testing.T) {
	for _, c := range []struct {
		logits []float64
		want   float64
	}{{[]float64{0, 0}, math.Ln2}, {[]float64{1000, 1000, -1000}, 1000 + math.Ln2}, {[]float64{-1e6, -2e6}, -1e6},
		{[]float64{math.NaN(), 1}, math.NaN()}} {
		if got := inception.UnknownScore(c.logits); !(math.Abs(got-c.want) <= 1e-12*math.Abs(c.want)) &&
			!(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("%v: got %g, want %g", c.logits, got, c.want)
		}
	}
	w, err := inception.Random(inception.RandomConfig{Width: 0.125, Size: 75, Seed: 3, Classes: 3})
	if err != nil {
		t.Fatal(err)
	}
	m, err := inception.ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 80, 80))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		line *inception.Unknown
		want string
	}{
		{"none", nil, "nothing"}, {"low", &inception.Unknown{Threshold: -1e9, FalseReject: 0.05}, "known"},
		{"high", &inception.Unknown{Threshold: 1e9, FalseReject: 0.05}, "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m.Unknown = c.line
			dir := filepath.Join(t.TempDir(), "model")
			if err := m.Save(dir, inception.SaveOptions{}); err != nil {
				t.Fatal(err)
			}
			back, err := inception.OpenModel(dir)
			if err != nil {
				t.Fatal(err)
			}
			k, err := inception.NewClassifier(back, nn.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			results, err := k.Classify(context.Background(), &inception.Input{Data: b.Bytes()})
			if err != nil || results[0].Err != nil {
				t.Fatal(err, results[0].Err)
			}
			x, err := k.Explain(context.Background(), &inception.Input{Data: b.Bytes()}, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []*bool{results[0].Unknown, x.Unknown} {
				said := "nothing"
				if got != nil {
					said = map[bool]string{true: "unknown", false: "known"}[*got]
				}
				if said != c.want {
					t.Errorf("got %s, want %s", said, c.want)
				}
			}
		})
	}
	for _, bad := range []*inception.Unknown{{Threshold: math.NaN(), FalseReject: 0.1}, {FalseReject: 0},
		{FalseReject: 1}} {
		m.Unknown = bad
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), "unknown") {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
}
