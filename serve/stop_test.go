package serve

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// While it drains, the server goes on answering, says that it is not ready, and asks its clients to
// leave.
func TestDrainDelay(t *testing.T) {
	s := newServer(t, &fake{}, Config{DrainDelay: 300 * time.Millisecond})
	url, stop := start(t, s)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	done := make(chan error, 1)
	go func() { done <- stop() }()
	eventually(t, "the stop", func() bool { return !s.ready() })
	response, err := client.Post(url+"/invocations", "image/png", bytes.NewReader(colorPNG(t, 4, 3, red)))
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

// A stop under full load loses no request that was accepted: every client gets an answer, or could
// not connect any more.
func TestStopUnderLoad(t *testing.T) {
	s := newServer(t, &fake{slow: time.Millisecond}, Config{DrainDelay: 100 * time.Millisecond})
	url, stop := start(t, s)
	body := colorPNG(t, 4, 3, red)
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+"/invocations",
					bytes.NewReader(body))
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
