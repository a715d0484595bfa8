package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/jpeg"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
)

var _ explainer = (*inception.Classifier)(nil)

// The page and its routes are there only where they are asked for.
func TestPageIsOff(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	for _, path := range []string{"/", "/page.css", "/page.js", "/map.js", "/v1/model"} {
		wantStatus(t, do(s.Handler(), http.MethodGet, path, nil), http.StatusNotFound, "")
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/v1/explain", colorPNG(t, 9, 9, red)), http.StatusNotFound, "")
}

// The page's policy forbids everything but its own files, and its files need nothing else.
func TestPageFiles(t *testing.T) {
	s := newServer(t, nil, Config{Page: true}) // it is there before the model is
	for _, f := range pagePaths {
		path, kind := f.path, f.kind
		w := do(s.Handler(), http.MethodGet, path, nil)
		wantStatus(t, w, http.StatusOK, "")
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, kind) {
			t.Errorf("%s: content type %q, want %s", path, got, kind)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") ||
			strings.Contains(policy, "*") || strings.Contains(policy, "http") {
			t.Errorf("%s: the policy %q is not strict", path, policy)
		}
		for _, part := range []string{"script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'",
			"form-action 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy %q lacks %s", path, policy, part)
			}
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", path, w.Header())
		}
		text := w.Body.String()
		if outside := regexp.MustCompile(`https?:|//[a-zA-Z]|@import|url\(`).FindString(strings.ReplaceAll(text, "// ", "")); outside != "" {
			t.Errorf("%s refers to something outside: %q", path, outside)
		}
		if inline := regexp.MustCompile(`(?i)<script>|<style|\son[a-z]+=|\sstyle=|innerHTML|eval\(`).FindString(text); inline != "" {
			t.Errorf("%s holds %q, which the policy forbids", path, inline)
		}
		tag := w.Header().Get("ETag")
		wantStatus(t, do(s.Handler(), http.MethodGet, path, nil, "If-None-Match", tag), http.StatusNotModified, "")
		if head := do(s.Handler(), http.MethodHead, path, nil); head.Code != http.StatusOK || head.Body.Len() != 0 {
			t.Errorf("HEAD %s: %d and %d bytes", path, head.Code, head.Body.Len())
		}
	}
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v1/model", nil), http.StatusServiceUnavailable, "not loaded")
}

// A token guards the model's routes, not the page's files, which ask for it.
func TestPageToken(t *testing.T) {
	s := newServer(t, &fake{}, Config{Page: true, Token: "secret"})
	wantStatus(t, do(s.Handler(), http.MethodGet, "/", nil), http.StatusOK, "token")
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v1/model", nil), http.StatusUnauthorized, "Bearer")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/v1/explain", colorPNG(t, 9, 9, red)), http.StatusUnauthorized,
		"Bearer")
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v1/model", nil, "Authorization", "Bearer secret"), http.StatusOK,
		"green")
}

func TestModelCard(t *testing.T) {
	c := realModel(t, 0.1, 75)
	m := c.Model()
	m.Metrics = json.RawMessage(`{"test_accuracy":0.5}`)
	thumbnail := keepOne(t, m)
	s := newServer(t, c, Config{Page: true, ModelName: "flowers", Version: "v1"})
	w := do(s.Handler(), http.MethodGet, "/v1/model", nil)
	wantStatus(t, w, http.StatusOK, "")
	var card modelCard
	if err := json.Unmarshal(w.Body.Bytes(), &card); err != nil {
		t.Fatal(err)
	}
	if card.Name != "flowers" || !reflect.DeepEqual(card.Labels, m.Labels) || card.Recipe != m.Recipe || string(card.Metrics) != `{"test_accuracy":0.5}` ||
		card.Neighbours != 1 || card.Trunk != m.TrunkDigest || card.Network == nil || card.Network.Threads < 1 ||
		string(card.Training) != "{}" {
		t.Errorf("got %+v", card)
	}
	if bytes.Contains(w.Body.Bytes(), thumbnail) {
		t.Error("the card shows training pictures")
	}
}

// keepOne gives the model a training picture and returns its thumbnail.
func keepOne(t testing.TB, m *inception.Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 6, 4)), nil); err != nil {
		t.Fatal(err)
	}
	vector := make([]float32, m.Head.Features)
	for i := range vector {
		vector[i] = 1
	}
	_ = inception.Unit(vector, vector)
	m.Neighbours = &inception.Neighbours{Vectors: vector,
		Pictures: []inception.TrainingPicture{{Path: "a/b.jpg", Label: m.Labels[0], Thumbnail: b.Bytes()}}}
	return b.Bytes()
}

// The answer of /v1/explain has the ranking of /invocations, to the last digit, while other
// requests run.
func TestExplain(t *testing.T) {
	c := realModel(t, 0.25, 139)
	thumbnail := keepOne(t, c.Model())
	s := newServer(t, c, Config{Page: true, MaxBatch: 2})
	body := colorPNG(t, 60, 44, blue)
	w := do(s.Handler(), http.MethodPost, "/invocations?top_k=3", body, "Content-Type", "image/png")
	wantStatus(t, w, http.StatusOK, "")
	var want plainRecord
	if err := json.Unmarshal(w.Body.Bytes(), &want); err != nil {
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() {
			if w := do(s.Handler(), http.MethodPost, "/invocations", body); w.Code != http.StatusOK {
				t.Errorf("beside explanations: %d %s", w.Code, w.Body)
			}
		})
		clients.Go(func() {
			w := do(s.Handler(), http.MethodPost, "/v1/explain?top_k=3&embedding=true", body, "Content-Type", "image/png")
			var got explanation
			if err := json.Unmarshal(w.Body.Bytes(), &got); w.Code != http.StatusOK || err != nil {
				t.Errorf("%d %v %s", w.Code, err, w.Body)
				return
			}
			if !reflect.DeepEqual(got.Predictions, want.Predictions) {
				t.Errorf("got %v, want %v as /invocations answers", got.Predictions, want.Predictions)
			}
			if len(got.Maps) != 3 || got.Maps[0].Label != got.Predictions[0].Label || len(got.Maps[2].Cells) == 0 {
				t.Errorf("got maps %+v, want those of the 3 best labels", got.Maps)
			}
			if got.Grid.Width != 60 || got.Grid.Height != 44 || len(got.Embedding) != c.Model().Head.Features {
				t.Errorf("got grid %+v and %d features", got.Grid, len(got.Embedding))
			}
			if len(got.Nearest) != 1 || got.Nearest[0].Path != "a/b.jpg" || !bytes.Equal(got.Nearest[0].Thumbnail, thumbnail) {
				t.Errorf("got the nearest %+v", got.Nearest)
			}
		})
	}
	clients.Wait()
}

// An answer with an explanation says all that the answer without it says.
func TestRegression_ExplainedAnswersKeepUnknownAndLabels(t *testing.T) {
	c := realModel(t, 0.1, 75)
	m := c.Model()
	s := newServer(t, c, Config{})
	ask := func(target string) (got plainRecord) {
		t.Helper()
		w := do(s.Handler(), http.MethodPost, target, colorPNG(t, 60, 44, blue), "Content-Type", "image/png")
		wantStatus(t, w, http.StatusOK, "")
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	compare := func() {
		t.Helper()
		want, got := ask("/invocations"), ask("/invocations?explain=true")
		if got.Explanation == nil {
			t.Error("got no explanation")
		}
		got.Explanation = nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	m.Unknown = &inception.Unknown{Threshold: 1e9}
	if got := ask("/invocations"); got.Unknown == nil || !*got.Unknown {
		t.Fatalf("got %+v, want an unknown picture", got)
	}
	compare()
	m.Unknown, m.Head.Activation, m.Thresholds = nil, inception.Sigmoid, make([]float64, len(m.Labels))
	if got := ask("/invocations"); len(got.Labels) != len(m.Labels) {
		t.Fatalf("got %+v, want every label given", got)
	}
	compare()
}

// What is wrong with a request is answered as by /invocations.
func TestExplainRefuses(t *testing.T) {
	s := newServer(t, realModel(t, 0.1, 75),
		Config{Page: true, MaxBodyBytes: 4096, Limits: picture.Limits{MaxPixels: 2000}})
	for name, c := range map[string]struct {
		body  []byte
		query string
		kind  string
		code  int
		text  string
	}{
		"empty":    {nil, "", "image/png", http.StatusBadRequest, "empty"},
		"JSON":     {[]byte(`{"b64":""}`), "", "application/json", http.StatusUnsupportedMediaType, "image/*"},
		"text":     {[]byte("no picture"), "", "", http.StatusUnsupportedMediaType, ""},
		"torn":     {colorPNG(t, 9, 9, red)[:45], "", "image/png", http.StatusBadRequest, ""},
		"pixels":   {colorPNG(t, 60, 50, red), "", "image/png", http.StatusRequestEntityTooLarge, "pixels"},
		"bytes":    {make([]byte, 5000), "", "image/png", http.StatusRequestEntityTooLarge, "4096"},
		"option":   {colorPNG(t, 9, 9, red), "?top_k=many", "image/png", http.StatusBadRequest, "top_k"},
		"all good": {colorPNG(t, 9, 9, red), "?top_k=0", "image/png", http.StatusOK, `"cells"`},
	} {
		w := do(s.Handler(), http.MethodPost, "/v1/explain"+c.query, c.body, "Content-Type", c.kind)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.text) {
			t.Errorf("%s: got %d %s, want %d and %q", name, w.Code, w.Body, c.code, c.text)
		}
	}
	plain := newServer(t, &fake{}, Config{Page: true})
	wantStatus(t, do(plain.Handler(), http.MethodPost, "/v1/explain", colorPNG(t, 9, 9, red)), http.StatusNotImplemented,
		"explain")
}

// explaining is a fake that explains as it is told.
type explaining struct {
	fake
	explain func(ctx context.Context) (*inception.Explanation, error)
}

func (e *explaining) Explain(ctx context.Context, _ *inception.Input, _ int) (*inception.Explanation, error) {
	return e.explain(ctx)
}

// Explanations wait in the queue of every other picture, keep its deadline, and end no process.
func TestExplainKeepsTheServersBounds(t *testing.T) {
	body := colorPNG(t, 9, 9, red)
	post := func(s *Server) int {
		return do(s.Handler(), http.MethodPost, "/v1/explain", body, "Content-Type", "image/png").Code
	}
	t.Run("deadline", func(t *testing.T) {
		e := &explaining{explain: func(ctx context.Context) (*inception.Explanation, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		if got := post(newServer(t, e,
			Config{Page: true, RequestTimeout: 30 * time.Millisecond})); got != http.StatusGatewayTimeout {
			t.Errorf("got %d, want 504", got)
		}
	})
	t.Run("queue", func(t *testing.T) {
		running, finish := make(chan struct{}), make(chan struct{})
		e := &explaining{explain: func(context.Context) (*inception.Explanation, error) {
			close(running)
			<-finish
			return &inception.Explanation{}, nil
		}}
		s := newServer(t, e, Config{Page: true, MaxQueue: 1})
		first := make(chan int)
		go func() { first <- post(s) }()
		<-running
		if got := post(s); got != http.StatusServiceUnavailable {
			t.Errorf("a second explanation: got %d, want 503", got)
		}
		if w := do(s.Handler(), http.MethodPost, "/invocations", body); w.Code != http.StatusServiceUnavailable ||
			w.Header().Get("Retry-After") == "" {
			t.Errorf("a picture behind it: got %d, want 503 with Retry-After", w.Code)
		}
		close(finish)
		if got := <-first; got != http.StatusOK {
			t.Errorf("the first: got %d, want 200", got)
		}
	})
	t.Run("panic", func(t *testing.T) {
		e := &explaining{explain: func(context.Context) (*inception.Explanation, error) { panic("out of range") }}
		s := newServer(t, e, Config{Page: true})
		for range 3 { // its place in the queue is free again each time
			if got := post(s); got != http.StatusInternalServerError {
				t.Errorf("got %d, want 500", got)
			}
		}
		wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", body), http.StatusOK, "red")
	})
}
