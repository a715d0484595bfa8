package serve

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

func request(t testing.TB, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestConfigNamesTheField(t *testing.T) {
	cases := map[string]Config{
		"RequestTimeout":   {RequestTimeout: -1},
		"IdleTimeout":      {IdleTimeout: -1},
		"MaxBodyBytes":     {MaxBodyBytes: -1},
		"Limits.MaxPixels": {},
	}
	bad := cases["Limits.MaxPixels"]
	bad.Limits.MaxPixels = -5
	cases["Limits.MaxPixels"] = bad
	for field, cfg := range cases {
		if _, err := New(nil, cfg); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v, want an error that names it", field, err)
		}
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
}

// start serves on loopback until the returned function is called, which stops the server and
// returns what Serve returned.
func start(t testing.TB, s *Server) (url string, stop func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { _ = stop() })
	return "http://" + listener.Addr().String(), stop
}

// Contract 29: SIGTERM, then 30 s: what was accepted is answered.
func TestContract29StopFinishesAcceptedRequests(t *testing.T) {
	f := &fake{block: make(chan struct{}), started: make(chan int, 1)}
	s := newServer(t, f, Config{})
	url, stop := start(t, s)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	status := make(chan int, 1)
	go func() {
		r := request(t, url+"/invocations", bytes.NewReader(colorPNG(t, 3, 2, red)))
		r.Header.Set("Content-Type", "image/png")
		response, err := client.Do(r)
		if err != nil {
			status <- -1
			return
		}
		_ = response.Body.Close()
		status <- response.StatusCode
	}()
	<-f.started
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for s.ready() {
		time.Sleep(time.Millisecond)
	}
	close(f.block)
	if code := <-status; code != http.StatusOK {
		t.Errorf("the accepted request: got %d, want 200", code)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if response, err := client.Get(url + "/ping"); err == nil {
		_ = response.Body.Close()
		t.Error("the server still accepts after Serve returned")
	}
}

func TestShutdownTimeoutCutsOff(t *testing.T) {
	f := &fake{block: make(chan struct{}), started: make(chan int, 1)}
	s := newServer(t, f, Config{ShutdownTimeout: 30 * time.Millisecond})
	url, stop := start(t, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		response, err := http.Post(url+"/invocations", "image/png", bytes.NewReader(colorPNG(t, 3, 2, red)))
		if err == nil {
			_ = response.Body.Close()
		}
	}()
	<-f.started
	if err := stop(); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("got %v, want an error that says that requests were cut off", err)
	}
	<-done
}

func TestInstallKeepsRequestsUnderWay(t *testing.T) {
	old := &fake{block: make(chan struct{}), started: make(chan int, 1)}
	s := newServer(t, old, Config{})
	done := make(chan int)
	go func() {
		done <- do(s.Handler(), http.MethodPost, "/invocations", colorPNG(t, 3, 2, red), "Content-Type", "image/png").Code
	}()
	<-old.started
	if err := s.Install(t.Context(), &fake{}); err != nil {
		t.Fatal(err)
	}
	if n := old.closes.Load(); n != 0 {
		t.Fatalf("the old model was closed %d times while in use, want 0", n)
	}
	close(old.block)
	if code := <-done; code != http.StatusOK {
		t.Errorf("the request under way: got %d, want 200", code)
	}
	if n := old.closes.Load(); n != 1 {
		t.Errorf("the old model was closed %d times, want 1", n)
	}
}

// Slow senders of headers are cut off.
func TestReadHeaderTimeout(t *testing.T) {
	url, _ := start(t, newServer(t, &fake{}, Config{ReadHeaderTimeout: 30 * time.Millisecond}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("POST /invocations HTTP/1.1\r\nHost: a\r\nX-Slow: ")); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

// A body that stops arriving is answered with 408, or cut off.
func TestSlowBody(t *testing.T) {
	url, _ := start(t, newServer(t, &fake{}, Config{RequestTimeout: 50 * time.Millisecond}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: " +
		"image/png\r\nContent-Length: 100\r\n\r\nabc")); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("the connection was not closed: %v", err)
	}
	if !strings.HasPrefix(string(got), "HTTP/1.1 408") {
		t.Errorf("got %q, want 408", got)
	}
}

func TestHeaderLimit(t *testing.T) {
	url, _ := start(t, newServer(t, &fake{}, Config{MaxHeaderBytes: 4096}))
	r := request(t, url+"/ping", nil)
	r.Header.Set("X-Long", strings.Repeat("a", 64<<10))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %d, want 431", response.StatusCode)
	}
}

// The mode of gin belongs to the program: a server leaves it as it is, and Quiet changes but the one
// that nobody has chosen.
func TestNewLeavesGinsMode(t *testing.T) {
	before := gin.Mode()
	t.Cleanup(func() { gin.SetMode(before) })
	printed := gin.DefaultWriter
	gin.DefaultWriter = io.Discard // in debug mode gin prints its routes
	t.Cleanup(func() { gin.DefaultWriter = printed })
	for mode, quiet := range map[string]string{gin.DebugMode: gin.ReleaseMode, gin.TestMode: gin.TestMode,
		gin.ReleaseMode: gin.ReleaseMode} {
		gin.SetMode(mode)
		s := newServer(t, &fake{}, Config{Page: true})
		wantStatus(t, do(s.Handler(), http.MethodGet, "/ping", nil), http.StatusOK, "")
		if got := gin.Mode(); got != mode {
			t.Errorf("after New the mode is %q, want %q", got, mode)
		}
		if Quiet(); gin.Mode() != quiet {
			t.Errorf("after Quiet the mode is %q, want %q", gin.Mode(), quiet)
		}
	}
}
