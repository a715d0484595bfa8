package bucket_test

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // ETags are
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/c236555e/rehead/dataset/bucket"
)

// memory is a bucket in memory whose bodies go wrong as asked.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	pages   int // objects a page; 0: all
	// how the n-th get of all ends: how many bytes it brings at most, and with which error
	ends  func(n int) (most int64, err error)
	gets  int
	lists int
	heads int
	spoil bool // the first get brings a wrong byte
}

func (m *memory) Place() string { return "memory://test" }

func etag(data []byte) string {
	sum := md5.Sum(data) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

func (m *memory) List(_ context.Context, prefix, page string) (out bucket.Page, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lists++
	var keys []string
	for k := range m.objects {
		if strings.HasPrefix(k, prefix) && k > page {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	if m.pages > 0 && len(keys) > m.pages {
		keys = keys[:m.pages]
		out.Next = keys[m.pages-1]
	}
	for _, k := range keys {
		out.Objects = append(out.Objects, bucket.Object{Key: k, ETag: etag(m.objects[k]), Size: int64(len(m.objects[k]))})
	}
	return out, nil
}

func (m *memory) Head(_ context.Context, key string) (bucket.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heads++
	data, ok := m.objects[key]
	if !ok {
		return bucket.Object{}, fs.ErrNotExist
	}
	return bucket.Object{Key: key, ETag: etag(data), Size: int64(len(data))}, nil
}

func (m *memory) Get(_ context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	data, ok := m.objects[key]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case ifMatch != "" && ifMatch != etag(data):
		return nil, bucket.ErrChanged
	}
	data = bytes.Clone(data[off : off+n])
	if m.spoil && m.gets == 1 {
		data[0] ^= 1
	}
	if m.ends == nil {
		return io.NopCloser(bytes.NewReader(data)), nil
	}
	most, end := m.ends(m.gets)
	if end != nil && most == 0 && errors.Is(end, errRefused) {
		return nil, end
	}
	r := io.Reader(bytes.NewReader(data[:min(most, n)]))
	if end != nil {
		r = io.MultiReader(r, iotest.ErrReader(end))
	}
	return io.NopCloser(r), nil
}

func (m *memory) Create(context.Context, string) (bucket.Upload, error) {
	return nil, errors.New("is only read")
}

var errRefused = errors.New("the service says 503 SlowDown")

func filled(n int) []byte {
	data, r := make([]byte, n), rand.New(rand.NewPCG(1, uint64(n)))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

// TestResume cuts bodies in every way that networks do: what is read is the object, once.
func TestResume(t *testing.T) {
	for _, size := range []int{0, 1, 100, 100_000} {
		for name, ends := range map[string]func(n int) (int64, error){
			"whole":    func(int) (int64, error) { return 1 << 40, nil },
			"cut":      func(int) (int64, error) { return int64(size)/5 + 1, io.ErrUnexpectedEOF },
			"nil":      func(int) (int64, error) { return int64(size)/5 + 1, nil },
			"byte":     func(n int) (int64, error) { return map[bool]int64{true: 1, false: 1 << 40}[n < 4], nil },
			"nothing":  func(n int) (int64, error) { return map[bool]int64{true: 0, false: 1 << 40}[n < 4], nil },
			"refused":  func(n int) (int64, error) { return map[bool]int64{true: 0, false: 1 << 40}[n%2 == 1], errRefused },
			"reset":    func(n int) (int64, error) { return int64(size) / 3, errors.New("connection reset") },
			"too much": func(int) (int64, error) { return 1 << 50, nil },
		} {
			if name == "reset" && size < 3 {
				continue // brings nothing for ever
			}
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				t.Parallel()
				data := filled(size)
				m := &memory{objects: map[string][]byte{"a": data}, ends: ends}
				o := bucket.Object{Key: "a", ETag: etag(data), Size: int64(size)}
				got, err := io.ReadAll(o.Open(t.Context(), m))
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("got %d bytes, %v; want the %d", len(got), err, size)
				}
				if size < 100 {
					return
				}
				got, err = io.ReadAll(bucket.OpenRange(t.Context(), m, o, 10, 50))
				if err != nil || !bytes.Equal(got, data[10:60]) {
					t.Fatalf("range: got %d bytes, %v; want the 50 from 10 on", len(got), err)
				}
			})
		}
	}
}

// TestResumeEnds: what cannot be gone on with is an error that says so, and never a short object.
func TestResumeEnds(t *testing.T) {
	data := filled(1000)
	o := bucket.Object{Key: "a", ETag: etag(data), Size: 1000}
	for name, c := range map[string]struct {
		m    *memory
		want string
	}{
		"changed": {&memory{ends: func(int) (int64, error) { return 400, nil }}, bucket.ErrChanged.Error()},
		"gone":    {&memory{ends: func(int) (int64, error) { return 400, nil }}, "not exist"},
		"dry": {&memory{ends: func(n int) (int64, error) { return map[bool]int64{true: 400}[n == 1], nil }},
			"ended after 400 of 1000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.m.objects = map[string][]byte{"a": data}
			r := bucket.Quick(o.Open(t.Context(), c.m))
			got := make([]byte, 400)
			if _, err := io.ReadFull(r, got); err != nil {
				t.Fatal(err)
			}
			switch name {
			case "changed":
				c.m.objects["a"] = filled(999)
			case "gone":
				delete(c.m.objects, "a")
			}
			if n, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), c.want) || len(n) > 0 {
				t.Errorf("got %d more bytes, %v; want an error with %q", len(n), err, c.want)
			}
			if c.m.gets > 12 {
				t.Errorf("got %d requests, want a bounded number", c.m.gets)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := &memory{objects: map[string][]byte{"a": data}}
	if _, err := io.ReadAll(o.Open(ctx, m)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
}

// TestResumeStalls: a body that stands still is given up for another.
func TestResumeStalls(t *testing.T) {
	data := filled(1000)
	m := &stuck{memory: memory{objects: map[string][]byte{"a": data}}}
	o := bucket.Object{Key: "a", ETag: etag(data), Size: 1000}
	got, err := io.ReadAll(bucket.Quick(o.Open(t.Context(), m)))
	if err != nil || !bytes.Equal(got, data) || m.gets != 2 {
		t.Errorf("got %d bytes after %d requests, %v; want the 1000 after 2", len(got), m.gets, err)
	}
}

// stuck is a bucket whose first body brings 300 bytes and then nothing until its request ends.
type stuck struct{ memory }

func (s *stuck) Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, error) {
	r, err := s.memory.Get(ctx, key, off, n, ifMatch)
	if err != nil || s.gets > 1 {
		return r, err
	}
	wait := readerFunc(func([]byte) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
	return io.NopCloser(io.MultiReader(io.LimitReader(r, 300), wait)), nil
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestFetch: a wrong byte is found by the ETag; an ETag that is no MD5 of the object is let be.
func TestFetch(t *testing.T) {
	data := filled(5000)
	m := &memory{objects: map[string][]byte{"a": data}, spoil: true}
	o := bucket.Object{Key: "a", ETag: etag(data), Size: 5000}
	if got, err := bucket.Fetch(t.Context(), m, o); err != nil || !bytes.Equal(got, data) || m.gets != 2 {
		t.Errorf("a wrong byte: got %d bytes after %d requests, %v; want the object after 2", len(got), m.gets, err)
	}
	for _, tag := range []string{"", etag(data) + "-2", "0123456789abcdef0123456789abcdef"} {
		loose := &anyTag{memory{objects: map[string][]byte{"a": data}}}
		o.ETag = tag
		if got, err := bucket.Fetch(t.Context(), loose, o); err != nil || !bytes.Equal(got, data) {
			t.Errorf("ETag %q: got %d bytes, %v; want the object", tag, len(got), err)
		}
	}
}

// anyTag is a bucket whose ETags are none of MD5.
type anyTag struct{ memory }

func (a *anyTag) Get(ctx context.Context, key string, off, n int64, _ string) (io.ReadCloser, error) {
	return a.memory.Get(ctx, key, off, n, "")
}
