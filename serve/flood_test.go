package serve

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

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

// Slow senders of headers and of bodies do not keep good clients out, and are cut off themselves.
func TestSlowLoris(t *testing.T) {
	url, _ := start(t, newServer(t, &fake{},
		Config{ReadHeaderTimeout: 200 * time.Millisecond, RequestTimeout: 400 * time.Millisecond}))
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
	body := colorPNG(t, 4, 3, red)
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

// A flood of 1,000 connections and 10,000 bad requests (a tenth with -short) leaves good clients
// served. It needs some 2,100 open files; Go raises the soft limit itself.
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
	body := colorPNG(t, 4, 3, red)
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

// A sender that never pauses and never gets on has as long as any other: its pace does not prolong
// the deadline, and it holds what has arrived and no more.
func TestDrippingSendersAreCutOff(t *testing.T) {
	const timeout = 500 * time.Millisecond
	s := newServer(t, &fake{}, Config{RequestTimeout: timeout, MaxHeldBytes: 1 << 20, MaxBodyBytes: 256 << 10})
	url, _ := start(t, s)
	const senders = 40
	var dripping sync.WaitGroup
	for i := range senders {
		conn := dial(t, url)
		head := "Content-Length: 200000\r\n\r\n"
		if i%2 == 1 {
			head = "Transfer-Encoding: chunked\r\n\r\n"
		}
		if _, err := io.WriteString(conn, "POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n"+head); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		dripping.Go(func() {
			for {
				select {
				case <-ended:
					return
				case <-time.After(5 * time.Millisecond):
				}
				if _, err := io.WriteString(conn, []string{"x", "1\r\nx\r\n"}[i%2]); err != nil {
					return // it was cut off
				}
			}
		})
		dripping.Go(func() {
			defer close(ended)
			begin := time.Now()
			answer, err := io.ReadAll(conn)
			if err != nil && len(answer) == 0 {
				t.Errorf("sender %d: no answer after %v: %v", i, time.Since(begin), err)
			} else if !strings.HasPrefix(string(answer), "HTTP/1.1 408") {
				t.Errorf("sender %d: got %.60q, want 408", i, answer)
			}
		})
	}
	eventually(t, "all of them to be read", func() bool { return s.bodies.used.Load() >= senders*firstRead })
	if held := s.bodies.used.Load(); held > senders*firstRead {
		t.Errorf("%d senders of some bytes hold %d, want %d", senders, held, senders*firstRead)
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", colorPNG(t, 4, 3, red)), http.StatusOK, "red")
	dripping.Wait()
	eventually(t, "what they held to be free", func() bool { return s.bodies.used.Load() == 0 })
}
