package serve

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain fails the package when a test leaves a goroutine of ours behind.
func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if code == 0 {
		if left := leaked(5 * time.Second); left != "" {
			fmt.Fprintf(os.Stderr, "goroutines were left behind:\n%s\n", left)
			code = 1
		}
	}
	os.Exit(code)
}

// leaked waits for the goroutines that run this package's code, other than the
// caller, to end, and returns the stacks of those that do not.
func leaked(patience time.Duration) string {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		buffer := make([]byte, 1<<20)
		var left []string
		for i, stack := range strings.Split(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
			if i > 0 && strings.Contains(stack, "rehead/serve") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
	}
}

// journal collects log lines.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// The log holds a request's id and digest, and nothing else that it says.
func TestLogKeepsSecrets(t *testing.T) {
	var j journal
	s := newServer(t, &fake{}, Config{Logger: j.logger(), Token: "secret-token"})
	body := picture(t, 4, 3, red)
	headers := []string{"Content-Type", "image/png", headerRequestID, "id-17", "Authorization", "Bearer secret-token",
		headerAttributes, "secret=1", "Cookie", "secret", "User-Agent", "secret", "X-Forwarded-For", "198.51.100.7"}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations?top_k=1&X-Amz-Signature=secret", body, headers...), http.StatusOK, "red")
	var line struct {
		Level, Msg, ID, Method, Route, Digest string
		Status, Pictures, Unreadable          int
		BytesIn                               int `json:"bytes_in"`
		BytesOut                              int `json:"bytes_out"`
		MS                                    float64
	}
	if err := json.Unmarshal([]byte(j.String()), &line); err != nil {
		t.Fatalf("%q: %v", j.String(), err)
	}
	sum := sha256.Sum256(body)
	if line.ID != "id-17" || line.Route != "/invocations" || line.Status != 200 || line.Pictures != 1 ||
		line.BytesIn != len(body) || line.BytesOut == 0 || line.Digest != hex.EncodeToString(sum[:]) || line.Level != "INFO" {
		t.Errorf("got %+v of %s", line, j.String())
	}
	for _, request := range []struct{ method, target string }{
		{http.MethodGet, "/secret-path?secret"}, {"SECRET", "/ping"}, {http.MethodPost, "/invocations?top_k=secret"},
	} {
		do(s.Handler(), request.method, request.target, []byte("secret"), append(headers, headerInferenceID, "secret secret")...)
	}
	if text := j.String(); strings.Contains(strings.ToLower(text), "secret") || strings.Contains(text, "198.51") || strings.Contains(text, "192.0.2") {
		t.Errorf("the log tells what it must not: %s", text)
	}
}

// What is our fault is in the log with its reason, under the request's id.
func TestLogSaysWhy(t *testing.T) {
	var j journal
	s := newServer(t, &fake{fault: errors.New("the kernel is broken")}, Config{Logger: j.logger()})
	w := do(s.Handler(), http.MethodPost, "/invocations", picture(t, 4, 3, red), headerRequestID, "id-18")
	wantStatus(t, w, http.StatusInternalServerError, "log")
	if got := j.String(); !strings.Contains(got, "the kernel is broken") || !strings.Contains(got, "id-18") {
		t.Errorf("got %s", got)
	}
}

func TestMetrics(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	body := picture(t, 4, 3, red)
	for range 3 {
		do(s.Handler(), http.MethodPost, "/invocations", body)
	}
	do(s.Handler(), http.MethodPost, "/invocations", []byte("x"))
	do(s.Handler(), http.MethodGet, "/surprise/17", nil)
	w := do(s.Handler(), http.MethodGet, "/metrics", nil)
	wantStatus(t, w, http.StatusOK, "")
	for _, want := range []string{
		`rehead_requests_total{code="200",route="/invocations"} 3`,
		`rehead_requests_total{code="415",route="/invocations"} 1`,
		`rehead_requests_total{code="404",route="unmatched"} 1`,
		`rehead_pictures_total{result="answered"} 3`,
		`rehead_pictures_total{result="unreadable"} 1`,
		`rehead_batch_size_sum 3`,
		`rehead_forward_duration_seconds_count 3`,
		`rehead_decode_duration_seconds_count 3`,
		`rehead_queue_pictures 0`,
		`rehead_body_bytes 0`,
		`rehead_ready 1`,
		`rehead_models 1`,
		`rehead_model_loads_total{result="ok"} 1`,
		`go_goroutines`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") && want != "go_goroutines" || !strings.Contains(w.Body.String(), want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
	if strings.Contains(w.Body.String(), "surprise") {
		t.Error("a stranger's path became a label")
	}
	newServer(t, &fake{}, Config{}) // a second registry does not meet the first
}

func TestToken(t *testing.T) {
	s := newServer(t, &fake{}, Config{Token: "s3cret"})
	body := picture(t, 4, 3, red)
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "s3cret"} {
		w := do(s.Handler(), http.MethodPost, "/invocations", body, "Authorization", header)
		wantStatus(t, w, http.StatusUnauthorized, "Bearer")
		if w.Header().Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%q: got no WWW-Authenticate", header)
		}
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", body, "Authorization", "bearer s3cret"), http.StatusOK, "red")
	for _, target := range []string{"/metrics", "/v2", "/v2/models/model", "/execution-parameters", "/nothing"} {
		wantStatus(t, do(s.Handler(), http.MethodGet, target, nil), http.StatusUnauthorized, "Bearer")
	}
	for _, target := range []string{"/ping", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready"} {
		wantStatus(t, do(s.Handler(), http.MethodGet, target, nil), http.StatusOK, "")
	}
}

// There are no routes for debugging.
func TestNoDebugRoutes(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	for _, target := range []string{"/debug/pprof/", "/debug/vars", "/debug/pprof/heap"} {
		wantStatus(t, do(s.Handler(), http.MethodGet, target, nil), http.StatusNotFound, "")
	}
}

func TestLiveAndReady(t *testing.T) {
	s := newServer(t, nil, Config{})
	wantStatus(t, do(s.Handler(), http.MethodGet, "/livez", nil), http.StatusOK, "")
	wantStatus(t, do(s.Handler(), http.MethodGet, "/readyz", nil), http.StatusServiceUnavailable, "")
	if err := s.Install(t.Context(), &fake{}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, do(s.Handler(), http.MethodGet, "/readyz", nil), http.StatusOK, "")
}

// certificate makes a self-signed certificate for loopback.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLS(t *testing.T) {
	cert, pool := certificate(t)
	if _, err := New(nil, Config{TLS: &tls.Config{MinVersion: tls.VersionTLS12}}); err == nil || !strings.Contains(err.Error(), "Config.TLS") {
		t.Errorf("no certificate: got %v, want an error that names the field", err)
	}
	cfg := Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}} //nolint:gosec // the server raises the version
	url, _ := start(t, newServer(t, &fake{}, cfg))
	url = strings.Replace(url, "http://", "https://", 1)
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: version}} //nolint:gosec // old versions are what is tested
		response, err := (&http.Client{Transport: transport}).Get(url + "/ping")
		if err == nil {
			_ = response.Body.Close()
		}
		transport.CloseIdleConnections()
		if (err == nil) != want {
			t.Errorf("TLS %#x: got %v, want it to work: %v", version, err, want)
		}
	}
}

// dial opens a raw connection that ends with the test.
func dial(t testing.TB, url string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Slow senders of headers and of bodies do not keep good clients out, and are
// cut off themselves.
func TestSlowLoris(t *testing.T) {
	url, _ := start(t, newServer(t, &fake{}, Config{ReadHeaderTimeout: 200 * time.Millisecond, RequestTimeout: 400 * time.Millisecond}))
	var slow []net.Conn
	for i := range 100 {
		text := "POST /invocations HTTP/1.1\r\nHost: a\r\nX-Slow: "
		if i%2 == 1 {
			text = "POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 33000000\r\n\r\nabc"
		}
		conn := dial(t, url)
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	body := picture(t, 4, 3, red)
	for range 20 {
		response, err := http.Post(url+"/invocations", "image/png", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("a good client got %d, want 200", response.StatusCode)
		}
	}
	for i, conn := range slow {
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Fatalf("slow connection %d was not closed: %v", i, err)
		}
	}
}

// A flood of 1,000 connections and 10,000 bad requests (a tenth with -short)
// leaves good clients served. It needs some 2,100 open files; Go raises the soft limit itself.
func TestFlood(t *testing.T) {
	idle, each := 1000, 1250
	if testing.Short() {
		idle, each = 100, 125
	}
	s := newServer(t, &fake{}, Config{})
	url, _ := start(t, s)
	for range idle {
		dial(t, url) // idle
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var bad sync.WaitGroup
	for range 8 {
		bad.Go(func() {
			for i := range each {
				kind := []string{"image/png", "application/json", "text/csv", "application/jsonlines", "a/b"}[i%5]
				response, err := client.Post(url+"/invocations", kind, strings.NewReader("\"bad\x00"))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				if response.StatusCode < 400 || response.StatusCode > 499 {
					t.Errorf("a bad request got %d, want 4xx", response.StatusCode)
					return
				}
			}
		})
	}
	body := picture(t, 4, 3, red)
	for range 50 {
		response, err := http.Post(url+"/invocations", "image/png", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("a good client got %d, want 200", response.StatusCode)
		}
	}
	bad.Wait()
}

// Connections beyond the limit wait, and are served when there is room.
func TestConnectionLimit(t *testing.T) {
	url, _ := start(t, newServer(t, &fake{}, Config{MaxConnections: 2}))
	ask := func(conn net.Conn) {
		if _, err := io.WriteString(conn, "GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Error(err)
		}
	}
	read := func(conn net.Conn) error {
		_, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 200 OK")))
		return err
	}
	first, second, third := dial(t, url), dial(t, url), dial(t, url)
	for _, conn := range []net.Conn{first, second} {
		ask(conn)
		if err := read(conn); err != nil {
			t.Fatal(err)
		}
	}
	ask(third)
	if err := third.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := read(third); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection over the limit: got %v, want it to wait", err)
	}
	if err := errors.Join(first.Close(), third.SetReadDeadline(time.Now().Add(20*time.Second))); err != nil {
		t.Fatal(err)
	}
	if err := read(third); err != nil {
		t.Errorf("the connection over the limit, after another closed: %v", err)
	}
}

// While it drains, the server goes on answering, says that it is not ready, and
// asks its clients to leave.
func TestDrainDelay(t *testing.T) {
	s := newServer(t, &fake{}, Config{DrainDelay: 300 * time.Millisecond})
	url, stop := start(t, s)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	done := make(chan error, 1)
	go func() { done <- stop() }()
	eventually(t, "the stop", func() bool { return !s.Ready() })
	response, err := client.Post(url+"/invocations", "image/png", bytes.NewReader(picture(t, 4, 3, red)))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK || !response.Close {
		t.Errorf("got %d, close %v; want 200 and the connection closed", response.StatusCode, response.Close)
	}
	response, err = client.Get(url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz: got %d, want 503", response.StatusCode)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A stop under full load loses no request that was accepted: every client gets
// an answer, or could not connect any more.
func TestStopUnderLoad(t *testing.T) {
	s := newServer(t, &fake{slow: time.Millisecond}, Config{DrainDelay: 100 * time.Millisecond})
	url, stop := start(t, s)
	body := picture(t, 4, 3, red)
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+"/invocations", bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				response, err := client.Do(r)
				if err != nil {
					t.Errorf("a request was lost: %v", err)
					return
				}
				_, err = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK {
					t.Errorf("got %d and %v, want a whole answer", response.StatusCode, err)
					return
				}
				if response.Close { // the server asked us to go elsewhere
					return
				}
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	if err := stop(); err != nil {
		t.Error(err)
	}
	clients.Wait()
}
