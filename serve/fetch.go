package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"code.dny.dev/ssrf"
)

// What fetching is bound by where a test says nothing else.
const (
	defaultFetchBytes     = 25 << 20
	defaultFetchTimeout   = 10 * time.Second
	defaultFetchRedirects = 3
	defaultFetchParallel  = 16
)

// FetchConfig says which pictures the server may fetch for its clients, each of at most 25 MB
// within 10 seconds and over 3 redirects, 16 of them at once. Addresses that are not public
// (loopback, private, link-local, metadata services, and every other special range) and ports other
// than 80 and 443 are refused all the same when the connection is made, after the name was
// resolved, for each redirect anew, and neither proxies nor credentials of the environment are
// used.
type FetchConfig struct {
	// Hosts are the hosts that pictures may come from: names ("img.example.com"), every name below
	// one ("*.example.com"), or "*" for any. At least one.
	Hosts []string

	// Schemes are "https", "http" or both; none means https.
	Schemes []string

	// Of tests, whose hosts are local and slow.
	ports         []uint16
	allowPrefixes []netip.Prefix
	maxBytes      int64
	timeout       time.Duration
	maxRedirects  int // negative: none
	parallel      int
}

// validate returns an error that names the first field that is wrong.
func (c FetchConfig) validate() error {
	if len(c.Hosts) == 0 {
		return errors.New(`serve: FetchConfig.Hosts: got none, want the hosts that pictures may be fetched from, or "*"`)
	}
	for _, h := range c.Hosts {
		if h != "*" && strings.Contains(strings.TrimPrefix(h, "*."), "*") || strings.ContainsAny(h, "/:@ ") || h == "" {
			return fmt.Errorf(`serve: FetchConfig.Hosts: got %q, want a name, "*." before a name, or "*"`, h)
		}
	}
	for _, s := range c.Schemes {
		if s != "http" && s != "https" {
			return fmt.Errorf("serve: FetchConfig.Schemes: got %q, want http or https", s)
		}
	}
	return nil
}

// fetcher fetches pictures by URL.
type fetcher struct {
	cfg    FetchConfig
	client *http.Client
	places chan struct{}
}

func newFetcher(cfg FetchConfig) *fetcher {
	setDefault(&cfg.maxBytes, defaultFetchBytes)
	setDefault(&cfg.timeout, defaultFetchTimeout)
	setDefault(&cfg.maxRedirects, defaultFetchRedirects)
	setDefault(&cfg.parallel, defaultFetchParallel)
	if len(cfg.Schemes) == 0 {
		cfg.Schemes = []string{"https"}
	}
	if len(cfg.ports) == 0 {
		cfg.ports = []uint16{80, 443}
	}
	var v4, v6 []netip.Prefix
	for _, p := range cfg.allowPrefixes {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	guard := ssrf.New(ssrf.WithPorts(cfg.ports...), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
	dialer := &net.Dialer{Timeout: cfg.timeout, Control: guard.Safe}
	f := &fetcher{cfg: cfg, places: make(chan struct{}, cfg.parallel)}
	f.client = &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    cfg.timeout,
			ResponseHeaderTimeout:  cfg.timeout,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns:           cfg.parallel,
			IdleConnTimeout:        30 * time.Second,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: f.redirect,
	}
	return f
}

func (f *fetcher) close() { f.client.CloseIdleConnections() }

// get fetches one picture. Its errors are the caller's fault (400), or its host's (424); none
// repeats the URL, which may carry a signature. The picture is taken from held, as many bytes as
// its slice can hold.
func (f *fetcher) get(ctx context.Context, address string, held *ledger) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, badRequest("the picture's URL is malformed")
	}
	if err := f.allow(u); err != nil {
		return nil, err
	}
	if err := enter(ctx, f.places); err != nil {
		return nil, err
	}
	defer leave(f.places)
	limited, cancel := context.WithTimeout(ctx, f.cfg.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(limited, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, badRequest("the picture's URL is malformed")
	}
	r.Header.Set("Accept", "image/*")
	r.Header.Set("User-Agent", "rehead")
	response, err := f.client.Do(r)
	if err != nil {
		return nil, f.explain(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fail(http.StatusFailedDependency, "the picture's host answered with status %d", response.StatusCode)
	}
	picture, err := held.read(response.Body, response.ContentLength, f.cfg.maxBytes)
	if err != nil {
		return nil, f.explain(ctx, err)
	}
	if int64(len(picture)) > f.cfg.maxBytes {
		held.give(int64(cap(picture)))
		return nil, fail(http.StatusRequestEntityTooLarge, "the fetched picture is larger than the limit of %d bytes",
			f.cfg.maxBytes)
	}
	return picture, nil
}

// allow checks a URL before anything is resolved.
func (f *fetcher) allow(u *url.URL) error {
	switch {
	case !slices.Contains(f.cfg.Schemes, strings.ToLower(u.Scheme)):
		return badRequest("the scheme of the picture's URL is not allowed; want %s", strings.Join(f.cfg.Schemes, " or "))
	case u.User != nil:
		return badRequest("the picture's URL holds a user name, which is not allowed")
	case !f.knows(u.Hostname()):
		return badRequest("the host of the picture's URL is not allowed")
	}
	return nil
}

func (f *fetcher) knows(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host != "" && slices.ContainsFunc(f.cfg.Hosts, func(allowed string) bool {
		allowed = strings.ToLower(allowed)
		below, wild := strings.CutPrefix(allowed, "*")
		return allowed == "*" || host == allowed || wild && strings.HasSuffix(host, below) && len(host) > len(below)
	})
}

func (f *fetcher) redirect(r *http.Request, via []*http.Request) error {
	if len(via) > max(f.cfg.maxRedirects, 0) {
		return badRequest("the picture's URL is redirected more than %d times", max(f.cfg.maxRedirects, 0))
	}
	r.Header.Del("Referer") // it would tell one host the other's URL
	return f.allow(r.URL)
}

// explain says why a fetch failed.
func (f *fetcher) explain(ctx context.Context, err error) error {
	var status *statusError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &status):
		return status
	case errors.Is(err, ssrf.ErrProhibitedIP), errors.Is(err, ssrf.ErrProhibitedPort),
		errors.Is(err, ssrf.ErrProhibitedNetwork):
		return badRequest("the picture's URL leads to an address that is not allowed")
	case errors.Is(err, context.DeadlineExceeded):
		return fail(http.StatusFailedDependency, "the picture did not arrive from its host within %v", f.cfg.timeout)
	}
	return fail(http.StatusFailedDependency, "the picture could not be fetched from its host")
}
