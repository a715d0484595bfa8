package serve

import (
	"bytes"
	"context"
	"errors"
	"image/color"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
)

// TestMounted: the handler answers below a path of net/http's mux, of chi and of gin, as it does alone,
// and the routes around it stay the program's.
func TestMounted(t *testing.T) {
	s := newServer(t, &fake{}, Config{Page: true})
	h := http.StripPrefix("/flowers", s.Handler())
	own := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "own") }

	mux := http.NewServeMux()
	mux.Handle("/flowers/", h)
	mux.HandleFunc("/own", own)

	router := chi.NewRouter()
	router.Mount("/flowers", h)
	router.Get("/own", own)

	engine := gin.New()
	engine.Any("/flowers/*path", gin.WrapH(h))
	engine.GET("/own", gin.WrapF(own))

	picture := colorPNG(t, 8, 8, color.RGBA{10, 20, 30, 255})
	alone := do(s.Handler(), http.MethodPost, "/invocations", picture)
	wantStatus(t, alone, http.StatusOK, "")
	for name, r := range map[string]http.Handler{"net/http": mux, "chi": router, "gin": engine} {
		got := do(r, http.MethodPost, "/flowers/invocations", picture)
		if got.Code != http.StatusOK || got.Body.String() != alone.Body.String() {
			t.Errorf("%s: got %d %s, want %s", name, got.Code, got.Body, alone.Body)
		}
		for path, want := range map[string]string{"/flowers/ping": "", "/flowers/": "page.css", "/flowers/page.js": "The page",
			"/flowers/metrics": "rehead_requests_total", "/own": "own"} {
			if got := do(r, http.MethodGet, path, nil); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), want) {
				t.Errorf("%s: %s: got %d %.200s", name, path, got.Code, got.Body)
			}
		}
		if got := do(r, http.MethodGet, "/flowers/nothing", nil); got.Code != http.StatusNotFound {
			t.Errorf("%s: got %d for no route, want 404", name, got.Code)
		}
	}
}

// TestOwnRegistry: a program's registry shows the server's metrics until it is closed; a second server
// needs labels of its own and leaves nothing behind without them.
func TestOwnRegistry(t *testing.T) {
	registry := prometheus.NewRegistry()
	count := func() int {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range families {
			if strings.HasPrefix(f.GetName(), "go_") || strings.HasPrefix(f.GetName(), "process_") {
				t.Errorf("the program's registry was given %s", f.GetName())
			}
			n += len(f.GetMetric())
		}
		return n
	}
	first := newServer(t, &fake{}, Config{Registerer: registry})
	wantStatus(t, do(first.Handler(), http.MethodGet, "/ping", nil), http.StatusOK, "")
	before := count()
	if before < 5 {
		t.Errorf("got %d metrics, want the server's", before)
	}
	if _, err := New(nil, Config{Registerer: registry}); err == nil || !strings.Contains(err.Error(), "WrapRegistererWith") {
		t.Errorf("a second server in one registry: got %v", err)
	}
	if got := count(); got != before {
		t.Errorf("a refused server left %d metrics", got-before)
	}
	second, err := New(nil, Config{Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"model": "b"}, registry)})
	if err == nil {
		t.Errorf("collectors of other labels: want an error of the registry, got none")
		_ = second.Close()
	}
	other := prometheus.NewRegistry()
	if second, err = New(nil, Config{Registerer: prometheus.WrapRegistererWithPrefix("b_", other)}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 0 {
		t.Errorf("%d metrics are left of a closed server", n)
	}
}

// TestDrain: a server that is drained tells its checks and goes on answering.
func TestDrain(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	picture := colorPNG(t, 8, 8, color.RGBA{1, 2, 3, 255})
	s.Drain()
	for _, path := range []string{"/ping", "/readyz", "/v2/health/ready"} {
		if got := do(s.Handler(), http.MethodGet, path, nil); got.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d, want 503", path, got.Code)
		}
	}
	got := do(s.Handler(), http.MethodPost, "/invocations", picture)
	if got.Code != http.StatusOK || got.Header().Get("Connection") != "close" {
		t.Errorf("got %d, Connection %q, want an answer and close", got.Code, got.Header().Get("Connection"))
	}
	if got := do(s.Handler(), http.MethodGet, "/livez", nil); got.Code != http.StatusOK {
		t.Errorf("/livez: got %d", got.Code)
	}
}

// TestAfterClose: a closed server says that it is, in its answers and its errors, and does nothing more.
func TestAfterClose(t *testing.T) {
	s := newServer(t, &fake{}, Config{MultiModel: true, Open: func(context.Context, string) (Classifier, error) { return &fake{}, nil }, Page: true})
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	picture := colorPNG(t, 8, 8, color.RGBA{1, 2, 3, 255})
	for _, r := range []struct {
		method, path string
		body         []byte
		want         int
		says         string
	}{
		{http.MethodPost, "/invocations", picture, 503, "closed"}, {http.MethodPost, "/models/a/invoke", picture, 503, "closed"},
		{http.MethodGet, "/models", nil, 503, "closed"}, {http.MethodGet, "/v2/models/model", nil, 503, "closed"},
		{http.MethodPost, "/v1/explain", picture, 503, "closed"}, {http.MethodGet, "/ping", nil, 503, ""},
		{http.MethodGet, "/readyz", nil, 503, ""}, {http.MethodGet, "/livez", nil, 200, ""},
		{http.MethodGet, "/metrics", nil, 200, "rehead_ready 0"}, {http.MethodGet, "/nothing", nil, 404, ""},
	} {
		got := do(s.Handler(), r.method, r.path, r.body)
		if got.Code != r.want || !strings.Contains(got.Body.String(), r.says) {
			t.Errorf("%s: got %d %.200s, want %d %s", r.path, got.Code, got.Body, r.want, r.says)
		}
	}
	if err := s.Install(t.Context(), &fake{}); !errors.Is(err, ErrClosed) {
		t.Errorf("install: got %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), l); !errors.Is(err, ErrClosed) {
		t.Errorf("serve: got %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is still open")
	}
	if err := s.Watch(t.Context(), t.TempDir(), "", time.Millisecond); !errors.Is(err, ErrClosed) {
		t.Errorf("watch: got %v", err)
	}
}

// TestGlobalsStay: a server changes nothing that belongs to the whole program.
func TestGlobalsStay(t *testing.T) {
	mode, logger, writer := gin.Mode(), slog.Default(), log.Writer()
	metrics := func() int {
		families, err := prometheus.DefaultGatherer.Gather()
		if err != nil {
			t.Fatal(err)
		}
		return len(families)
	}
	families := metrics()
	var logged bytes.Buffer
	s := newServer(t, &fake{}, Config{Page: true, Registerer: prometheus.NewRegistry(),
		Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	response, err := http.Post(server.URL+"/invocations", "image/png", bytes.NewReader(colorPNG(t, 8, 8, color.RGBA{1, 2, 3, 255})))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if !strings.Contains(logged.String(), "/invocations") {
		t.Errorf("the program's own logger got %q", logged.String())
	}
	_, pattern := http.DefaultServeMux.Handler(httptest.NewRequest(http.MethodPost, "/invocations", nil))
	if gin.Mode() != mode || slog.Default() != logger || log.Writer() != writer || metrics() != families ||
		pattern != "" {
		t.Error("a server changed gin's mode, the default logger, registry or mux")
	}
}
