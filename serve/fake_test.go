package serve

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset/picture"

	"github.com/c236555e/rehead/inception"
)

// fake is a Classifier without a network: a picture's label is its strongest channel. Decoding, and
// its errors, are the real ones.
type fake struct {
	block   chan struct{} // when set, a forward pass waits for it to close, or for its context
	started chan int      // when set, receives the size of each forward pass
	fault   error         // when set, what a forward pass answers
	unfit   error         // when set, what the self-test answers
	slow    time.Duration // how long a forward pass takes
	calls   atomic.Int64
	closes  atomic.Int64
}

var fakeLabels = []string{"red", "green", "blue"}

const fakeSize = 7

func (f *fake) Model() *inception.Model {
	return &inception.Model{
		Labels: fakeLabels,
		Head:   inception.Head{Classes: 3, Features: 3, W: make([]float32, 9), B: make([]float32, 3)},
		Recipe: picture.Recipe{Size: fakeSize, Orient: true, Geometry: picture.Squash, Filter: picture.Bilinear,
			Std: [3]float32{1, 1, 1}},
	}
}

func (f *fake) Close() error                { f.closes.Add(1); return nil }
func (f *fake) Check(context.Context) error { return f.unfit }

func (f *fake) Classify(ctx context.Context, inputs ...*inception.Input) ([]inception.Result, error) {
	f.calls.Add(1)
	if f.started != nil {
		f.started <- len(inputs)
	}
	if f.block != nil {
		select {
		case <-f.block:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	time.Sleep(f.slow)
	if f.fault != nil {
		return nil, f.fault
	}
	results := make([]inception.Result, len(inputs))
	for i, in := range inputs {
		results[i] = fakeResult(in.Pixels)
	}
	return results, nil
}

// fakeResult depends on every pixel, so that mixed-up tensors show.
func fakeResult(pixels []float32) inception.Result {
	means := make([]float64, 3)
	for i, v := range pixels {
		means[i/(fakeSize*fakeSize)] += float64(v) / (fakeSize * fakeSize)
	}
	return inception.Result{
		Predictions: rank(means...),
		Bottleneck:  []float32{float32(means[0]), float32(means[1]), float32(means[2])},
	}
}

// expect is what the fake answers for one picture.
func expect(t testing.TB, data []byte) inception.Result {
	t.Helper()
	pixels := make([]float32, 3*fakeSize*fakeSize)
	if _, err := (&fake{}).Model().Recipe.Load(data, picture.Limits{}, pixels); err != nil {
		t.Fatal(err)
	}
	return fakeResult(pixels)
}

func rank(values ...float64) []inception.Prediction {
	sum := 0.0
	for _, v := range values {
		sum += v + 1
	}
	ranked := make([]inception.Prediction, 0, len(values))
	for i, v := range values {
		p := inception.Prediction{Label: fakeLabels[i], Probability: (v + 1) / sum}
		at := len(ranked)
		for at > 0 && ranked[at-1].Probability < p.Probability {
			at--
		}
		ranked = append(ranked[:at], append([]inception.Prediction{p}, ranked[at:]...)...)
	}
	return ranked
}

// colorPNG returns a PNG of one colour.
func colorPNG(t testing.TB, width, height int, c color.Color) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		img.Set(i%width, i/width, c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var (
	red  = color.RGBA{R: 200, G: 40, B: 20, A: 255}
	blue = color.RGBA{R: 10, G: 40, B: 220, A: 255}
)

// newServer returns a server that is closed with the test.
func newServer(t testing.TB, c Classifier, cfg Config) *Server {
	t.Helper()
	s, err := New(c, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// do sends one request to a handler; headers alternate names and values.
func do(h http.Handler, method, target string, body []byte, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, bytes.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// wantStatus fails the test unless the answer has the status and, where text is given, its body has
// that text in it.
func wantStatus(t testing.TB, w *httptest.ResponseRecorder, code int, text string) {
	t.Helper()
	if w.Code != code {
		t.Fatalf("status: got %d, want %d; body %q", w.Code, code, w.Body)
	}
	if !strings.Contains(w.Body.String(), text) {
		t.Fatalf("body: got %q, want it to contain %q", w.Body, text)
	}
}

// onlyReader hides a reader's other methods, so that a request has no length and is sent in chunks.
type onlyReader struct{ io.Reader }

func splitLines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }
