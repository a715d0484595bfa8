package serve

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Contract 31, 33: connections are accepted and /ping answers while every forward pass is taken.
func TestContract31AcceptsWhileBusy(t *testing.T) {
	f := &fake{block: make(chan struct{}), started: make(chan int, 1)}
	s := newServer(t, f, Config{})
	url, _ := start(t, s)
	busy := send(t.Context(), s, colorPNG(t, 4, 3, red))
	<-f.started
	for range 50 {
		conn := dial(t, url)
		if _, err := io.WriteString(conn, "GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, len("HTTP/1.1 200 OK"))
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 200 OK" {
			t.Fatalf("got %q, %v", answer, err)
		}
	}
	close(f.block)
	wantStatus(t, <-busy, http.StatusOK, "red")
}

// Contract 41: a streaming client sends the same request to the same route; there is no
// bidirectional one.
func TestContract41Streaming(t *testing.T) {
	url, _ := start(t, newServer(t, &fake{}, Config{}))
	response, err := http.Post(url+"/invocations", typeImage, onlyReader{bytes.NewReader(colorPNG(t, 4, 3, red))})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), "red") {
		t.Errorf("got %d %s, %v", response.StatusCode, body, err)
	}
	response, err = http.Get(url + "/invocations-bidirectional-stream")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("the bidirectional stream: got %d, want 404", response.StatusCode)
	}
}

// Contract 50: a batch job pings until the model is ready, asks how much it may send, and sends as
// much at once: none is refused.
func TestContract50BatchOrder(t *testing.T) {
	s := newServer(t, nil, Config{Batch: true, MaxBatch: 4})
	wantStatus(t, do(s.Handler(), http.MethodGet, "/ping", nil), http.StatusServiceUnavailable, "")
	if err := s.Install(t.Context(), &fake{slow: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, do(s.Handler(), http.MethodGet, "/ping", nil), http.StatusOK, "")
	var may struct {
		MaxConcurrentTransforms, MaxPayloadInMB int
		BatchStrategy                           string
	}
	decode(t, do(s.Handler(), http.MethodGet, "/execution-parameters", nil).Body.String(), &may)
	var list [][]byte
	for range 40 {
		list = append(list, colorPNG(t, 5, 4, red))
	}
	body := lines(list...)
	var jobs sync.WaitGroup
	for range may.MaxConcurrentTransforms {
		jobs.Go(func() {
			for range 3 {
				w := do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type", typeJSONLines)
				if w.Code != http.StatusOK || len(splitLines(w.Body.String())) != len(list) {
					t.Errorf("got %d %.100s, want %d lines", w.Code, w.Body, len(list))
					return
				}
			}
		})
	}
	jobs.Wait()
}

// Explanations on request: over /invocations, for every picture of a request, and of a model loaded
// by name.
func TestExplainOnRequest(t *testing.T) {
	c := realModel(t, 0.1, 75)
	s := newServer(t, c, Config{MultiModel: true, Open: open})
	body := colorPNG(t, 40, 30, red)
	read := func(answer []byte) plainRecord {
		t.Helper()
		var got plainRecord
		if err := json.Unmarshal(answer, &got); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		if got.Explanation == nil || len(got.Explanation.Maps) != 2 || got.Explanation.Grid.Width != 40 ||
			got.Explanation.Maps[0].Label != got.Predictions[0].Label || len(got.Predictions) != 2 {
			t.Errorf("got %s", answer)
		}
		return got
	}
	w := do(s.Handler(), http.MethodPost, "/invocations", body, headerAttributes, "rehead-explain=true,rehead-top-k=2")
	wantStatus(t, w, http.StatusOK, "cells")
	read(w.Body.Bytes())
	w = do(s.Handler(), http.MethodPost, "/invocations?explain=1&top_k=2", lines(body, body), "Content-Type",
		typeJSONLines, "Accept", typeJSONLines)
	wantStatus(t, w, http.StatusOK, "cells")
	for _, line := range splitLines(w.Body.String()) {
		read([]byte(line))
	}
	dir := t.TempDir() + "/m"
	save(t, dir, "named", 3)
	wantStatus(t, loadModel(s, "one", dir), http.StatusOK, "")
	w = do(s.Handler(), http.MethodPost, "/models/one/invoke?explain=true&top_k=2", body)
	wantStatus(t, w, http.StatusOK, "named-")
	read(w.Body.Bytes())
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations?explain=true", body, "Accept", typeCSV),
		http.StatusNotAcceptable, "CSV")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations?explain=true", body, "Accept", typeVerboseJSON),
		http.StatusOK, "cells")
	wantStatus(t, do(newServer(t, &fake{}, Config{}).Handler(), http.MethodPost, "/invocations?explain=true", body),
		http.StatusNotImplemented, "explain")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Encoding", "br"),
		http.StatusUnsupportedMediaType, "encoding")
}
