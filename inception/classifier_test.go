package inception

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/nn"
)

func TestRank(t *testing.T) {
	m := &Model{Labels: []string{"a", "b", "c", "d"}, Temperature: 2}
	logits := []float64{1, 3, 1, 3}
	got := m.rank(logits)
	x := math.Exp(-1.0) // of a logit two below the top, at temperature 2
	high, low := 1/(2+2*x), x/(2+2*x)
	want := []Prediction{{"b", high, 1}, {"d", high, 3}, {"a", low, 0}, {"c", low, 2}}
	for i := range want {
		if got[i].Label != want[i].Label || got[i].Class != want[i].Class ||
			!(math.Abs(got[i].Probability-want[i].Probability) <= 1e-15) {
			t.Errorf("place %d: got %v, want %v", i, got[i], want[i])
		}
	}
	if logits[0] != 1 {
		t.Error("Rank changed its argument")
	}
	for _, z := range []float64{1e4, -1e4, 1e300} { // far beyond what exp can hold
		sum := 0.0
		for _, p := range m.rank([]float64{z, z - 1, z, 0}) {
			if !(p.Probability >= 0 && p.Probability <= 1) {
				t.Errorf("logits around %g: got %v", z, p)
			}
			sum += p.Probability
		}
		if !(math.Abs(sum-1) <= 1e-12) {
			t.Errorf("logits around %g: probabilities add up to %v", z, sum)
		}
	}
}

func TestHeadLogits(t *testing.T) {
	for _, f := range []int{1, 3, 4, 7, 96} {
		h := Head{Classes: 3, Features: f, W: make([]float32, 3*f), B: []float32{1, -2, 0.5}}
		x := make([]float32, f)
		want := []float64{1, -2, 0.5}
		for i := range x {
			x[i] = float32(i%5) - 1.5
			for k := range 3 {
				h.W[k*f+i] = float32(k+1) * float32(i%7) / 4
				want[k] += float64(h.W[k*f+i]) * float64(x[i])
			}
		}
		got := make([]float64, 3)
		_ = h.Logits(x, got)
		for k := range got {
			if !(math.Abs(got[k]-want[k]) <= 1e-9) {
				t.Errorf("%d features, class %d: got %v, want %v", f, k, got[k], want[k])
			}
		}
	}
}

// TestClassify: one call with several pictures, some of them bad, answers as separate calls do, to
// the last bit.
func TestClassify(t *testing.T) {
	m := small(t)
	c, err := NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	images := [][]byte{[]byte("no picture"), sketch(t, 0, 1), nil, sketch(t, 1, 1), sketch(t, 2, 1), {0xff, 0xd8, 0xff}}
	all, err := c.Classify(ctx, encodedInputs(images)...)
	if err != nil {
		t.Fatal(err)
	}
	for i, data := range images {
		one, err := c.Classify(ctx, &Input{Data: data})
		if err != nil {
			t.Fatal(err)
		}
		if (one[0].Err == nil) != (all[i].Err == nil) || !reflect.DeepEqual(one[0].Predictions, all[i].Predictions) ||
			!reflect.DeepEqual(one[0].Bottleneck, all[i].Bottleneck) {
			t.Errorf("image %d: alone %+v, with others %+v", i, one[0], all[i])
		}
		if wrong := i%2 == 0 && i != 4 || i == 5; wrong != (all[i].Err != nil) {
			t.Errorf("image %d: got error %v", i, all[i].Err)
		}
	}
	next := 0
	err = c.ClassifyAll(ctx, len(images), func(i int) ([]byte, error) { return images[i], nil },
		func(i int, r Result) error {
			if i != next || fmt.Sprint(r.Err) != fmt.Sprint(all[i].Err) || !slices.Equal(r.Bottleneck, all[i].Bottleneck) ||
				!reflect.DeepEqual(r.Predictions, all[i].Predictions) {
				t.Errorf("among many: got picture %d, want %d: %+v, want %+v", i, next, r, all[next])
			}
			next++
			return nil
		}, EmbedConfig{Batch: 2})
	if err != nil || next != len(images) {
		t.Errorf("many: %v after %d pictures", err, next)
	}
	sum := 0.0
	for i, p := range all[1].Predictions {
		sum += p.Probability
		if i > 0 && p.Probability > all[1].Predictions[i-1].Probability {
			t.Error("predictions are not ranked")
		}
	}
	if len(all[1].Predictions) != 3 || !(math.Abs(sum-1) <= 1e-12) || all[1].Info.Format != "png" {
		t.Errorf("got %+v", all[1])
	}
	big, err := c.Classify(ctx, &Input{Data: images[1], Limits: picture.Limits{MaxPixels: 100}})
	if err != nil || !errors.As(big[0].Err, new(*picture.TooLargeError)) {
		t.Errorf("a picture above the limit: %v, %v", big, err)
	}
	if none, err := c.Classify(ctx); err != nil || len(none) != 0 {
		t.Errorf("no picture: %v, %v", none, err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Classify(ended, encodedInputs(images)...); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// TestCheck: a self-test notices another recipe, another pool and another head.
func TestCheck(t *testing.T) {
	m := small(t)
	check := func(m *Model, kernel string) error {
		c, err := NewClassifier(m, nn.Config{Kernel: kernel, Device: "cpu"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.Check(context.Background())
	}
	if err := check(m, "ref"); err != nil {
		t.Fatal(err)
	}
	recipe, head, pool := *m, *m, *m
	recipe.Recipe.Filter = "nearest"
	head.Head.B = []float32{0, 5, 0}
	w := *m.Trunk
	w.Flavor = TFSlim
	pool.Trunk, pool.Flavor = &w, TFSlim
	for name, wrong := range map[string]*Model{"recipe": &recipe, "head": &head, "pool": &pool} {
		if err := check(wrong, ""); err == nil || !strings.Contains(err.Error(), "self-test") {
			t.Errorf("another %s: got %v", name, err)
		}
	}
	none := *m
	none.SelfTest = nil
	if err := check(&none, ""); err != nil {
		t.Error(err)
	}
}

// overflowing classifies with a network whose numbers run over.
func overflowing(t *testing.T) *Classifier {
	t.Helper()
	w := tiny(t, Keras)
	tensors := map[string]Tensor{}
	for name, x := range w.Tensors {
		data := make([]float32, len(x.Data))
		for i := range data {
			data[i] = 1e30
		}
		tensors[name] = Tensor{x.Shape, data}
	}
	huge, err := NewWeights(Keras, 0.02, "", tensors)
	if err != nil {
		t.Fatal(err)
	}
	huge.Recipe = w.Recipe
	m, err := ModelFromWeights(huge)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestNotFinite: a network that overflows is an error of the picture, not a NaN among the
// probabilities.
func TestNotFinite(t *testing.T) {
	c := overflowing(t)
	got, err := c.Classify(context.Background(), &Input{Data: sketch(t, 0, 0)})
	if err != nil || got[0].Err == nil || got[0].Predictions != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}
