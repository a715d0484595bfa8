package inception_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	stddraw "image/draw"
	"image/jpeg"
	"image/png"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	small "github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
)

// narrowModel is a model of random weights with a label for each of three numbers.
func narrowModel(t testing.TB) *inception.Model {
	t.Helper()
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Size: 75, Classes: 3})
	if err != nil {
		t.Fatal(err)
	}
	m, err := inception.ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// narrow is a classifier of it.
func narrow(t testing.TB) *inception.Classifier {
	t.Helper()
	c, err := inception.NewClassifier(narrowModel(t), nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func encode(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestClassifyImages: pictures in memory, more than are decoded at a time, are answered as their files
// are, to the bit, and options do what they say.
func TestClassifyImages(t *testing.T) {
	c, ctx := narrow(t), t.Context()
	var images []image.Image
	var files [][]byte
	for i := range 19 {
		img := draw.Picture(i%3, i, 1)
		images, files = append(images, img), append(files, encode(t, img))
	}
	got, err := c.ClassifyImages(ctx, images, inception.Options{TopK: 2, Explain: 1})
	if err != nil || len(got) != len(images) {
		t.Fatalf("got %d results, %v", len(got), err)
	}
	want, err := c.ClassifyEncoded(ctx, files, inception.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		w := want[i].Predictions
		if r.Err != nil || len(r.Predictions) != 2 || len(w) != 3 || !slices.Equal(r.Predictions, w[:2]) ||
			!slices.Equal(r.Bottleneck, want[i].Bottleneck) {
			t.Errorf("picture %d: got %v %v, want the first two of %v", i, r.Predictions, r.Err, w)
		}
		for _, p := range w {
			if c.Model().Labels[p.Class] != p.Label {
				t.Errorf("picture %d: class %d is %q, want %q", i, p.Class, c.Model().Labels[p.Class], p.Label)
			}
		}
		if r.Explanation == nil || len(r.Explanation.Maps) != 1 || r.Explanation.Maps[0].Label != w[0].Label ||
			want[i].Explanation != nil {
			t.Errorf("picture %d: got the explanation %v", i, r.Explanation)
		}
		if r.Info.Width != images[i].Bounds().Dx() {
			t.Errorf("picture %d: got %+v", i, r.Info)
		}
	}
	if none, err := c.ClassifyImages(ctx, nil, inception.Options{}); err != nil || len(none) != 0 {
		t.Errorf("no pictures: got %v, %v", none, err)
	}
}

// TestClassifyImagesRefuses: what is wrong with one picture is in its result, what is wrong with the
// call is its error.
func TestClassifyImagesRefuses(t *testing.T) {
	c, ctx := narrow(t), t.Context()
	good := draw.Picture(0, 0, 1)
	some, err := c.ClassifyImages(ctx, []image.Image{nil, good, image.NewGray(image.Rect(0, 0, 0, 3)), (*image.RGBA)(nil)},
		inception.Options{Explain: -1, Limits: picture.Limits{MaxPixels: 1 << 20}})
	if err != nil || !strings.Contains(some[0].Err.Error(), "got nil") {
		t.Fatal(err, some[0].Err)
	}
	for i, r := range some {
		if (r.Err == nil) != (i == 1) {
			t.Errorf("picture %d: got %v", i, r.Err)
		}
	}
	if n := len(some[1].Explanation.Maps); n != 3 {
		t.Errorf("got %d maps, want one of each label", n)
	}
	var large *picture.TooLargeError
	some, err = c.ClassifyImages(ctx, []image.Image{good}, inception.Options{Limits: picture.Limits{MaxPixels: 99}})
	if err != nil || !errors.As(some[0].Err, &large) {
		t.Errorf("a large picture: got %v, %v", some, err)
	}
	some, err = c.ClassifyEncoded(ctx, [][]byte{encode(t, good), []byte("text")},
		inception.Options{Limits: picture.Limits{MaxBytes: 9}})
	if err != nil || !errors.As(some[0].Err, &large) || some[1].Err == nil {
		t.Errorf("encoded: got %v, %v", some, err)
	}
	for _, o := range []inception.Options{{TopK: -1}, {Limits: picture.Limits{MaxBytes: -1}},
		{Limits: picture.Limits{MaxPixels: -1}}} {
		if _, err := c.ClassifyImages(ctx, nil, o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.ClassifyImages(ended, []image.Image{good}, inception.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// TestEmbedImages: images and files give the bottlenecks that Embed gives, and Cosine tells them apart.
func TestEmbedImages(t *testing.T) {
	trunk, ctx := narrow(t).Trunk(), t.Context()
	images := make([]image.Image, 9)
	files, pixels := make([][]byte, len(images)), make([]float32, 0, 9*3*75*75)
	for i := range images {
		images[i] = draw.Picture(i%2, i, 1)
		files[i] = encode(t, images[i])
		one := make([]float32, 3*75*75)
		if _, err := trunk.Weights().Recipe.Load(files[i], picture.Limits{}, one); err != nil {
			t.Fatal(err)
		}
		pixels = append(pixels, one...)
	}
	want := make([]float32, len(images)*trunk.Features())
	if err := trunk.Embed(ctx, len(images), pixels, want); err != nil {
		t.Fatal(err)
	}
	got, err := trunk.EmbedImages(ctx, images, inception.EmbedConfig{Batch: 2})
	if err != nil || !slices.Equal(slices.Concat(got...), want) {
		t.Errorf("images: got %d rows, %v", len(got), err)
	}
	if got, err = trunk.EmbedEncoded(ctx, files, inception.EmbedConfig{}); err != nil ||
		!slices.Equal(slices.Concat(got...), want) {
		t.Errorf("files: got %d rows, %v", len(got), err)
	}
	if same, other := inception.Cosine(got[0], got[2]), inception.Cosine(got[0], got[1]); !(same > other) || !(same <= 1) {
		t.Errorf("cosines: got %g of one label, %g of two", same, other)
	}
	if !math.IsNaN(inception.Cosine(got[0], nil)) || !math.IsNaN(inception.Cosine(nil, nil)) {
		t.Error("a cosine of nothing")
	}
	if _, err := trunk.EmbedImages(ctx, []image.Image{images[0], nil}, inception.EmbedConfig{}); err == nil {
		t.Error("a nil image was embedded")
	}
	files[3] = files[3][:40]
	var damaged *picture.DecodeError
	if _, err := trunk.EmbedEncoded(ctx, files, inception.EmbedConfig{}); !errors.As(err, &damaged) {
		t.Errorf("a damaged file: got %v", err)
	}
	var large *picture.TooLargeError
	if _, err := trunk.EmbedImages(ctx, images, inception.EmbedConfig{Limits: picture.Limits{MaxPixels: 9}}); !errors.As(err,
		&large) {
		t.Errorf("large images: got %v", err)
	}
}

// TestImagesAsDecoded: an image that image/jpeg made gives what the file gives; the same drawn onto
// an RGBA does not.
func TestImagesAsDecoded(t *testing.T) {
	w, err := small.Weights()
	if err != nil {
		t.Fatal(err)
	}
	trunk, err := inception.NewTrunk(w, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer trunk.Close()
	var file bytes.Buffer
	if err := jpeg.Encode(&file, draw.Picture(0, 3, 1), &jpeg.Options{Quality: 90}); err != nil { // 4:2:0
		t.Fatal(err)
	}
	decoded, err := jpeg.Decode(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	drawn := image.NewRGBA(decoded.Bounds())
	stddraw.Draw(drawn, drawn.Bounds(), decoded, image.Point{}, stddraw.Src)
	if decoded.ColorModel() != color.YCbCrModel {
		t.Fatalf("got a %T", decoded)
	}
	rows, err := trunk.EmbedImages(t.Context(), []image.Image{decoded, drawn}, inception.EmbedConfig{})
	if err != nil {
		t.Fatal(err)
	}
	fromFile, err := trunk.EmbedEncoded(t.Context(), [][]byte{file.Bytes()}, inception.EmbedConfig{})
	if err != nil {
		t.Fatal(err)
	}
	near, far := 1-inception.Cosine(fromFile[0], rows[0]), 1-inception.Cosine(fromFile[0], rows[1])
	t.Logf("1 - cosine to the file's: %.2g as decoded, %.2g as RGBA", near, far)
	if !(near < 1e-6 && near < far) {
		t.Errorf("as decoded the bottleneck is %g from the file's, want under 1e-6, as RGBA %g", near, far)
	}
}
