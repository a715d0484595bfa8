package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/inception/internal/fixture"
	"github.com/c236555e/rehead/internal/filelock"
)

func now(int) time.Duration { return 0 }

// narrow is an entry for the small Keras file, under a name that exists.
func narrow(t *testing.T) (Entry, []byte) {
	t.Helper()
	b := fixture.Read(t, "keras.h5")
	sum := sha256.Sum256(b)
	r := inception.Keras.Recipe()
	r.Size = 139
	return Entry{
		Name: "keras", File: "small.h5", URL: "https://127.0.0.1:1/never", SHA256: hex.EncodeToString(sum[:]),
		Size:   int64(len(b)),
		Flavor: inception.Keras, Recipe: r, Classes: 10,
	}, b
}

// host serves b, the n-th request cut off after cut[n] bytes; it counts what it sent.
type host struct {
	b       []byte
	etag    string
	cut     []int
	asked   []string // Range headers
	sent    atomic.Int64
	ignores bool // the Range header
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := len(h.asked)
	h.asked = append(h.asked, r.Header.Get("Range"))
	if h.ignores {
		r.Header.Del("Range")
	}
	w.Header().Set("ETag", h.etag)
	var out http.ResponseWriter = &counter{w, &h.sent, -1}
	if n < len(h.cut) {
		out = &counter{w, &h.sent, h.cut[n]}
	}
	http.ServeContent(out, r, "", time.Time{}, bytes.NewReader(h.b))
}

// counter panics, which drops the connection, after limit bytes.
type counter struct {
	http.ResponseWriter
	sent  *atomic.Int64
	limit int
}

func (c *counter) Write(b []byte) (int, error) {
	if c.limit >= 0 && len(b) > c.limit {
		n, _ := c.ResponseWriter.Write(b[:c.limit])
		c.sent.Add(int64(n))
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	n, err := c.ResponseWriter.Write(b)
	c.sent.Add(int64(n))
	if c.limit >= 0 {
		c.limit -= n
	}
	return n, err
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// listing lists what is in the store, without locks.
func listing(t *testing.T, s Store) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(s.Dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(p, ".lock") {
			rel, _ := filepath.Rel(s.Dir, p)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPull(t *testing.T) {
	e, b := narrow(t)
	s := Store{t.TempDir()}
	h := &host{b: b, etag: `"one"`}
	from := serve(t, h)
	if _, err := s.Lookup("keras"); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), "weights pull keras") {
		t.Errorf("before: got error %v", err)
	}
	var last, total int64
	p, err := s.pullEntry(context.Background(), e, PullConfig{From: from, Progress: func(d, n int64) {
		last, total = d, n
	}})
	if err != nil {
		t.Fatal(err)
	}
	if last != e.Size || total != e.Size {
		t.Errorf("progress ended at %d of %d, want %d", last, total, e.Size)
	}
	if got := listing(t, s); len(got) != 2 {
		t.Errorf("the store holds %v, want a set and its weights", got)
	}
	if p.FileSHA256 != e.SHA256 || p.From != from+"/small.h5" {
		t.Errorf("got %+v", p)
	}
	w, err := s.Resolve("keras")
	if err != nil {
		t.Fatal(err)
	}
	if w.Digest != p.Digest || w.Recipe != e.Recipe || w.Classes != 10 || w.Source != e.URL {
		t.Errorf("got flavour %s, recipe %+v, %d classes from %s", w.Flavor, w.Recipe, w.Classes, w.Source)
	}
	r, err := s.Verify(context.Background(), "keras")
	if err != nil || r.Distance != 0 {
		t.Errorf("verify: %+v, %v", r, err)
	}
	if _, err := s.pullEntry(context.Background(), e, PullConfig{From: from}); err != nil || len(h.asked) != 1 {
		t.Errorf("pulled again: %v after %d requests, want none more than 1", err, len(h.asked))
	}
	list, err := s.Pulls()
	if err != nil || len(list) != 1 || list[0].Name != "keras" {
		t.Errorf("list: %v, %v", list, err)
	}
	change(t, s.Path(p), -5)
	if _, err := s.Verify(context.Background(), "keras"); err == nil ||
		!strings.Contains(err.Error(), "has changed on disk") {
		t.Errorf("verify a changed file: got error %v", err)
	}
	if _, err := s.pullEntry(context.Background(), e, PullConfig{From: from}); err != nil || len(h.asked) != 2 {
		t.Errorf("mend: %v after %d requests", err, len(h.asked))
	}
	if _, err := s.Verify(context.Background(), "keras"); err != nil {
		t.Errorf("verify the mended set: %v", err)
	}
}

// change flips a byte, counted from the end when at is negative.
func change(t *testing.T, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestResume: a connection that breaks twice costs no byte twice, whether the same call takes it up
// or the next one.
func TestResume(t *testing.T) {
	e, b := narrow(t)
	for _, retries := range []int{5, -1} {
		t.Run(fmt.Sprint("retries ", retries), func(t *testing.T) {
			s := Store{t.TempDir()}
			h := &host{b: b, etag: `"one"`, cut: []int{300_000, 200_000}}
			cfg := PullConfig{From: serve(t, h), Retries: retries, Wait: now}
			var err error
			for range 3 {
				if _, err = s.pullEntry(context.Background(), e, cfg); err == nil {
					break
				}
				if got := listing(t, s); len(got) > 2 || strings.Contains(fmt.Sprint(got), "weights") {
					t.Fatalf("after an interruption the store holds %v", got)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(h.asked) != 3 || h.asked[0] != "" || h.asked[1] != "bytes=300000-" || h.asked[2] != "bytes=500000-" {
				t.Errorf("asked for %q", h.asked)
			}
			if got := h.sent.Load(); got != e.Size {
				t.Errorf("%d bytes were sent, want %d", got, e.Size)
			}
		})
	}
}

// TestReplaced: the file changes on the server between two attempts; nothing of the old one may
// survive.
func TestReplaced(t *testing.T) {
	e, b := narrow(t)
	s := Store{t.TempDir()}
	old := &host{b: bytes.Repeat([]byte("x"), len(b)), etag: `"old"`, cut: []int{400_000}}
	fresh := &host{b: b, etag: `"new"`}
	var h http.Handler = old
	from := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	if _, err := s.pullEntry(context.Background(), e, PullConfig{From: from, Retries: -1}); err == nil {
		t.Fatal("want an interruption")
	}
	h = fresh
	if _, err := s.pullEntry(context.Background(), e, PullConfig{From: from, Retries: -1}); err != nil {
		t.Fatal(err)
	}
	if fresh.sent.Load() != e.Size {
		t.Errorf("%d bytes were sent, want all %d", fresh.sent.Load(), e.Size)
	}
	s = Store{t.TempDir()} // a server that knows no ranges
	h = &host{b: b, etag: `"one"`, cut: []int{400_000}, ignores: true}
	if _, err := s.pullEntry(context.Background(), e, PullConfig{From: from, Wait: now}); err != nil {
		t.Errorf("without ranges: %v", err)
	}
}

func TestRefused(t *testing.T) {
	e, b := narrow(t)
	tampered := append([]byte(nil), b...)
	tampered[len(b)-3] ^= 1
	other := func(change func(*Entry)) Entry {
		x := e
		change(&x)
		return x
	}
	away := http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound)
	for _, c := range []struct {
		name string
		e    Entry
		h    http.Handler
		want string
	}{
		{"tampered", e, &host{b: tampered}, "got SHA-256"},
		{"tampered, with half a digest", other(func(e *Entry) {
			e.SHA256 = e.SHA256[:8]
		}), &host{b: tampered}, "want " + e.SHA256[:8]},
		{"too long", e, &host{b: append(b, 0)}, "it is not the published file"},
		{"too short", e, &host{b: b[:1000]}, "it is not the published file"},
		{"not there", e, http.NotFoundHandler(), "404"},
		{"no weights", other(func(e *Entry) {
			e.SHA256, e.Size = "", 0
		}), &host{b: []byte("<html>")}, "is not a weight file"},
		{"other classes", other(func(e *Entry) { e.Classes = 1000 }), &host{b: b}, "10 classes"},
		{"a broken server", e, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }), "503"},
		{"a range from elsewhere", e, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 7-9/10")
			w.WriteHeader(206)
		}), "from byte 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Store{t.TempDir()}
			_, err := s.pullEntry(context.Background(), c.e, PullConfig{From: serve(t, c.h), Retries: 1, Wait: now})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got error %v, want one with %q", err, c.want)
			}
			for _, f := range listing(t, s) {
				if !strings.HasPrefix(f, "partial/") {
					t.Errorf("the store holds %s", f)
				}
			}
		})
	}
	plain := httptest.NewTLSServer(away)
	defer plain.Close()
	client := plain.Client()
	client.CheckRedirect = stayEncrypted
	if _, err := (Store{t.TempDir()}).pullEntry(context.Background(), e,
		PullConfig{From: plain.URL, Client: client, Retries: -1}); err == nil ||
		!strings.Contains(err.Error(), "redirected from HTTPS") {
		t.Errorf("redirected to HTTP: got error %v", err)
	}
	if _, err := (Store{}).pullEntry(context.Background(), e, PullConfig{}); err == nil ||
		!strings.Contains(err.Error(), "REHEAD_CACHE") {
		t.Errorf("no folder: got error %v", err)
	}
}

func TestCancel(t *testing.T) {
	e, b := narrow(t)
	ctx, cancel := context.WithCancel(context.Background())
	from := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		_, _ = w.Write(b[:1000])
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	}))
	s := Store{t.TempDir()}
	if _, err := s.pullEntry(ctx, e, PullConfig{From: from}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
}

// TestMirror: a folder, the file itself, half precision, and a second pull of the same set at the
// same time.
func TestMirror(t *testing.T) {
	e, b := narrow(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "small.h5")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s := Store{t.TempDir()}
	full, err := s.pullEntry(context.Background(), e, PullConfig{From: dir})
	if err != nil {
		t.Fatal(err)
	}
	half, err := s.pullEntry(context.Background(), e, PullConfig{From: path, DType: "f16"})
	if err != nil {
		t.Fatal(err)
	}
	if half.Weights == full.Weights || half.Digest == full.Digest {
		t.Error("half precision has the same digests as full")
	}
	if w, err := s.Resolve("keras"); err != nil || w.Digest != half.Digest {
		t.Errorf("half precision: %v", err)
	}
	if _, err := s.Verify(context.Background(), "keras"); err != nil {
		t.Errorf("half precision: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the mirror's file is gone: %v", err)
	}
	if _, err := s.pullEntry(context.Background(), e, PullConfig{From: filepath.Join(dir, "nowhere")}); err == nil ||
		!strings.Contains(err.Error(), "small.h5") {
		t.Errorf("an empty mirror: got error %v", err)
	}
	unlock, err := filelock.TryLock(s.partialPath("keras.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.pullEntry(context.Background(), e, PullConfig{From: path}); err == nil ||
		!strings.Contains(err.Error(), "in use") {
		t.Errorf("two at once: got error %v", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(s.setPath("keras"), []byte(`{"format":"rehead-set/1","weights":"../../etc/passwd"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve("keras"); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("a damaged set: got error %v", err)
	}
}

// TestEntries: what is said of the official files is complete and well formed.
func TestEntries(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Entries() {
		if seen[e.Name] || seen[e.File] {
			t.Errorf("%s is there twice", e.Name)
		}
		seen[e.Name], seen[e.File] = true, true
		if !strings.HasPrefix(e.URL, "https://") || !strings.HasSuffix(e.URL, "/"+e.File) || e.License == "" ||
			e.Source == "" || e.Checked == "" || e.Size == 0 {
			t.Errorf("%s: %+v", e.Name, e)
		}
		if _, err := inception.ParseFlavor(string(e.Flavor)); err != nil {
			t.Error(err)
		}
		if err := e.Recipe.Validate(); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
		if n := len(e.SHA256); n != 0 && n != 8 && n != 64 || strings.Trim(e.SHA256, "0123456789abcdef") != "" {
			t.Errorf("%s: SHA-256 %q", e.Name, e.SHA256)
		}
		if (e.SHA256 == "") != strings.Contains(e.Checked, "none is published") {
			t.Errorf("%s: says of its digest %q: %q", e.Name, e.SHA256, e.Checked)
		}
		if n := len(e.SHA256); n == 8 && !strings.Contains(e.File, e.SHA256) {
			t.Errorf("%s: its name does not hold its digest's first digits", e.Name)
		}
	}
	e, err := Find("timm-gluon")
	if err != nil {
		t.Fatal(err)
	}
	sum := e.SHA256 + strings.Repeat("0", 56)
	if flavor, recipe, ok := Official(sum, e.Size); !ok || flavor != inception.Timm || recipe != e.Recipe ||
		recipe.Mean[0] != 123.675 {
		t.Errorf("gluon's file: got %s, %+v, %v", flavor, recipe, ok)
	}
	if _, _, ok := Official(sum, e.Size+1); ok {
		t.Error("a file of another size was taken for gluon's")
	}
	if _, _, ok := Official(strings.Repeat("0", 64), 88931400); ok {
		t.Error("a file was told by its size alone")
	}
	if _, err := Find("inception"); err == nil || !strings.Contains(err.Error(), "torchvision") {
		t.Errorf("got error %v, want one that lists the names", err)
	}
	if _, err := (Store{t.TempDir()}).Resolve("no-such-set"); err == nil {
		t.Error("want an error for a reference that is nothing")
	}
}

func TestResolve(t *testing.T) {
	s := Store{t.TempDir()}
	w, err := s.Resolve("random:0.05")
	if err != nil || w.Width != 0.05 || w.Classes != 1000 {
		t.Fatalf("got %v, %v", w, err)
	}
	path := filepath.Join(s.Dir, "w.safetensors")
	if err := w.Write(path, "f32"); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Resolve(path); err != nil || again.Digest != w.Digest {
		t.Errorf("a file: got %v, want the same weights again", err)
	}
	if w, err := (Store{}).Resolve("embedded"); err != nil || w.Digest != embedded.Describe().Digest {
		t.Errorf("embedded: got %v", err)
	}
	for ref, want := range map[string]string{
		"": "no weights are named", "random:x": `width "x"`, "random:-1": "positive", "random:NaN": "positive",
		"/no/such/file": "no such file", "keras": "not here yet",
	} {
		if _, err := s.Resolve(ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one with %q", ref, err, want)
		}
	}
	if _, err := (Store{}).Resolve("keras"); err == nil || !strings.Contains(err.Error(), "REHEAD_CACHE") {
		t.Errorf("a set without a store: got error %v", err)
	}
}

// TestDescribe: what has a file has its facts, and the rest what is known of it.
func TestDescribe(t *testing.T) {
	s := Store{t.TempDir()}
	path := filepath.Join(s.Dir, "w.safetensors")
	w, err := s.Resolve("random:0.05")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(path, "f32"); err != nil {
		t.Fatal(err)
	}
	for ref, format := range map[string]string{path: "safetensors", "random:0.05": "",
		"embedded": "safetensors, gzipped"} {
		info, err := s.Describe(ref)
		if err != nil || info.Format != format || (info.SHA256 == "") != (format == "") || info.Digest == "" {
			t.Errorf("%s: got %+v, %v", ref, info, err)
		}
	}
	if _, err := s.Describe("keras"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a set that was not pulled: got error %v", err)
	}
}
