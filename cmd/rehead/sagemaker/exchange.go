package sagemaker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// The exchange of a job with several hosts: each of the others sends the leader one file, and a
// sign of life while it makes it.
//
//	POST /alive/HOST     no body
//	POST /file/HOST      the file; its SHA-256 in the header Rehead-Digest
//	POST /failed/HOST    the reason
//
// All carry the job's name in Rehead-Job, so that a stray host of another job is turned away.
const (
	headerJob    = "Rehead-Job"
	headerDigest = "Rehead-Digest"
)

// Times of the exchange.
const (
	DefaultSilence = 5 * time.Minute  // how long a host may give no sign of life
	aliveEvery     = 10 * time.Second // time between signs of life
	retryEvery     = 2 * time.Second  // time between attempts to reach the leader
	maxReason      = 1 << 16          // bytes of a reason
)

// ExchangeConfig says how the hosts of a job find each other. All fields but Silence are needed.
type ExchangeConfig struct {
	Hosts   Hosts
	Job     string        // name of the job
	Port    int           // of the leader
	Silence time.Duration // 0 means DefaultSilence
}

// Leader is the host that trains: the first by name.
func (h Hosts) Leader() string {
	if len(h.All) == 0 {
		return h.Current
	}
	return slices.Min(h.All)
}

// Rank is this host's place among all by name, 0 for the leader; -1 when it is not one of them.
func (h Hosts) Rank() int {
	return slices.Index(slices.Sorted(slices.Values(h.All)), h.Current)
}

func (c ExchangeConfig) silence() time.Duration {
	if c.Silence > 0 {
		return c.Silence
	}
	return DefaultSilence
}

// Collector is the leader's end: it takes files from the other hosts from the moment it is made.
type Collector struct {
	cfg    ExchangeConfig
	dir    string
	most   int64
	server *http.Server

	mu     sync.Mutex
	seen   map[string]time.Time // last sign of life of each other host
	files  map[string]string    // what was received
	failed error
	change chan struct{} // has room for one: something above changed
}

// Collect starts to listen. Files of at most most bytes go into dir.
func Collect(cfg ExchangeConfig, dir string, most int64) (*Collector, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", cfg.Port))
	if err != nil {
		return nil, fmt.Errorf("sagemaker: hosts: the leader cannot listen on port %d: %w", cfg.Port, err)
	}
	c := &Collector{cfg: cfg, dir: dir, most: most, seen: map[string]time.Time{}, files: map[string]string{},
		change: make(chan struct{}, 1)}
	for _, h := range cfg.Hosts.All {
		if h != cfg.Hosts.Current {
			c.seen[h] = time.Now()
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /alive/{host}", c.guarded(func(string, *http.Request) error { return nil }))
	mux.HandleFunc("POST /file/{host}", c.guarded(c.take))
	mux.HandleFunc("POST /failed/{host}", c.guarded(c.fail))
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
		if err := do(host, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}

func (c *Collector) update(do func()) {
	c.mu.Lock()
	do()
	c.mu.Unlock()
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

// lively calls sign for whatever is read.
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
	c.update(func() { c.failed = errors.Join(c.failed, fmt.Errorf("host %s failed: %s", host, reason)) })
	return nil
}

// Wait returns the other hosts' files by host when all are there. It ends early when a host reports
// a failure or gives no sign of life for the silence of the configuration.
func (c *Collector) Wait(ctx context.Context) (map[string]string, error) {
	tick := time.NewTicker(max(c.cfg.silence()/20, time.Millisecond))
	defer tick.Stop()
	for {
		if files, err := c.state(); files != nil || err != nil {
			return files, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("sagemaker: hosts: stopped while waiting: %w", context.Cause(ctx))
		case <-c.change:
		case <-tick.C:
		}
	}
}

// state is nil and nil while there is something to wait for.
func (c *Collector) state() (map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return nil, fmt.Errorf("sagemaker: hosts: %w", c.failed)
	}
	for host, at := range c.seen {
		if quiet := time.Since(at); c.files[host] == "" && quiet > c.cfg.silence() {
			return nil, fmt.Errorf("sagemaker: hosts: no sign of life from %s for %v: see its log; hosts "+
				"reach each other on port %d", host, quiet.Round(time.Second), c.cfg.Port)
		}
	}
	if len(c.files) < len(c.seen) {
		return nil, nil
	}
	return c.files, nil
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

// Contribute is the other hosts' end: it makes a file by calling work, giving signs of life
// meanwhile, and sends it to the leader. A failure of work is told to the leader and returned. The
// leader may start later than this host, and its name may resolve late.
func Contribute(ctx context.Context, cfg ExchangeConfig, work func(context.Context) (file string, err error)) error {
	s := &sender{cfg: cfg, client: &http.Client{Transport: &http.Transport{Proxy: nil,
		ResponseHeaderTimeout: cfg.silence()}}}
	defer s.client.CloseIdleConnections()
	working, done := context.WithCancel(ctx)
	var beat sync.WaitGroup
	beat.Go(func() { s.beat(working) })
	file, err := work(ctx)
	done()
	beat.Wait()
	if err != nil {
		tell, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = s.post(tell, "failed", strings.NewReader(err.Error()), "") // what counts is err itself
		return err
	}
	return s.send(ctx, file)
}

type sender struct {
	cfg    ExchangeConfig
	client *http.Client
}

// refusal is the leader's answer that it will not have what it was sent.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

func (s *sender) post(ctx context.Context, what string, body io.Reader, digest string) error {
	url := fmt.Sprintf("http://%s/%s/%s", net.JoinHostPort(s.cfg.Hosts.Leader(), fmt.Sprint(s.cfg.Port)), what,
		s.cfg.Hosts.Current)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	r.Header.Set(headerJob, s.cfg.Job)
	if digest != "" {
		r.Header.Set(headerDigest, digest)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxReason))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return &refusal{fmt.Sprintf("the leader %s answers %s: %s", s.cfg.Hosts.Leader(), answer.Status,
			strings.TrimSpace(string(text)))}
	}
	return nil
}

// beat gives signs of life until ctx ends; whether the leader hears them shows when the file is
// sent.
func (s *sender) beat(ctx context.Context) {
	tick := time.NewTicker(min(aliveEvery, s.cfg.silence()/5))
	defer tick.Stop()
	for {
		_ = s.post(ctx, "alive", nil, "")
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// send delivers the file, again and again while the leader cannot be reached.
func (s *sender) send(ctx context.Context, file string) error {
	digest, err := digestOf(file)
	if err != nil {
		return fmt.Errorf("sagemaker: hosts: %w", err)
	}
	for began := time.Now(); ; {
		err := s.deliver(ctx, file, digest)
		var no *refusal
		switch {
		case err == nil:
			return nil
		case errors.As(err, &no):
			return fmt.Errorf("sagemaker: hosts: %w", err)
		case ctx.Err() != nil:
			return fmt.Errorf("sagemaker: hosts: stopped while sending: %w", context.Cause(ctx))
		case time.Since(began) > s.cfg.silence():
			return fmt.Errorf("sagemaker: hosts: the leader %s cannot be reached for %v: %w", s.cfg.Hosts.Leader(),
				s.cfg.silence(), err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(retryEvery, s.cfg.silence()/10)):
		}
	}
}

func (s *sender) deliver(ctx context.Context, file, digest string) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return s.post(ctx, "file", io.NopCloser(f), digest)
}

func digestOf(file string) (_ string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
