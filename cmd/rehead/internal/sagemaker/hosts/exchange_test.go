package hosts

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// freePort is one that nobody listens on at the moment.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// three hosts on the loopback, as host k sees them.
func three(port int, k string) Config {
	return Config{Job: "job", Port: port, Silence: 2 * time.Second,
		Hosts: List{Current: k, All: []string{"127.0.0.3", "127.0.0.1", "127.0.0.2"}}}
}

func fileWith(t *testing.T, text string) func(context.Context) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(context.Context) (string, error) { return path, nil }
}

func collect(t *testing.T, cfg Config, most int64) *Collector {
	t.Helper()
	c, err := Collect(cfg, t.TempDir(), most)
	if err != nil {
		t.Skip(err) // no such port on this machine
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// The other hosts start before the leader listens, and their files arrive whole.
func TestExchange(t *testing.T) {
	port := freePort(t)
	sent := make(chan error, 2)
	for _, host := range []string{"127.0.0.2", "127.0.0.3"} {
		work := fileWith(t, strings.Repeat(host, 100_000))
		go func() { sent <- Contribute(t.Context(), three(port, host), work) }()
	}
	time.Sleep(50 * time.Millisecond)
	files, err := collect(t, three(port, "127.0.0.1"), 1<<21).Wait(t.Context())
	if err != nil || len(files) != 2 {
		t.Fatalf("got %v, %v; want two files", files, err)
	}
	for host, path := range files {
		if data, err := os.ReadFile(path); err != nil || string(data) != strings.Repeat(host, 100_000) {
			t.Errorf("%s: got %d bytes, %v", host, len(data), err)
		}
	}
	for range 2 {
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
}

// TestRegression_FilesThatComeAgain: what Wait has returned stays as it was when a host, which has not heard
// that its file arrived, sends it again.
func TestRegression_FilesThatComeAgain(t *testing.T) {
	port := freePort(t)
	c := collect(t, three(port, "127.0.0.1"), 100)
	for _, host := range []string{"127.0.0.2", "127.0.0.3"} {
		if err := Contribute(t.Context(), three(port, host), fileWith(t, "once")); err != nil {
			t.Fatal(err)
		}
	}
	files, err := c.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := files["127.0.0.2"]
	if err := Contribute(t.Context(), three(port, "127.0.0.2"), fileWith(t, "once")); err != nil {
		t.Fatal(err)
	}
	if got := files["127.0.0.2"]; got != before || before == "" {
		t.Errorf("got %q, and then %q", before, got)
	}
}

func TestExchangeFailures(t *testing.T) {
	t.Run("a host reports its failure", func(t *testing.T) {
		port := freePort(t)
		c := collect(t, three(port, "127.0.0.1"), 100)
		boom := errors.New("no trunk here")
		if err := Contribute(t.Context(), three(port, "127.0.0.2"), func(context.Context) (string, error) {
			return "", boom
		}); !errors.Is(err, boom) {
			t.Errorf("the host: got %v, want its own error", err)
		}
		if _, err := c.Wait(t.Context()); err == nil ||
			!strings.Contains(err.Error(), "host 127.0.0.2 failed: no trunk here") {
			t.Errorf("the leader: got %v, want the host and its reason", err)
		}
	})
	t.Run("the others hear of a failure", func(t *testing.T) {
		port := freePort(t)
		works, sends := make(chan error, 1), make(chan error, 1)
		go func() { // one that would work for a minute
			works <- Contribute(t.Context(), three(port, "127.0.0.2"), func(ctx context.Context) (string, error) {
				select {
				case <-ctx.Done():
				case <-time.After(time.Minute):
				}
				return "", ctx.Err()
			})
		}()
		late := three(port, "127.0.0.3") // one that is done only after the failure
		late.Silence = time.Hour
		time.Sleep(50 * time.Millisecond)
		c := collect(t, three(port, "127.0.0.1"), 100)
		go func() {
			time.Sleep(100 * time.Millisecond)
			sends <- Contribute(t.Context(), late, fileWith(t, "x"))
		}()
		began := time.Now()
		c.End(t.Context(), errors.New("no trunk here"))
		for name, heard := range map[string]chan error{"at work": works, "sending": sends} {
			if err := <-heard; err == nil || !strings.Contains(err.Error(), "no trunk here") {
				t.Errorf("%s: got %v, want the reason", name, err)
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the others heard of it after %v", took)
		}
	})
	t.Run("a leader that comes late to a failure", func(t *testing.T) {
		port, boom := freePort(t), errors.New("no trunk here")
		failed := make(chan error, 1)
		go func() {
			failed <- Contribute(t.Context(), three(port, "127.0.0.2"), func(context.Context) (string, error) { return "", boom })
		}()
		time.Sleep(50 * time.Millisecond)
		if _, err := collect(t, three(port, "127.0.0.1"), 100).Wait(t.Context()); err == nil ||
			!strings.Contains(err.Error(), "host 127.0.0.2 failed: no trunk here") {
			t.Errorf("the leader: got %v, want the host and its reason", err)
		}
		if err := <-failed; !errors.Is(err, boom) {
			t.Errorf("the host: got %v, want its own error", err)
		}
	})
	t.Run("a silent host", func(t *testing.T) {
		cfg := three(freePort(t), "127.0.0.1")
		cfg.Silence = 50 * time.Millisecond
		if _, err := collect(t, cfg, 100).Wait(t.Context()); err == nil ||
			!strings.Contains(err.Error(), "no sign of life from 127.0.0.") {
			t.Errorf("got %v, want the silent host named", err)
		}
	})
	t.Run("no leader", func(t *testing.T) {
		cfg := three(freePort(t), "127.0.0.2")
		cfg.Silence = 100 * time.Millisecond
		if err := Contribute(t.Context(), cfg, fileWith(t, "x")); err == nil ||
			!strings.Contains(err.Error(), "leader 127.0.0.1 cannot be reached") {
			t.Errorf("got %v, want the leader named", err)
		}
	})
	t.Run("another job, another host, too large", func(t *testing.T) {
		port := freePort(t)
		c := collect(t, three(port, "127.0.0.1"), 100)
		other := three(port, "127.0.0.2")
		other.Job = "another"
		stray := three(port, "127.0.0.9")
		for name, c := range map[string]struct {
			cfg  Config
			text string
			want string
		}{
			"job": {other, "x", "not one of ours"}, "host": {stray, "x", "not one of ours"},
			"size": {three(port, "127.0.0.2"), strings.Repeat("x", 101), "at most 100 bytes"},
		} {
			if err := Contribute(t.Context(), c.cfg, fileWith(t, c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %q", name, err, c.want)
			}
		}
		if len(c.files) != 0 {
			t.Errorf("got %v, want nothing taken", c.files)
		}
	})
	t.Run("a file that arrives changed", func(t *testing.T) {
		port := freePort(t)
		c := collect(t, three(port, "127.0.0.1"), 100)
		s := &sender{cfg: three(port, "127.0.0.2"), client: &http.Client{}}
		if err := s.post(t.Context(), "file", strings.NewReader("bent"), strings.Repeat("0", 64)); err == nil ||
			!strings.Contains(err.Error(), "want 000000000000") {
			t.Errorf("got %v, want both digests", err)
		}
		if left, err := os.ReadDir(c.dir); err != nil || len(left) != 0 {
			t.Errorf("left %v behind (%v)", left, err)
		}
	})
	t.Run("stopped", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := collect(t, three(freePort(t), "127.0.0.1"), 100).Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("the leader: got %v, want the cancellation", err)
		}
		if err := Contribute(ctx, three(freePort(t), "127.0.0.2"), fileWith(t, "x")); !errors.Is(err, context.Canceled) {
			t.Errorf("a host: got %v, want the cancellation", err)
		}
	})
}
