package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/c236555e/rehead/inception"
)

// outcome is what a command line left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// command runs a command line as the binary would, without a terminal.
func command(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
	code := run(t.Context(), a, args)
	return outcome{code, stdout.String(), stderr.String()}
}

// must runs a command line that has to succeed and decodes its JSON into v unless v is nil.
func must(t *testing.T, v any, args ...string) outcome {
	t.Helper()
	o := command(t, args...)
	if o.code != exitDone {
		t.Fatalf("rehead %s: exit code %d: %s", strings.Join(args, " "), o.code, o.stderr)
	}
	if v != nil {
		if err := json.Unmarshal([]byte(o.stdout), v); err != nil {
			t.Fatalf("rehead %s: %v in %q", strings.Join(args, " "), err, o.stdout)
		}
	}
	return o
}

// fails runs a command line that has to end with exit code 1 and one sentence that holds each of
// words.
func fails(t *testing.T, args []string, words ...string) {
	t.Helper()
	o := command(t, args...)
	if o.code != exitFailed {
		t.Fatalf("rehead %s: exit code %d, want %d; %s", strings.Join(args, " "), o.code, exitFailed, o.stderr)
	}
	last := strings.TrimSpace(o.stderr)
	if i := strings.LastIndexByte(last, '\n'); i >= 0 {
		last = last[i+1:]
	}
	for _, word := range words {
		if !strings.Contains(last, word) {
			t.Errorf("rehead %s: got %q, want it to name %q", strings.Join(args, " "), last, word)
		}
	}
}

// narrow writes a random trunk of width 0.25 for 96-pixel pictures.
func narrow(t *testing.T, dir string) string {
	t.Helper()
	w, err := inception.Random(inception.RandomConfig{Width: 0.25, Size: 96, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "trunk.safetensors")
	if err := w.Write(path, "f32"); err != nil {
		t.Fatal(err)
	}
	return path
}

// serveModel runs `rehead serve` on a free port of the loopback and returns its address and what
// ends it.
func serveModel(t *testing.T, model string) (addr string, stop func() outcome) {
	t.Helper()
	return serveWith(t, nil, "serve", model, "--addr", "127.0.0.1:0")
}

// serveWith is serveModel for any arguments and environment.
func serveWith(t *testing.T, env map[string]string, args ...string) (addr string, stop func() outcome) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	log := &watched{found: make(chan string, 1)}
	a := &app{stdout: io.Discard, stderr: log, getenv: func(name string) string { return env[name] }}
	done := make(chan int, 1)
	go func() { done <- run(ctx, a, args) }()
	stop = sync.OnceValue(func() outcome {
		cancel()
		return outcome{code: <-done, stderr: log.String()}
	})
	t.Cleanup(func() { stop() })
	select {
	case addr = <-log.found:
	case <-time.After(time.Minute):
		t.Fatalf("serve did not get ready: %s", log.String())
	}
	return addr, stop
}

// watched is a log that hands over the address in it once it is there.
type watched struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	found chan string
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var line struct{ Msg, Addr string }
	if json.Unmarshal(p, &line) == nil && line.Msg == "ready" {
		w.found <- line.Addr
	}
	return w.buf.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

func post(t *testing.T, url, contentType string, body []byte, v any) int {
	t.Helper()
	r, err := http.Post(url, contentType, bytes.NewReader(body)) //nolint:noctx // bounded by the test
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // only read from
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		t.Fatal(err)
	}
	return r.StatusCode
}
