package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
)

// Contract 34: a picture in, an answer out; 45: the types that clients of the built-in algorithm
// send.
func TestContract34Invocations(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	types := []string{"image/png", "image/jpeg", "IMAGE/PNG; charset=binary", "application/x-image",
		"application/octet-stream", ""}
	for _, contentType := range types {
		t.Run(contentType, func(t *testing.T) {
			headers := []string{"Content-Type", contentType}
			if contentType == "" {
				headers = nil
			}
			w := do(s.Handler(), http.MethodPost, "/invocations", colorPNG(t, 5, 4, blue), headers...)
			wantStatus(t, w, http.StatusOK, "")
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("content type: got %q, want application/json", got)
			}
			var got struct{ Predictions []inception.Prediction }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if len(got.Predictions) != 3 || got.Predictions[0].Label != "blue" {
				t.Errorf("predictions: got %v, want three with blue first", got.Predictions)
			}
		})
	}
}

func TestProbabilitiesKeepEveryDigit(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	body := colorPNG(t, 5, 4, red)
	want := expect(t, body)
	w := do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type", "image/png")
	wantStatus(t, w, http.StatusOK, "")
	var got struct{ Predictions []inception.Prediction }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for i, p := range got.Predictions {
		if p != want.Predictions[i] {
			t.Errorf("prediction %d: got %v, want %v", i, p, want.Predictions[i])
		}
	}
}

func TestTopK(t *testing.T) {
	s := newServer(t, &fake{}, Config{TopK: 2})
	for query, want := range map[string]int{"": 2, "?top_k=1": 1, "?top_k=0": 3, "?top_k=9": 3} {
		w := do(s.Handler(), http.MethodPost, "/invocations"+query, colorPNG(t, 5, 4, red), "Content-Type", "image/png")
		wantStatus(t, w, http.StatusOK, "")
		if got := strings.Count(w.Body.String(), `"label"`); got != want {
			t.Errorf("%q: got %d labels, want %d", query, got, want)
		}
	}
	for _, query := range []string{"?top_k=-1", "?top_k=two", "?top_k=99999999999999999999"} {
		w := do(s.Handler(), http.MethodPost, "/invocations"+query, colorPNG(t, 5, 4, red), "Content-Type", "image/png")
		wantStatus(t, w, http.StatusBadRequest, "top_k")
	}
}

// Contract 37: 4xx for the caller's fault, 5xx for ours, one sentence each.
func TestContract37Faults(t *testing.T) {
	ok := colorPNG(t, 6, 5, red)
	cases := []struct {
		name    string
		fake    *fake
		cfg     Config
		body    []byte
		headers []string
		code    int
		text    string
	}{
		{"empty body", nil, Config{}, nil, nil, 400, "empty"},
		{"not a picture", nil, Config{}, []byte("hello"), []string{"Content-Type", "image/png"}, 415, "picture"},
		{"a format that is not decoded", nil, Config{}, []byte("%PDF-1.7 and so on"), []string{"Content-Type", "image/png"},
			415, "PDF"},
		{"damaged picture", nil, Config{}, ok[:len(ok)/2], []string{"Content-Type", "image/png"}, 400, "png"},
		{"content type", nil, Config{}, ok, []string{"Content-Type", "application/pdf"}, 415, "not supported"},
		{"accept", nil, Config{}, ok, []string{"Accept", "image/gif"}, 406, "Accept"},
		{"body limit", nil, Config{MaxBodyBytes: 16}, ok, nil, 413, "16"},
		{"pixel limit", nil, Config{Limits: picture.Limits{MaxPixels: 29}}, ok, nil, 413, "pixel"},
		{"our fault", &fake{fault: errors.New("secret detail")}, Config{}, ok, nil, 500, "log"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := c.fake
			if f == nil {
				f = &fake{}
			}
			w := do(newServer(t, f, c.cfg).Handler(), http.MethodPost, "/invocations", c.body, c.headers...)
			wantStatus(t, w, c.code, c.text)
			var got struct{ Error string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Error == "" {
				t.Errorf("body: got %q, want an object with an error", w.Body)
			}
			if strings.Contains(got.Error, "secret") {
				t.Errorf("the answer shows what is ours: %q", got.Error)
			}
		})
	}
}

func TestRoutesThatAreNot(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	wantStatus(t, do(s.Handler(), http.MethodGet, "/nothing", nil), http.StatusNotFound, "error")
	wantStatus(t, do(s.Handler(), http.MethodGet, "/invocations", nil), http.StatusMethodNotAllowed, "error")
}

func TestNotLoadedYet(t *testing.T) {
	w := do(newServer(t, nil, Config{}).Handler(), http.MethodPost, "/invocations", colorPNG(t, 2, 3, red))
	wantStatus(t, w, http.StatusServiceUnavailable, "not loaded")
	if w.Header().Get("Retry-After") == "" {
		t.Error("got no Retry-After")
	}
}

func TestDeadlineReachesTheForwardPass(t *testing.T) {
	f := &fake{block: make(chan struct{})}
	s := newServer(t, f, Config{RequestTimeout: 20 * time.Millisecond})
	w := do(s.Handler(), http.MethodPost, "/invocations", colorPNG(t, 2, 3, red), "Content-Type", "image/png")
	wantStatus(t, w, http.StatusGatewayTimeout, "deadline")
}

func TestPanicIsAnswered(t *testing.T) {
	s := newServer(t, panics{&fake{}}, Config{})
	w := do(s.Handler(), http.MethodPost, "/invocations", colorPNG(t, 2, 3, red), "Content-Type", "image/png")
	wantStatus(t, w, http.StatusInternalServerError, "error")
	if strings.Contains(w.Body.String(), "a bug") {
		t.Errorf("the answer shows the panic: %q", w.Body)
	}
}

type panics struct{ *fake }

func (panics) Classify(context.Context, ...*inception.Input) ([]inception.Result, error) {
	panic("a bug")
}

// Contract 35: a body that is too large is answered, not reset.
func TestContract35BodyLimit(t *testing.T) {
	server := httptest.NewServer(newServer(t, &fake{}, Config{MaxBodyBytes: 1 << 20}).Handler())
	defer server.Close()
	large := make([]byte, 3<<19)
	for name, body := range map[string]*http.Request{
		"announced": request(t, server.URL+"/invocations", bytes.NewReader(large)),
		"chunked":   request(t, server.URL+"/invocations", onlyReader{bytes.NewReader(large)}),
	} {
		response, err := server.Client().Do(body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: got %d, want 413", name, response.StatusCode)
		}
	}
}

// Contract 36: bodies may come in chunks.
func TestContract36ChunkedBody(t *testing.T) {
	server := httptest.NewServer(newServer(t, &fake{}, Config{}).Handler())
	defer server.Close()
	r := request(t, server.URL+"/invocations", onlyReader{bytes.NewReader(colorPNG(t, 70, 60, red))})
	r.Header.Set("Content-Type", "image/png")
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("got %d, want 200", response.StatusCode)
	}
}
