package hosts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Collector is the leader's end: it takes files from the other hosts from the moment it is made.
type Collector struct {
	cfg    Config
	dir    string
	most   int64
	server *http.Server

	mu     sync.Mutex
	parts  map[string]inventory // of hosts of sharded channels
	plans  map[string][]byte    // what these are to do
	stay   bool                 // they stay until they have heard that all is done
	done   bool
	seen   map[string]time.Time // last sign of life of each other host
	files  map[string]string    // what was received
	failed error
	ended  error           // why the job is over before it is done: all that is answered from then on
	told   map[string]bool // hosts that need not hear of it: they failed themselves, or have heard
	change chan struct{}   // has room for one: something above changed
}

// Collect starts to listen. Files of at most most bytes go into dir.
func Collect(cfg Config, dir string, most int64) (*Collector, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", cfg.Port))
	if err != nil {
		return nil, fmt.Errorf("sagemaker: hosts: the leader cannot listen on port %d: %w", cfg.Port, err)
	}
	c := &Collector{cfg: cfg, dir: dir, most: most, seen: map[string]time.Time{}, files: map[string]string{},
		parts: map[string]inventory{}, told: map[string]bool{}, change: make(chan struct{}, 1)}
	for _, h := range cfg.Hosts.All {
		if h != cfg.Hosts.Current {
			c.seen[h] = time.Now()
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /alive/{host}", c.guarded(func(string, *http.Request) error { return nil }))
	mux.HandleFunc("POST /file/{host}", c.guarded(c.take))
	mux.HandleFunc("POST /failed/{host}", c.guarded(c.fail))
	mux.HandleFunc("POST /parts/{host}", c.guarded(c.takeParts))
	mux.HandleFunc("POST /plan/{host}", c.asked(c.planOf))
	mux.HandleFunc("POST /done/{host}", c.asked(c.doneFor))
	c.server = &http.Server{Handler: mux, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 1 << 14}
	go func() {
		if err := c.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			c.update(func() { c.failed = errors.Join(c.failed, err) })
		}
	}()
	return c, nil
}

// guarded answers only the other hosts of this job, and takes each request as a sign of life.
func (c *Collector) guarded(do func(host string, r *http.Request) error) http.HandlerFunc {
	return c.answered(func(host string, _ http.ResponseWriter, r *http.Request) error { return do(host, r) })
}

// asked is guarded of a question whose answer may not be known yet.
func (c *Collector) asked(answer func(host string) (body []byte, known bool)) http.HandlerFunc {
	return c.answered(func(host string, w http.ResponseWriter, _ *http.Request) error {
		c.mu.Lock()
		body, known := answer(host)
		c.mu.Unlock()
		if !known {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		_, _ = w.Write(body) // who did not get it asks again
		return nil
	})
}

func (c *Collector) answered(do func(host string, w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host := r.PathValue("host")
		c.mu.Lock()
		_, known := c.seen[host]
		if known = known && r.Header.Get(headerJob) == c.cfg.Job; known {
			c.seen[host] = time.Now()
		}
		c.mu.Unlock()
		if !known {
			http.Error(w, fmt.Sprintf("%s of job %q is not one of ours", host, r.Header.Get(headerJob)), http.StatusForbidden)
			return
		}
		if reason := c.over(host); reason != nil {
			http.Error(w, reason.Error(), http.StatusGone)
			return
		}
		if err := do(host, w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}

// maxParts bounds what a host says of its files, in bytes.
const maxParts = 1 << 30

func (c *Collector) takeParts(host string, r *http.Request) error {
	var have inventory
	body := &lively{r: io.LimitReader(r.Body, maxParts), sign: func() { c.sign(host) }}
	if err := json.NewDecoder(body).Decode(&have); err != nil {
		return fmt.Errorf("what %s has cannot be read: %w", host, err)
	}
	c.update(func() { c.parts[host] = have })
	return nil
}

func (c *Collector) planOf(host string) (plan []byte, known bool) {
	plan, known = c.plans[host]
	return plan, known
}

func (c *Collector) doneFor(host string) ([]byte, bool) {
	if c.done {
		c.told[host] = true
		c.changed()
	}
	return nil, c.done
}

// over is why the job has ended, nil while it goes on; the host that asks has then heard of it.
func (c *Collector) over(host string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		c.told[host] = true
		c.changed()
	}
	return c.ended
}

func (c *Collector) update(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
	c.changed()
}

func (c *Collector) changed() {
	select {
	case c.change <- struct{}{}:
	default:
	}
}

// take receives a host's file. A file that comes again replaces the first.
func (c *Collector) take(host string, r *http.Request) (err error) {
	f, err := os.CreateTemp(c.dir, "arriving-")
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), &lively{r: io.LimitReader(r.Body, c.most+1), sign: func() { c.sign(host) }})
	if err != nil {
		return err
	}
	if got, want := hex.EncodeToString(h.Sum(nil)), r.Header.Get(headerDigest); n > c.most || got != want {
		return fmt.Errorf("file of %s: %d bytes with SHA-256 %.12s arrived, want %.12s and at most %d bytes", host, n, got,
			want, c.most)
	}
	c.update(func() { c.files[host] = f.Name() })
	return nil
}

func (c *Collector) sign(host string) {
	c.mu.Lock()
	c.seen[host] = time.Now()
	c.mu.Unlock()
}

// lively calls sign at every read.
type lively struct {
	r    io.Reader
	sign func()
}

func (l *lively) Read(p []byte) (int, error) {
	l.sign()
	return l.r.Read(p)
}

func (c *Collector) fail(host string, r *http.Request) error {
	reason, err := io.ReadAll(io.LimitReader(r.Body, maxReason))
	if err != nil {
		return err
	}
	c.update(func() {
		c.failed = errors.Join(c.failed, fmt.Errorf("host %s failed: %s", host, reason))
		c.told[host] = true
	})
	return nil
}

// End tells the other hosts that the job is over before it is done, and why, so that none of them
// works or waits on. It returns when all who have not sent their file have heard of it, at the latest
// after two of their signs of life or when ctx ends.
func (c *Collector) End(ctx context.Context, reason error) {
	c.update(func() { c.ended = reason })
	c.heard(ctx)
}

// Finish tells the other hosts of sharded channels that their pictures are not wanted any more. It returns
// as End does.
func (c *Collector) Finish(ctx context.Context) {
	c.update(func() { c.done = true })
	c.heard(ctx)
}

func (c *Collector) heard(ctx context.Context) {
	late := time.NewTimer(2 * c.cfg.alive())
	defer late.Stop()
	for c.waiting() {
		select {
		case <-ctx.Done():
			return
		case <-late.C:
			return
		case <-c.change:
		}
	}
}

// waiting tells whether a host has yet to hear that the job is over, or done.
func (c *Collector) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for host := range c.seen {
		if (c.files[host] == "" || c.stay) && !c.told[host] {
			return true
		}
	}
	return false
}

// Wait returns the other hosts' files by host when all are there. It ends early when a host reports
// a failure or gives no sign of life for the silence of the configuration.
func (c *Collector) Wait(ctx context.Context) (map[string]string, error) {
	err := c.waitFor(ctx, func(host string) bool { return c.files[host] != "" })
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.files), err // a file may come again
}

// waitFor returns when all other hosts have done something, or as Wait does.
func (c *Collector) waitFor(ctx context.Context, has func(host string) bool) error {
	tick := time.NewTicker(max(c.cfg.silence()/20, time.Millisecond))
	defer tick.Stop()
	for {
		if all, err := c.state(has); all || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("sagemaker: hosts: stopped while waiting: %w", context.Cause(ctx))
		case <-c.change:
		case <-tick.C:
		}
	}
}

// state tells whether all hosts have done something, and why there is nothing to wait for.
func (c *Collector) state(has func(host string) bool) (all bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return false, fmt.Errorf("sagemaker: hosts: %w", c.failed)
	}
	all = true
	for host, at := range c.seen {
		if has(host) {
			continue
		}
		all = false
		if quiet := time.Since(at); quiet > c.cfg.silence() {
			return false, fmt.Errorf("sagemaker: hosts: no sign of life from %s for %v: see its log; hosts "+
				"reach each other on port %d", host, quiet.Round(time.Second), c.cfg.Port)
		}
	}
	return all, nil
}

// Close answers what is under way and stops listening.
func (c *Collector) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("sagemaker: hosts: %w", err)
	}
	return nil
}
