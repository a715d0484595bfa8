package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of [Config].
const (
	DefaultClients     = 1
	DefaultDuration    = 10 * time.Second
	DefaultTimeout     = time.Minute
	DefaultOutstanding = 4096
)

// Config says what is sent. URL and Bodies are required; the zero value of everything else works.
type Config struct {
	// URL is where the pictures go, such as "http://127.0.0.1:8080/invocations".
	URL string

	// Bodies are sent in turn, as ContentType, "application/x-image" by default.
	Bodies      [][]byte
	ContentType string

	// Bad are bodies that a server should refuse with a status of 4xx; BadShare, 0..1, of the
	// requests send one.
	Bad      [][]byte
	BadShare float64

	// Header is added to each request.
	Header http.Header

	// Clients is how many send at once in a closed loop; 0 means DefaultClients.
	Clients int

	// Rate, in requests a second, makes it an open loop. At most Outstanding requests (0 means
	// DefaultOutstanding) are then under way; those that would be more are counted as dropped.
	Rate        float64
	Outstanding int

	// Warmup is sent but not measured; Duration is measured, 0 meaning DefaultDuration. Requests,
	// where it is not 0, ends the measurement early.
	Warmup, Duration time.Duration
	Requests         int

	// Timeout bounds one request; 0 means DefaultTimeout.
	Timeout time.Duration

	// Seed chooses the bad requests and the times of an open loop.
	Seed uint64

	// Transport is what sends; nil means one with a connection for each client.
	Transport http.RoundTripper
}

// Validate returns an error that names the first field that is wrong.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("load: Config.URL: got %q, want an address such as http://127.0.0.1:8080/invocations", c.URL)
	case len(c.Bodies) == 0:
		return errors.New("load: Config.Bodies: got none, want at least one picture")
	case !(c.BadShare >= 0 && c.BadShare <= 1) || c.BadShare > 0 && len(c.Bad) == 0:
		return fmt.Errorf("load: Config.BadShare: got %v with %d bad bodies, want 0..1 and at least one to send", c.BadShare,
			len(c.Bad))
	case !(c.Rate >= 0) || math.IsInf(c.Rate, 0):
		return fmt.Errorf("load: Config.Rate: got %v, want requests a second", c.Rate)
	case c.Clients < 0 || c.Outstanding < 0 || c.Requests < 0 || c.Warmup < 0 || c.Duration < 0 || c.Timeout < 0:
		return errors.New("load: Config: Clients, Outstanding, Requests, Warmup, Duration and Timeout must not be below 0")
	}
	return nil
}

// Result is what a run measured. Latencies are those of the answers with a status of 2xx, in
// milliseconds.
type Result struct {
	Mode     string         `json:"mode"` // "closed" or "open"
	Clients  int            `json:"clients,omitempty"`
	Rate     float64        `json:"rate,omitempty"` // requests a second that were due
	Seconds  float64        `json:"seconds"`
	Requests int            `json:"requests"` // answered, refused, failed and lost
	Answered int            `json:"answered"` // 2xx
	Refused  int            `json:"refused"`  // 4xx
	Failed   int            `json:"failed"`   // every other status
	Lost     int            `json:"lost"`     // no answer
	Dropped  int            `json:"dropped"`  // never sent: too many were under way
	Wrong    int            `json:"wrong"`    // good bodies refused, or bad ones answered
	Statuses map[string]int `json:"statuses"`
	PerImage Latency        `json:"ms_per_image"`
	Speed    float64        `json:"images_per_second"` // answered
	// of a lost request, or what a good body was answered instead of 2xx
	Example string `json:"first_error,omitempty"`
}

// Latency is a distribution in milliseconds. A percentile is the smallest latency that at least so
// many of a hundred do not exceed.
type Latency struct {
	Min    float64 `json:"min"`
	Mean   float64 `json:"mean"`
	Median float64 `json:"median"`
	P90    float64 `json:"p90"`
	P95    float64 `json:"p95"`
	P99    float64 `json:"p99"`
	P999   float64 `json:"p99.9"`
	Max    float64 `json:"max"`
}

// Try sends the first picture once and returns an error when no load would measure anything: there
// is no answer, or one that says that pictures go elsewhere. A server that is only busy, 429 or
// 503, passes.
func Try(ctx context.Context, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	r := newRunner(cfg)
	defer r.close()
	code, said, err := r.post(ctx, cfg.Bodies[0])
	switch {
	case err != nil:
		return fmt.Errorf("load: the first picture was not answered: %w", err)
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		return nil
	case code/100 != 2:
		return fmt.Errorf("load: %s answered the first picture with %s", cfg.URL, answered(code, said))
	case said == "":
		return fmt.Errorf("load: %s answered the first picture with status %d and nothing else: give the address that "+
			"pictures go to, such as http://127.0.0.1:8080/invocations", cfg.URL, code)
	}
	return nil
}

// answered says what came back.
func answered(code int, said string) string {
	text := strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
	if said = strings.TrimSpace(strings.ToValidUTF8(said, "\uFFFD")); said != "" {
		text += ": " + said
	}
	return text
}

// Run sends until Config.Duration is over or Config.Requests are sent, waits for what is under way,
// and says what it measured. When ctx ends first it returns what it has with the context's error.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := newRunner(cfg)
	defer r.close()
	if r.cfg.Warmup > 0 {
		r.loop(ctx, r.cfg.Warmup, math.MaxInt)
		r.reset()
	}
	limit := r.cfg.Requests
	if limit == 0 {
		limit = math.MaxInt
	}
	begin := time.Now()
	r.loop(ctx, r.cfg.Duration, limit)
	return r.result(time.Since(begin)), ctx.Err()
}

// runner is one run under way.
type runner struct {
	cfg    Config
	client *http.Client
	own    *http.Transport // nil when the transport is the caller's
	sent   atomic.Int64    // chooses the next body

	mu       sync.Mutex
	tally    Result
	latency  []float64
	statuses map[int]int
}

func newRunner(cfg Config) *runner {
	if cfg.ContentType == "" {
		cfg.ContentType = "application/x-image"
	}
	cfg.Clients = orDefault(cfg.Clients, DefaultClients)
	cfg.Outstanding = orDefault(cfg.Outstanding, DefaultOutstanding)
	cfg.Duration = orDefault(cfg.Duration, DefaultDuration)
	cfg.Timeout = orDefault(cfg.Timeout, DefaultTimeout)
	r := &runner{cfg: cfg, statuses: make(map[int]int)}
	transport := cfg.Transport
	if transport == nil {
		most := max(cfg.Clients, 64)
		r.own = &http.Transport{MaxIdleConns: most, MaxIdleConnsPerHost: most, WriteBufferSize: 64 << 10,
			DisableCompression: true}
		transport = r.own
	}
	r.client = &http.Client{Transport: transport, Timeout: cfg.Timeout}
	return r
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func (r *runner) close() {
	if r.own != nil {
		r.own.CloseIdleConnections()
	}
}

// loop sends for a time, or a number of requests.
func (r *runner) loop(ctx context.Context, duration time.Duration, limit int) {
	if r.cfg.Rate > 0 {
		r.open(ctx, duration, limit)
	} else {
		r.closed(ctx, duration, limit)
	}
}

func (r *runner) closed(ctx context.Context, duration time.Duration, limit int) {
	end := time.Now().Add(duration)
	var begun atomic.Int64
	var clients sync.WaitGroup
	for i := range r.cfg.Clients {
		chance := rand.New(rand.NewPCG(r.cfg.Seed, uint64(i)))
		clients.Go(func() {
			for ctx.Err() == nil && time.Now().Before(end) && begun.Add(1) <= int64(limit) {
				r.send(ctx, time.Now(), r.isBad(chance))
			}
		})
	}
	clients.Wait()
}

func (r *runner) open(ctx context.Context, duration time.Duration, limit int) {
	chance := rand.New(rand.NewPCG(r.cfg.Seed, 0))
	places := make(chan struct{}, r.cfg.Outstanding)
	var requests sync.WaitGroup
	defer requests.Wait()
	due, end := time.Now(), time.Now().Add(duration)
	for range limit {
		due = due.Add(time.Duration(chance.ExpFloat64() / r.cfg.Rate * float64(time.Second)))
		if due.After(end) || !sleepUntil(ctx, due) {
			return
		}
		bad, start := r.isBad(chance), due
		select {
		case places <- struct{}{}:
			requests.Go(func() {
				defer func() { <-places }()
				r.send(ctx, start, bad)
			})
		default:
			r.mu.Lock()
			r.tally.Dropped++
			r.mu.Unlock()
		}
	}
}

func sleepUntil(ctx context.Context, t time.Time) bool {
	wait := time.Until(t)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *runner) isBad(chance *rand.Rand) bool {
	return r.cfg.BadShare > 0 && chance.Float64() < r.cfg.BadShare
}

// send sends one request and records its answer, timed from when it was due.
func (r *runner) send(ctx context.Context, due time.Time, bad bool) {
	bodies := r.cfg.Bodies
	if bad {
		bodies = r.cfg.Bad
	}
	body := bodies[int(r.sent.Add(1)-1)%len(bodies)]
	code, said, err := r.post(ctx, body)
	took := time.Since(due)
	if err != nil && ctx.Err() != nil {
		return // the run was ended, not the request lost
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	res := &r.tally
	res.Requests++
	if err != nil {
		res.Lost++
		if res.Example == "" {
			res.Example = err.Error()
		}
		return
	}
	r.statuses[code]++
	switch code / 100 {
	case 2:
		res.Answered++
		r.latency = append(r.latency, float64(took)/float64(time.Millisecond))
	case 4:
		res.Refused++
	default:
		res.Failed++
	}
	if bad && code/100 == 2 || !bad && code/100 == 4 {
		res.Wrong++
	}
	if !bad && code/100 != 2 && res.Example == "" {
		res.Example = answered(code, said)
	}
}

// maxSaid is how much of an answer is kept, in bytes.
const maxSaid = 300

// post sends one body and returns the status and the beginning of the answer.
func (r *runner) post(ctx context.Context, body []byte) (code int, said string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for key, values := range r.cfg.Header {
		request.Header[key] = values
	}
	request.Header.Set("Content-Type", r.cfg.ContentType)
	response, err := r.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	begin, err := io.ReadAll(io.LimitReader(response.Body, maxSaid))
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
	}
	return response.StatusCode, string(begin), errors.Join(err, response.Body.Close())
}

// reset forgets the warm-up.
func (r *runner) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally, r.latency = Result{}, nil
	clear(r.statuses)
}

func (r *runner) result(took time.Duration) *Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	res := r.tally
	res.Mode, res.Clients = "closed", r.cfg.Clients
	if r.cfg.Rate > 0 {
		res.Mode, res.Clients, res.Rate = "open", 0, r.cfg.Rate
	}
	res.Seconds = took.Seconds()
	res.Speed = float64(res.Answered) / took.Seconds()
	res.PerImage = summarize(r.latency)
	res.Statuses = make(map[string]int)
	for code, n := range r.statuses {
		res.Statuses[strconv.Itoa(code)] = n
	}
	return &res
}

// summarize sorts the latencies in place.
func summarize(ms []float64) Latency {
	if len(ms) == 0 {
		return Latency{}
	}
	slices.Sort(ms)
	sum := 0.0
	for _, v := range ms {
		sum += v
	}
	at := func(percent float64) float64 {
		rank := int(math.Ceil(percent/100*float64(len(ms)) - 1e-9))
		return ms[max(rank, 1)-1]
	}
	return Latency{
		Min: ms[0], Mean: sum / float64(len(ms)), Median: at(50), P90: at(90), P95: at(95), P99: at(99), P999: at(99.9),
		Max: ms[len(ms)-1],
	}
}
