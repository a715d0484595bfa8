package serve

import (
	"net/http"
	"testing"
)

// Contract 33.
func TestContract33Ping(t *testing.T) {
	s := newServer(t, nil, Config{})
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost}
	for _, method := range methods {
		wantStatus(t, do(s.Handler(), method, "/ping", nil), http.StatusServiceUnavailable, "")
	}
	if err := s.Install(t.Context(), &fake{}); err != nil {
		t.Fatal(err)
	}
	for _, method := range methods {
		w := do(s.Handler(), method, "/ping", nil)
		wantStatus(t, w, http.StatusOK, "")
		if w.Body.Len() != 0 {
			t.Errorf("%s /ping: got the body %q, want none", method, w.Body)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, do(s.Handler(), http.MethodGet, "/ping", nil), http.StatusServiceUnavailable, "")
}

func TestPingAnswersWhileTheModelIsBusy(t *testing.T) {
	f := &fake{block: make(chan struct{}), started: make(chan int, 1)}
	s := newServer(t, f, Config{})
	done := make(chan int)
	go func() {
		done <- do(s.Handler(), http.MethodPost, "/invocations", colorPNG(t, 3, 2, red), "Content-Type", "image/png").Code
	}()
	<-f.started
	wantStatus(t, do(s.Handler(), http.MethodGet, "/ping", nil), http.StatusOK, "")
	close(f.block)
	if code := <-done; code != http.StatusOK {
		t.Errorf("the request: got %d, want 200", code)
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
