package serve

import (
	"encoding/json"
	"image/color"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// The Classifier of a real model is one of the server's.
var _ Classifier = (*inception.Classifier)(nil)

// realModel is a narrow network with made-up weights: small, and the whole way.
func realModel(t testing.TB, width float64, size int) *inception.Classifier {
	t.Helper()
	w, err := inception.Random(inception.RandomConfig{Width: width, Seed: 5, Classes: 7, Size: size})
	if err != nil {
		t.Fatal(err)
	}
	m, err := inception.ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	c, err := inception.NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A network that uses every core is not disturbed by decoders; one that leaves
// some idle is.
func TestDecodersUseIdleCores(t *testing.T) {
	cores := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(cores)
	for threads, want := range map[int]int{4: 0, 1: 3} {
		w, err := inception.Random(inception.RandomConfig{Width: 0.1, Classes: 3, Size: 75})
		if err != nil {
			t.Fatal(err)
		}
		m, err := inception.ModelFromWeights(w)
		if err != nil {
			t.Fatal(err)
		}
		c, err := inception.NewClassifier(m, nn.Config{Device: "cpu", Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		if got := newServer(t, c, Config{}).pipeline.gate.beside; got != want {
			t.Errorf("%d threads on 4 cores: %d decoders beside a pass, want %d", threads, got, want)
		}
	}
}

// The server's answers are those of Classify, which is what predict prints, to
// the last digit, in whatever company a picture was when it ran.
func TestAnswersAreThoseOfPredict(t *testing.T) {
	c := realModel(t, 0.25, 139)
	s := newServer(t, c, Config{TopK: -1, MaxBatch: 3, Decoders: 2})
	var clients sync.WaitGroup
	for i := range 6 {
		body := picture(t, 40+i, 30+5*i, color.RGBA{R: uint8(40 * i), G: uint8(250 - 40*i), B: 90, A: 255})
		want, err := c.Classify(t.Context(), dataset.Limits{}, body)
		if err != nil {
			t.Fatal(err)
		}
		clients.Go(func() {
			for range 3 {
				w := do(s.Handler(), http.MethodPost, "/invocations?embedding=true", body, "Content-Type", "image/png")
				var got answerRecord
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
					t.Errorf("%q: %v", w.Body, err)
					return
				}
				if !slices.Equal(got.Predictions, want[0].Predictions) || !slices.Equal(got.Embedding, want[0].Bottleneck) {
					t.Errorf("picture %d: got %v, want %v", i, got.Predictions, want[0].Predictions)
					return
				}
			}
		})
	}
	clients.Wait()
}
