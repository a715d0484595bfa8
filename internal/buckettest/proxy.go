package buckettest

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Fault is what a Proxy does to an answer.
type Fault int

// The faults. Cut and Rechunk leave half of the body, Cut under its full Content-Length, Rechunk in
// chunks that end as if that were all; Slow waits in its middle, Corrupt changes a byte, Busy is a
// 503 in its place and Refuse a 403.
const (
	None Fault = iota
	Cut
	Rechunk
	Slow
	Corrupt
	Busy
	Refuse
)

// Proxy passes requests on to a server.
type Proxy struct {
	URL string
	// says what happens to the n-th get of an object, counted from 1; nil: nothing
	Gets func(n int64, r *http.Request) Fault
	// says whether a put of an object is refused; nil: none is
	Puts func(r *http.Request) Fault

	Objects  atomic.Int64 // gets of objects
	Listings atomic.Int64
	Others   atomic.Int64
	Bytes    atomic.Int64 // of objects' bodies that were handed on

	spoiled atomic.Int64

	mu     sync.Mutex
	faults map[Fault]int
}

// NewProxy starts a proxy before the server at target. It ends with the test, and AWS's variables
// name it.
func NewProxy(t *testing.T, target string) *Proxy {
	t.Helper()
	return newProxy(t, target, (*httptest.Server).Start)
}

// NewTLSProxy is NewProxy with TLS, whose certificate nobody knows but the file that AWS_CA_BUNDLE names.
func NewTLSProxy(t *testing.T, target string) *Proxy {
	t.Helper()
	var s *httptest.Server
	p := newProxy(t, target, func(of *httptest.Server) { s = of; s.StartTLS() })
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", file)
	return p
}

func newProxy(t *testing.T, target string, start func(*httptest.Server)) *Proxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{faults: map[Fault]int{}}
	back := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Host = r.In.Host // it is signed
		},
		ErrorLog:  log.New(io.Discard, "", 0), // bodies that are cut are meant to be
		Transport: &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true},
		ModifyResponse: func(r *http.Response) error {
			if f, ok := r.Request.Context().Value(faultKey{}).(Fault); ok {
				p.spoil(r, f)
			}
			return nil
		},
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.serve(back, w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that refuse the certificate are meant to
	start(s)
	t.Cleanup(s.Close)
	p.URL = s.URL
	Environment(t, p.URL)
	return p
}

// Met is how often each fault happened.
func (p *Proxy) Met(f Fault) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults[f]
}

type faultKey struct{}

func (p *Proxy) serve(back http.Handler, w http.ResponseWriter, r *http.Request) {
	object := strings.Count(strings.Trim(r.URL.Path, "/"), "/") > 0
	switch {
	case r.Method == http.MethodGet && object && r.URL.RawQuery == "":
		n := p.Objects.Add(1)
		if p.Gets == nil {
			break
		}
		f := p.Gets(n, r)
		p.mu.Lock()
		p.faults[f]++
		p.mu.Unlock()
		if f == Busy {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `<Error><Code>SlowDown</Code><Message>later</Message></Error>`)
			return
		}
		r = r.WithContext(withFault(r, f))
	case r.Method == http.MethodPut && object && p.Puts != nil && p.Puts(r) == Refuse:
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<Error><Code>AccessDenied</Code><Message>no</Message></Error>`)
		return
	case r.Method == http.MethodGet:
		p.Listings.Add(1)
	default:
		p.Others.Add(1)
	}
	back.ServeHTTP(w, r)
}

// spoil puts a fault into an answer.
func (p *Proxy) spoil(r *http.Response, f Fault) {
	if r.StatusCode/100 != 2 {
		return
	}
	n := r.ContentLength
	b := &body{ReadCloser: r.Body, p: p, fault: f, left: n, half: n / 2}
	if r.Body = b; f == Rechunk && n > 0 {
		r.ContentLength = -1
		r.Header.Del("Content-Length")
	}
}

// body is one with a fault in its middle.
type body struct {
	io.ReadCloser
	p          *Proxy
	fault      Fault
	left, half int64
}

func (b *body) Read(q []byte) (int, error) {
	middle := b.left - b.half // bytes up to it
	if b.fault == None || b.left < 2 {
		n, err := b.ReadCloser.Read(q)
		b.left -= int64(n)
		b.p.Bytes.Add(int64(n))
		return n, err
	}
	if middle > 0 {
		q = q[:min(int64(len(q)), middle)]
		n, err := b.ReadCloser.Read(q)
		b.left -= int64(n)
		b.p.Bytes.Add(int64(n))
		return n, err
	}
	fault := b.fault
	switch b.fault = None; fault {
	case Cut:
		return 0, io.ErrUnexpectedEOF
	case Rechunk:
		b.fault = Rechunk
		return 0, io.EOF
	case Slow:
		time.Sleep(time.Second)
	case Corrupt:
		n, err := b.Read(q)
		if n > 0 {
			q[0] ^= byte(1 + b.p.spoiled.Add(1)%255) // never the same twice in a row
		}
		return n, err
	}
	return b.Read(q)
}

func withFault(r *http.Request, f Fault) context.Context {
	return context.WithValue(r.Context(), faultKey{}, f)
}
