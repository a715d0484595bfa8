package inception_test

import (
	"errors"
	"image"
	"path/filepath"
	"slices"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
)

// TestErrorsTell: what a caller may branch on is found by errors.Is through every layer.
func TestErrorsTell(t *testing.T) {
	ctx, img := t.Context(), draw.Picture(0, 0, 1)
	c := narrow(t)
	m := narrowModel(t)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	data := encode(t, img)
	_, classified := c.Classify(ctx, &inception.Input{Data: data})
	_, explained := c.Explain(ctx, &inception.Input{Data: data}, 1)
	_, images := c.ClassifyImages(ctx, []image.Image{img}, inception.Options{})
	_, embedded := c.Trunk().EmbedImages(ctx, []image.Image{img}, inception.EmbedConfig{})
	for name, err := range map[string]error{
		"classify": classified, "explain": explained, "images": images, "embed": embedded, "check": c.Check(ctx),
		"all": c.ClassifyAll(ctx, 1, func(int) ([]byte, error) { return data, nil },
			func(int, inception.Result) error { return nil }, inception.EmbedConfig{}),
		"pixels": c.Trunk().Embed(ctx, 1, make([]float32, 3*75*75), make([]float32, c.Trunk().Features())),
	} {
		if !errors.Is(err, nn.ErrClosed) {
			t.Errorf("%s of a closed classifier: got %v, want nn.ErrClosed", name, err)
		}
	}
	for _, cfg := range []nn.Config{{Device: "abacus"}, {Device: "cpu", Kernel: "abacus"}} {
		if _, err := inception.NewClassifier(m, cfg); !errors.Is(err, nn.ErrDevice) {
			t.Errorf("%+v: got %v, want nn.ErrDevice", cfg, err)
		}
	}

	bare := *m
	dir := filepath.Join(t.TempDir(), "m")
	if err := bare.Save(dir, inception.SaveOptions{NoTrunk: true}); err != nil {
		t.Fatal(err)
	}
	opened, err := inception.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inception.NewClassifier(opened, nn.Config{}); !errors.Is(err, inception.ErrNoTrunk) {
		t.Errorf("no trunk: got %v", err)
	}
	other, err := inception.Random(inception.RandomConfig{Width: 0.1, Size: 75, Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.AttachTrunk(other); !errors.Is(err, inception.ErrOtherTrunk) {
		t.Errorf("another trunk: got %v", err)
	}
	if _, err := inception.ModelFromWeights(other); !errors.Is(err, inception.ErrNoClassifier) {
		t.Errorf("no classifier: got %v", err)
	}

	wrong := *m
	if err := inception.RecordSelfTest(ctx, &wrong, nn.Config{}); err != nil {
		t.Fatal(err)
	}
	wrong.Head.B = []float32{9, 9, -9}
	checked, err := inception.NewClassifier(&wrong, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer checked.Close()
	if err := checked.Check(ctx); !errors.Is(err, inception.ErrSelfTest) {
		t.Errorf("another head: got %v", err)
	}
	results, err := checked.ClassifyEncoded(ctx, [][]byte{[]byte("%PDF-1.4 "), data}, inception.Options{})
	if err != nil || !errors.Is(results[0].Err, picture.ErrUnsupported) || results[1].Err != nil {
		t.Errorf("a PDF: got %v, %v", results, err)
	}
}

// TestNewModel: a trunk, labels and a head make a model that answers as its parts do; others are refused.
func TestNewModel(t *testing.T) {
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Size: 75})
	if err != nil {
		t.Fatal(err)
	}
	f := w.Features()
	head := inception.Head{Classes: 2, Features: f, W: make([]float32, 2*f), B: []float32{0, 1}}
	for i := range head.W {
		head.W[i] = float32(i%7) / 7
	}
	m, err := inception.NewModel(w, []string{"a", "b"}, head)
	if err != nil {
		t.Fatal(err)
	}
	c, err := inception.NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.ClassifyImages(t.Context(), []image.Image{draw.Picture(0, 0, 1)}, inception.Options{})
	if err != nil || got[0].Err != nil {
		t.Fatal(err, got[0].Err)
	}
	if again := m.Answer(got[0].Bottleneck); !slices.Equal(again.Predictions, got[0].Predictions) {
		t.Errorf("got %v from the bottleneck, want %v", again.Predictions, got[0].Predictions)
	}
	if r := m.Answer(nil); r.Err == nil {
		t.Error("no features were answered for")
	}
	if r := (*inception.Model)(nil).Answer(nil); r.Err == nil {
		t.Error("no model answers")
	}
	short := head
	short.Features, short.W = 3, head.W[:6]
	for name, make := range map[string]func() (*inception.Model, error){
		"weights":  func() (*inception.Model, error) { return inception.NewModel(nil, []string{"a", "b"}, head) },
		"labels":   func() (*inception.Model, error) { return inception.NewModel(w, []string{"a"}, head) },
		"features": func() (*inception.Model, error) { return inception.NewModel(w, []string{"a", "b"}, short) },
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
