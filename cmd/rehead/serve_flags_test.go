package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/load"
	"github.com/c236555e/rehead/serve"
)

// containerFlags is what a container with this environment serves with.
func containerFlags(t *testing.T, env map[string]string) (o serveOptions, err error) {
	t.Helper()
	base := t.TempDir()
	madeUp(t, layout.Tree(base).Model())
	a := &app{stderr: io.Discard, getenv: func(name string) string {
		if name == "SAGEMAKER_BASE_DIR" {
			return base
		}
		return env[name]
	}}
	_, err = a.containerServe(serveCommand(a, &o).Flags(), &o)
	return o, err
}

// As a container, flags come as variables; the command line goes before them.
func TestServeFlagsFromTheEnvironment(t *testing.T) {
	o, err := containerFlags(t, map[string]string{"REHEAD_SERVE_COMPAT": "tfblog", "REHEAD_SERVE_TOP": "3",
		"REHEAD_SERVE_PAGE":       "true",
		"REHEAD_SERVE_FETCH_HOST": "a.example.com,*.example.org", "REHEAD_SERVE_FETCH_SCHEME": "http",
		"REHEAD_SERVE_TIMEOUT": "7s"})
	if err != nil || o.compat != "tfblog" || o.cfg.TopK != 3 || !o.cfg.Page || o.cfg.RequestTimeout != 7*time.Second {
		t.Errorf("got %+v, %v", o, err)
	}
	cfg, err := (&app{stderr: io.Discard, getenv: func(string) string { return "" }}).serveConfig(&o)
	if err != nil || cfg.Compat != serve.CompatTFBlog || cfg.Fetch == nil ||
		strings.Join(cfg.Fetch.Hosts, " ") != "a.example.com *.example.org" ||
		strings.Join(cfg.Fetch.Schemes, " ") != "http" {
		t.Errorf("got %+v, %v", cfg, err)
	}
	if _, err := containerFlags(t, map[string]string{"REHEAD_SERVE_TOP": "all"}); err == nil ||
		!strings.Contains(err.Error(), "REHEAD_SERVE_TOP") {
		t.Errorf("got %v, want an error that names the variable", err)
	}
	if o, err = containerFlags(t, nil); err != nil || o.cfg.Page || o.compat != "" {
		t.Errorf("by default: got %+v, %v; want no page and no compatibility", o, err)
	}
}

// certificateFiles writes a certificate for the loopback with its key.
func certificateFiles(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err1 := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	secret, err2 := x509.MarshalPKCS8PrivateKey(private)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool.AppendCertsFromPEM(text)
	if err := errors.Join(os.WriteFile(cert, text, 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)); err != nil {
		t.Fatal(err)
	}
	return cert, key, pool
}

// --tls-cert with --tls-key, and a token from the environment.
func TestServeTLSAndToken(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model")
	madeUp(t, model)
	cert, key, pool := certificateFiles(t)
	addr, stop := serveWith(t, map[string]string{"REHEAD_TOKEN": "s3cret"}, "serve", model, "--addr", "127.0.0.1:0",
		"--tls-cert", cert, "--tls-key", key)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool,
		MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	for token, want := range map[string]int{"": http.StatusUnauthorized, "Bearer wrong": http.StatusUnauthorized,
		"Bearer s3cret": http.StatusOK} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+addr+"/invocations",
			bytes.NewReader(drawn(t)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", token)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("token %q: got %d, want %d", token, response.StatusCode, want)
		}
	}
	if o := stop(); o.code != exitDone || strings.Contains(o.stderr, "s3cret") {
		t.Errorf("code %d: %s", o.code, o.stderr)
	}
	if o := command(t, "serve", model, "--tls-cert", cert); o.code != exitUsage {
		t.Errorf("a certificate without a key: code %d, %s", o.code, o.stderr)
	}
}

// named saves a model of made-up weights whose labels begin with name, whole or not at all.
func named(t *testing.T, path, name string) {
	t.Helper()
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Size: 96, Seed: 7, Classes: 3})
	if err != nil {
		t.Fatal(err)
	}
	m, err := inception.ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Labels {
		m.Labels[i] = name + string(rune('a'+i))
	}
	if err := m.Save(path, inception.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
}

// --watch: a model that is trained anew in its place is served without a restart and without a
// failed request.
func TestServeWatch(t *testing.T) {
	if testing.Short() {
		t.Skip("waits seconds for a change to be seen: run without -short")
	}
	model := filepath.Join(t.TempDir(), "model")
	named(t, model, "old-")
	addr, stop := serveWith(t, nil, "serve", model, "--addr", "127.0.0.1:0", "--watch")
	body := drawn(t)
	var changed atomic.Bool
	var clients sync.WaitGroup
	deadline := time.Now().Add(time.Minute)
	for range 4 {
		clients.Go(func() {
			for !changed.Load() && time.Now().Before(deadline) {
				var answer struct{ Predictions []struct{ Label string } }
				if status := post(t, local(addr)+"/invocations", "image/png", body, &answer); status != http.StatusOK {
					t.Errorf("got %d while the model changed, want 200", status)
					return
				}
				if strings.HasPrefix(answer.Predictions[0].Label, "new-") {
					changed.Store(true)
				}
			}
		})
	}
	named(t, model, "new-")
	clients.Wait()
	if !changed.Load() {
		t.Error("the changed model is not served after a minute")
	}
	if o := stop(); o.code != exitDone {
		t.Errorf("code %d: %s", o.code, o.stderr)
	}
}

// bench serve in a closed and in an open loop.
func TestBenchServe(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model")
	madeUp(t, model)
	addr, _ := serveWith(t, nil, "serve", model, "--addr", "127.0.0.1:0")
	picture := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(picture, drawn(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, args := range map[string][]string{"closed": {"--clients", "2"}, "open": {"--rate", "200"}} {
		o := command(t, append([]string{"bench", "serve", local(addr) + "/invocations", picture, "--duration", "300ms",
			"--warmup", "0s", "--bad", "50", "--json"}, args...)...)
		var r load.Result
		if err := json.Unmarshal([]byte(o.stdout), &r); err != nil || o.code != exitDone {
			t.Fatalf("%s: code %d, %q, %q: %v", mode, o.code, o.stdout, o.stderr, err)
		}
		if r.Answered == 0 || r.Refused == 0 || r.Failed+r.Lost+r.Wrong > 0 || !(r.PerImage.Median > 0) ||
			r.PerImage.P99 < r.PerImage.Median || !strings.Contains(o.stdout, `"mode":"`+mode+`"`) {
			t.Errorf("%s: got %s", mode, o.stdout)
		}
	}
}

// What was measured until the load was stopped is printed.
func TestBenchServeStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 20 {
			stop()
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	picture := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(picture, drawn(t), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
	code := run(ctx, a, []string{"bench", "serve", server.URL, picture, "--duration", "1m", "--warmup", "0s", "--json"})
	var r load.Result
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil || code != exitFailed || r.Answered < 15 ||
		r.Failed+r.Refused > 0 {
		t.Errorf("code %d, %q, %q: %v", code, stdout.String(), stderr.String(), err)
	}
}

// A load that measures nothing says why and fails, instead of printing zeros.
func TestRegression_BenchServeWithoutAnswers(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model")
	madeUp(t, model)
	addr, stop := serveWith(t, nil, "serve", model, "--addr", "127.0.0.1:0")
	picture := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(picture, drawn(t), 0o600); err != nil {
		t.Fatal(err)
	}
	bench := func(code int, words []string, args ...string) {
		t.Helper()
		o := command(t, append([]string{"bench", "serve", "--duration", "50ms", "--warmup", "0s"}, args...)...)
		if o.code != code {
			t.Errorf("%v: code %d, want %d: %q, %q", args, o.code, code, o.stdout, o.stderr)
		}
		for _, w := range words {
			if !strings.Contains(o.stderr, w) {
				t.Errorf("%v: got %q, want %q in it", args, o.stderr, w)
			}
		}
	}
	bench(exitFailed, []string{"405 Method Not Allowed", "does not answer that method"}, local(addr)+"/metrics", picture)
	bench(exitFailed, []string{"404 Not Found", "POST /invocations"}, local(addr)+"/nothing", picture)
	bench(exitFailed, []string{"415", "content type"}, "--content-type", "text/html", local(addr)+"/invocations", picture)
	bench(exitFailed, []string{"/ping", "nothing else", "/invocations"}, local(addr)+"/ping", picture)
	bench(exitUsage, []string{"--bad", "-5"}, "--bad", "-5", local(addr)+"/invocations", picture)
	bench(exitUsage, []string{"--bad", "150"}, "--bad", "150", local(addr)+"/invocations", picture)
	stop()
	bench(exitFailed, []string{"not answered", "refused"}, local(addr)+"/invocations", picture)

	// A server that is busy from first to last is one to measure, and to tell about.
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error":"too much to do"}`)
	}))
	defer busy.Close()
	bench(exitFailed, []string{"none of ", "503 Service Unavailable", "too much to do"}, busy.URL, picture)
}

// A body that is sent in part when SIGTERM comes is still answered.
func TestStopWaitsForABodyUnderWay(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model")
	madeUp(t, model)
	addr, stop := serveWith(t, nil, "serve", model, "--addr", "127.0.0.1:0", "--drain-delay", "0s")
	body := drawn(t)
	reader, writer := io.Pipe()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, local(addr)+"/invocations",
		reader)
	if err != nil {
		t.Fatal(err)
	}
	status := make(chan int, 1)
	go func() {
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			status <- -1
			return
		}
		_ = response.Body.Close()
		status <- response.StatusCode
	}()
	if _, err := writer.Write(body[:len(body)/2]); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan outcome, 1)
	time.Sleep(50 * time.Millisecond) // the header arrives
	go func() { stopped <- stop() }()
	time.Sleep(100 * time.Millisecond) // the server stops accepting
	if _, err := writer.Write(body[len(body)/2:]); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-status; got != http.StatusOK {
		t.Errorf("got %d, want 200", got)
	}
	if o := <-stopped; o.code != exitDone {
		t.Errorf("code %d: %s", o.code, o.stderr)
	}
}

// --model-name is what the model is called in the routes; one that no route could hold is refused.
func TestServeModelName(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model")
	madeUp(t, model)
	addr, stop := serveWith(t, nil, "serve", model, "--addr", "127.0.0.1:0", "--model-name", "flowers")
	for name, want := range map[string]int{"flowers": http.StatusOK, "model": http.StatusNotFound} {
		response, err := http.Get(local(addr) + "/v2/models/" + name)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: got %d, want %d", name, response.StatusCode, want)
		}
	}
	if o := stop(); o.code != exitDone {
		t.Errorf("code %d: %s", o.code, o.stderr)
	}
	if o := command(t, "serve", model, "--model-name", "a/b"); o.code == exitDone || !strings.Contains(o.stderr, "without / ") {
		t.Errorf("a name with a slash: code %d: %s", o.code, o.stderr)
	}
}
