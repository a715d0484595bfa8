package load

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// server answers "good" with 200, "fail" with 500, and everything else with 400.
func server(t testing.TB, before func()) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before != nil {
			before()
		}
		body, err := io.ReadAll(r.Body)
		switch {
		case err != nil || string(body) == "fail":
			w.WriteHeader(http.StatusInternalServerError)
		case string(body) != "good" || r.Header.Get("X-Test") != "1":
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func config(url string) Config {
	return Config{URL: url, Bodies: [][]byte{[]byte("good")}, Header: http.Header{"X-Test": {"1"}}}
}

func TestClosedLoop(t *testing.T) {
	var now, most atomic.Int64
	cfg := config(server(t, func() {
		most.Store(max(most.Load(), now.Add(1)))
		time.Sleep(time.Millisecond)
		now.Add(-1)
	}))
	cfg.Clients, cfg.Requests = 3, 90
	got, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got.Mode != "closed" || got.Requests != 90 || got.Answered != 90 || got.Statuses["200"] != 90 || got.Wrong != 0 {
		t.Errorf("got %+v, want 90 answers", got)
	}
	if most.Load() > 3 {
		t.Errorf("%d requests were under way, want at most 3", most.Load())
	}
	l := got.PerImage
	if !(1 <= l.Min && l.Min <= l.Median && l.Median <= l.P90 && l.P90 <= l.P99 && l.P99 <= l.Max) || got.Speed <= 0 {
		t.Errorf("got %+v, want a distribution from 1 ms up", l)
	}
}

func TestMixedLoad(t *testing.T) {
	cfg := config(server(t, nil))
	cfg.Bodies = append(cfg.Bodies, []byte("fail"))
	cfg.Bad, cfg.BadShare, cfg.Requests, cfg.Seed = [][]byte{[]byte("bad")}, 0.3, 1000, 7
	got, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got.Refused < 200 || got.Refused > 400 || got.Failed == 0 || got.Answered == 0 || got.Wrong != 0 ||
		got.Answered+got.Refused+got.Failed+got.Lost != 1000 {
		t.Errorf("got %+v, want about 300 refused and both others", got)
	}
	cfg = config(server(t, nil))
	cfg.Header, cfg.Requests = nil, 5
	if got, err := Run(t.Context(), cfg); err != nil || got.Wrong != 5 {
		t.Errorf("refused good bodies: got %+v %v, want 5 wrong", got, err)
	}
}

// A stall shows in every request that was due meanwhile, not only in one.
func TestOpenLoopCountsFromWhenARequestIsDue(t *testing.T) {
	var first atomic.Bool
	stalled := make(chan struct{})
	url := server(t, func() {
		if first.CompareAndSwap(false, true) {
			time.AfterFunc(200*time.Millisecond, func() { close(stalled) })
		}
		<-stalled
	})
	cfg := config(url)
	cfg.Rate, cfg.Duration = 500, 150*time.Millisecond
	got, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got.Mode != "open" || got.Answered < 20 || got.Lost != 0 {
		t.Fatalf("got %+v, want some 75 answers", got)
	}
	if got.PerImage.Min < 20 || got.PerImage.Max < 150 {
		t.Errorf("latencies: got %+v, want the stall in each", got.PerImage)
	}
	cfg.Outstanding = 1
	first.Store(false)
	stalled = make(chan struct{})
	if got, err := Run(t.Context(), cfg); err != nil || got.Dropped == 0 {
		t.Errorf("one at a time: got %+v %v, want dropped requests", got, err)
	}
}

func TestWarmupIsNotMeasured(t *testing.T) {
	var total atomic.Int64
	cfg := config(server(t, func() { total.Add(1) }))
	cfg.Warmup, cfg.Requests = 50*time.Millisecond, 10
	got, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got.Requests != 10 || total.Load() <= 10 {
		t.Errorf("measured %d of %d requests, want 10 of more", got.Requests, total.Load())
	}
}

func TestLostRequests(t *testing.T) {
	cfg := config("http://127.0.0.1:1/")
	cfg.Requests = 3
	got, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got.Lost != 3 || got.Example == "" {
		t.Errorf("got %+v, want three lost", got)
	}
}

func TestEndedRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg := config(server(t, cancel))
	if _, err := Run(ctx, cfg); err == nil {
		t.Error("got no error of a run that was ended")
	}
}

func TestPercentiles(t *testing.T) {
	var ms []float64
	for i := range 1000 {
		ms = append(ms, float64(1000-i))
	}
	got := summarize(ms)
	if want := (Latency{1, 500.5, 500, 900, 950, 990, 999, 1000}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := summarize([]float64{3}); got != (Latency{3, 3, 3, 3, 3, 3, 3, 3}) {
		t.Errorf("of one: got %+v", got)
	}
}

func TestConfigNamesTheField(t *testing.T) {
	good := config("http://a/")
	for field, change := range map[string]func(*Config){
		"URL":      func(c *Config) { c.URL = "a/b" },
		"Bodies":   func(c *Config) { c.Bodies = nil },
		"BadShare": func(c *Config) { c.BadShare = 0.5 },
		"Rate":     func(c *Config) { c.Rate = -1 },
		"Clients":  func(c *Config) { c.Clients = -1 },
	} {
		cfg := good
		change(&cfg)
		if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v, want an error that names it", field, err)
		}
	}
}
