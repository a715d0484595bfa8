package serve

import (
	"context"
	"encoding/json"
	"image/color"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/servetest"
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
	return answering(t, w)
}

// answering is a classifier of the weights' own head.
func answering(t testing.TB, w *inception.Weights) *inception.Classifier {
	t.Helper()
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

// A network that uses every core is not disturbed by decoders; one that leaves some idle is.
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
		turns := newServer(t, c, Config{}).pipeline.turns
		turns.BeginPass()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		got := 0
		for turns.BeginDecode(ctx) == nil {
			got++
		}
		cancel()
		if got != want {
			t.Errorf("%d threads on 4 cores: %d decoders beside a pass, want %d", threads, got, want)
		}
	}
}

// The server's answers are those of Classify, which is what predict prints, to the last digit, in
// any batch.
func TestAnswersAreThoseOfPredict(t *testing.T) {
	c := realModel(t, 0.25, 139)
	s := newServer(t, c, Config{TopK: -1, MaxBatch: 3, decoders: 2})
	var clients sync.WaitGroup
	for i := range 6 {
		body := colorPNG(t, 40+i, 30+5*i, color.RGBA{R: uint8(40 * i), G: uint8(250 - 40*i), B: 90, A: 255})
		want, err := c.Classify(t.Context(), &inception.Input{Data: body})
		if err != nil {
			t.Fatal(err)
		}
		clients.Go(func() {
			for range 3 {
				w := do(s.Handler(), http.MethodPost, "/invocations?embedding=true", body, "Content-Type", "image/png")
				var got plainRecord
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
					t.Errorf("%q: %v", w.Body, err)
					return
				}
				if !servetest.Same(got.Predictions, want[0].Predictions) || !slices.Equal(got.Embedding, want[0].Bottleneck) {
					t.Errorf("picture %d: got %v, want %v", i, got.Predictions, want[0].Predictions)
					return
				}
			}
		})
	}
	clients.Wait()
}

// open is what `rehead serve` opens models with.
func open(_ context.Context, path string) (Classifier, error) {
	m, err := inception.OpenModel(path)
	if err != nil {
		return nil, err
	}
	return inception.NewClassifier(m, nn.Config{Threads: 1})
}

// save writes a narrow model with a label of its own, whole or not at all.
func save(t testing.TB, path, label string, seed uint64) {
	t.Helper()
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Seed: seed, Classes: 3, Size: 75})
	if err != nil {
		t.Fatal(err)
	}
	m, err := inception.ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	m.Labels = []string{label + "-a", label + "-b", label + "-c"}
	if err := m.Save(path, inception.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
}

// A model that is trained anew over the old one is served without one failed request.
func TestHotReloadOfARealModel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	save(t, path, "old", 1)
	since := Fingerprint(path)
	c, err := open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, c, Config{Open: open})
	ctx, stop := context.WithCancel(t.Context())
	var watcher, clients sync.WaitGroup
	watcher.Go(func() {
		if err := s.Watch(ctx, path, since, 10*time.Millisecond); err != nil {
			t.Error(err)
		}
	})
	body := colorPNG(t, 40, 30, red)
	var fresh atomic.Int64
	for range 3 {
		clients.Go(func() {
			for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
				w := do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type", "image/png")
				if w.Code != http.StatusOK {
					t.Errorf("got %d %s, want 200", w.Code, w.Body)
					return
				}
				if strings.Contains(w.Body.String(), `"new-`) {
					fresh.Add(1)
					return
				}
			}
		})
	}
	save(t, path, "new", 2)
	clients.Wait()
	stop()
	watcher.Wait()
	if fresh.Load() != 3 {
		t.Errorf("%d of 3 clients saw the new model", fresh.Load())
	}
}

// Two real models side by side, and a damaged one refused.
func TestRealModelsByName(t *testing.T) {
	root := t.TempDir()
	for i, name := range []string{"one", "two", "bad"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
		save(t, filepath.Join(root, name, "model"), name, uint64(i))
	}
	if err := os.Truncate(filepath.Join(root, "bad", "model", "trunk.safetensors"), 1000); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, nil, Config{MultiModel: true, ModelRoot: root, Open: open})
	body := colorPNG(t, 40, 30, red)
	for _, name := range []string{"one", "two"} {
		wantStatus(t, loadModel(s, name, filepath.Join(root, name, "model")), http.StatusOK, "")
		wantStatus(t, do(s.Handler(), http.MethodPost, "/models/"+name+"/invoke", body), http.StatusOK, name+"-a")
	}
	wantStatus(t, loadModel(s, "bad", filepath.Join(root, "bad", "model")), http.StatusBadRequest, "trunk.safetensors")
	wantStatus(t, do(s.Handler(), http.MethodDelete, "/models/one", nil), http.StatusOK, "")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/models/one/invoke", body), http.StatusNotFound, "")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/models/two/invoke", body), http.StatusOK, "two-b")
}
