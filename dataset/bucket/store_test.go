package bucket_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
)

// digests are bucket.Digests in memory.
type digests struct {
	mu sync.Mutex
	of map[[32]byte][]byte
}

func (d *digests) Get(key [32]byte, use func([]byte)) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.of[key]
	if ok {
		use(v)
	}
	return ok
}

func (d *digests) Put(key [32]byte, value []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of[key] = bytes.Clone(value)
	return nil
}

func store(t *testing.T, m bucket.Bucket, d *digests) *bucket.Store {
	t.Helper()
	cfg := bucket.Config{Open: func(name string) (bucket.Bucket, error) {
		if name != "b" {
			return nil, errors.New("no such bucket")
		}
		return m, nil
	}}
	if d != nil {
		cfg.Digests = func() bucket.Digests { return d }
	}
	s, err := bucket.NewStore(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// flowers is a bucket with label folders, and what else lies in buckets.
func flowers(t *testing.T, pages int) *memory {
	m := &memory{objects: map[string][]byte{}, pages: pages}
	for l, label := range []string{"daisy", "rose", "tulip"} {
		for i := range 4 {
			key := fmt.Sprintf("f/%s/%d.png", label, i)
			m.objects[key] = picturetest.Encode(t, "png", picturetest.Noise(8, 8, uint64(10*l+i)))
		}
	}
	m.objects["f/rose/deep/er/9.png"] = picturetest.Encode(t, "png", picturetest.Noise(8, 8, 99))
	m.objects["f/rose/notes.txt"] = []byte("words")
	m.objects["f/daisy/"] = nil // what consoles make
	m.objects["f/read me.md"] = []byte("words")
	m.objects["f0/else.png"], m.objects["f-1/else.png"] = []byte("x"), []byte("x")
	return m
}

// TestStoreListsAsFolders: a prefix is read as a folder, with few requests however many objects.
func TestStoreListsAsFolders(t *testing.T) {
	for _, pages := range []int{0, 1, 3, 1000} {
		m := flowers(t, pages)
		s := store(t, m, nil)
		folder, err := dataset.OpenStore(s, "s3://b/f", dataset.ManifestConfig{})
		if err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, it := range folder.Items {
			paths = append(paths, it.Path)
		}
		if len(paths) != 13 || !slices.Contains(paths, "s3://b/f/rose/deep/er/9.png") ||
			!slices.Equal(folder.Labels, []string{"daisy", "rose", "tulip"}) || len(folder.Problems) != 1 {
			t.Errorf("got %q, labels %q, problems %v", paths, folder.Labels, folder.Problems)
		}
		if want := 1; pages == 0 && m.lists != want {
			t.Errorf("got %d listings, want %d", m.lists, want)
		}
		data, err := folder.Items[0].File().Read(picture.Limits{})
		if err != nil || !bytes.Equal(data, m.objects["f/daisy/0.png"]) {
			t.Errorf("got %d bytes, %v", len(data), err)
		}
		names := func(dir string) (out []string) {
			entries, err := s.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				out = append(out, e.Name())
			}
			return out
		}
		if got := names("s3://b/f/rose"); !reflect.DeepEqual(got, []string{"0.png", "1.png", "2.png", "3.png", "deep",
			"notes.txt"}) {
			t.Errorf("got %q", got)
		}
		if got := names("s3://b"); !slices.Equal(got, []string{"f", "f-1", "f0"}) {
			t.Errorf("got %q", got)
		}
	}
}

// TestStoreRefuses: what is not there is said so, as package os does.
func TestStoreRefuses(t *testing.T) {
	s := store(t, flowers(t, 0), nil)
	for _, path := range []string{"s3://b/g", "s3://b/f/daisy/9.png", "s3://b/f/daisy/0.png/x"} {
		if _, err := s.Stat(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("stat %s: got %v, want that it is not there", path, err)
		}
	}
	for _, path := range []string{"s3://", "s3://other/x", "s3:///x", "s3://b/a\xff.jpg"} {
		if _, err := s.Stat(path); err == nil {
			t.Errorf("stat %q: got no error", path)
		}
	}
	if _, err := s.Open("s3://b/f"); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("open a folder: %v", err)
	}
	if _, err := s.ReadFile("s3://b/f/daisy/0.png", 10); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("a limit: %v", err)
	}
	for _, r := range [][2]int64{{-1, 1}, {0, 1 << 40}, {1 << 40, 0}, {1, -1}} {
		if _, err := s.OpenRange("s3://b/f/daisy/0.png", r[0], r[1]); err == nil {
			t.Errorf("range %v: got no error", r)
		}
	}
	for _, cfg := range []bucket.Config{{}, {AtOnce: -1, Open: func(string) (bucket.Bucket, error) { return nil, nil }}} {
		if _, err := bucket.NewStore(t.Context(), cfg); err == nil {
			t.Errorf("%+v accepted", cfg)
		}
	}
}

// TestStoreKnowsDigests: an object that was read is known by its ETag, until it is written anew.
func TestStoreKnowsDigests(t *testing.T) {
	m, d := flowers(t, 0), &digests{of: map[[32]byte][]byte{}}
	const path = "s3://b/f/daisy/0.png"
	f := source.File{Path: path, Store: store(t, m, d)}
	if _, ok := f.Digest(); ok {
		t.Error("known before it was read")
	}
	data, err := f.Read(picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	f.Store = store(t, m, d)
	before := m.gets
	if sum, ok := f.Digest(); !ok || sum != sha256.Sum256(data) || m.gets != before {
		t.Errorf("got %x, %v after %d gets, want its SHA-256 without a get", sum, ok, m.gets-before)
	}
	m.objects["f/daisy/0.png"] = filled(len(data))
	if _, err := f.Read(picture.Limits{}); !errors.Is(err, bucket.ErrChanged) || !strings.Contains(err.Error(), path) {
		t.Errorf("written anew: got %v, want that %s changed", err, path)
	}
	f.Store = store(t, m, d)
	if _, ok := f.Digest(); ok {
		t.Error("another object is known")
	}
}

// TestStoreMeasures: of a list that names few objects of a folder these are measured, of many the
// folder is listed.
func TestStoreMeasures(t *testing.T) {
	m := &memory{objects: map[string][]byte{}}
	for i := range 500 {
		m.objects[fmt.Sprintf("x/%03d.png", i)] = []byte{byte(i)}
	}
	s := store(t, m, nil)
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			if info, err := s.Stat(fmt.Sprintf("s3://b/x/%03d.png", i)); err != nil || info.Size() != 1 {
				t.Errorf("%d: got %v, %v", i, info, err)
			}
		})
	}
	wg.Wait()
	if m.heads > 16 || m.lists != 1 {
		t.Errorf("got %d measured and %d listings, want at most 16 and 1", m.heads, m.lists)
	}
}

// down is a service that is not reached, or that answers with an error.
type down struct {
	memory

	err   error
	asked int
}

func (d *down) List(context.Context, string, string) (bucket.Page, error) {
	d.asked++
	return bucket.Page{}, d.err
}

func (d *down) Head(context.Context, string) (bucket.Object, error) {
	d.asked++
	return bucket.Object{}, d.err
}

// TestStoreOfNoService: a service that is not reached is not asked for each way of looking at a path; one
// that answers is, for its error may be the path's alone.
func TestStoreOfNoService(t *testing.T) {
	for want, err := range map[int]error{
		1: fmt.Errorf("get: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}),
		6: errors.New("refused: bad name"),
	} {
		d := &down{err: err}
		s, err := bucket.NewStore(t.Context(), bucket.Config{Open: func(string) (bucket.Bucket, error) { return d, nil }})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, stat := s.Stat("s3://b/x")
			_, list := s.ReadDir("s3://b/x")
			for _, err := range []error{stat, list} {
				if err == nil || !strings.Contains(err.Error(), "refused") {
					t.Errorf("got %v, want what the service said", err)
				}
			}
		}
		if d.asked != want {
			t.Errorf("%v: asked %d times, want %d", d.err, d.asked, want)
		}
	}
}

// TestAhead reads a list ahead: each object once, in bounded memory, errors where they belong.
func TestAhead(t *testing.T) {
	m := &memory{objects: map[string][]byte{}}
	var files []source.File
	s := store(t, m, nil)
	for i := range 3000 {
		key := fmt.Sprintf("x/%04d.png", i)
		m.objects[key] = filled(100 + i)
		if i%500 == 7 {
			key = "x/none.png"
		}
		files = append(files, source.File{Path: "s3://b/" + key, Store: s})
	}
	a := source.NewAhead(t.Context(), source.Reading{N: len(files), File: func(i int) source.File { return files[i] },
		Skip: func(i int) bool { return i%10 == 3 }})
	defer a.Close()
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := w; i < len(files); i += 3 {
				if i%10 == 3 {
					continue
				}
				data, err := a.Read(i)
				if bad := i%500 == 7; bad != (err != nil) || !bad && len(data) != 100+i {
					t.Errorf("%d: got %d bytes, %v", i, len(data), err)
				}
			}
		})
	}
	wg.Wait()
	if want := 3000 - 300 - 6; m.gets != want {
		t.Errorf("got %d gets, want %d", m.gets, want)
	}
	r, err := files[20].OpenRange(5, 20)
	if err != nil {
		t.Fatal(err)
	}
	if part, err := io.ReadAll(r); err != nil || !bytes.Equal(part, m.objects["x/0020.png"][5:25]) {
		t.Errorf("a part: got %d bytes, %v", len(part), err)
	}
}

// TestOpenAt reads parts as io.ReaderAt wants them.
func TestOpenAt(t *testing.T) {
	data := filled(1000)
	m := &memory{objects: map[string][]byte{"x": data}}
	p, size, err := source.File{Path: "s3://b/x", Store: store(t, m, nil)}.OpenAt()
	if err != nil || size != 1000 {
		t.Fatalf("got %d bytes, %v", size, err)
	}
	for _, c := range []struct{ at, n, want int }{{0, 1000, 1000}, {1, 10, 10}, {990, 20, 10}, {1000, 5, 0}, {2000, 5, 0}} {
		got := make([]byte, c.n)
		n, err := p.ReadAt(got, int64(c.at))
		if n != c.want || (n < c.n) != errors.Is(err, io.EOF) || n > 0 && !bytes.Equal(got[:n], data[c.at:c.at+n]) {
			t.Errorf("%d bytes from %d: got %d, %v", c.n, c.at, n, err)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestAheadBounds: pictures that nobody asks for, and such as are dropped, leave room for others, and
// what is read ahead is bounded in number.
func TestAheadBounds(t *testing.T) {
	m := &memory{objects: map[string][]byte{}}
	var files []source.File
	s := store(t, m, nil)
	for i := range 1000 {
		key := fmt.Sprintf("x/%04d.png", i)
		m.objects[key] = filled(10)
		files = append(files, source.File{Path: "s3://b/" + key, Store: s})
	}
	a := source.NewAhead(t.Context(), source.Reading{N: len(files), File: func(i int) source.File { return files[i] }})
	defer a.Close()
	most := 4 * s.AtOnce()
	fetched := func(want int) {
		t.Helper()
		for try := 0; ; try++ {
			m.mu.Lock()
			got := m.gets
			m.mu.Unlock()
			if got == want {
				return
			}
			if got > want || try == 5000 {
				t.Fatalf("got %d gets, want %d", got, want)
			}
			time.Sleep(time.Millisecond)
		}
	}
	fetched(most)
	for i := range most {
		a.Drop(i)
	}
	fetched(2 * most)
	if data, err := a.Read(most); err != nil || len(data) != 10 {
		t.Errorf("got %d bytes, %v", len(data), err)
	}
}
