package hosts

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
)

// twoHosts have files each below a channel's folder, of which only the first's are on this disk.
func twoHosts(t *testing.T, served func(http.Handler) http.Handler) (s *Store, dir string, lost *error, end func()) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "train")
	other := filepath.Join(t.TempDir(), "train")
	write := func(dir, text string, parts ...string) {
		path := filepath.Join(append([]string{dir}, parts...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(dir, "ours!", "a", "1.jpg")
	write(dir, "of both", "both.txt")
	write(other, "of both", "both.txt")
	write(other, strings.Repeat("theirs", 50_000), "a", "2.jpg")
	write(other, "\xff\xd8\xff\xe0 a JPEG's first bytes", "b", "3.jpg")
	own, err := takeStock([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := takeStock([]string{other})
	if err != nil {
		t.Fatal(err)
	}
	f := &fileServer{job: "job", dirs: []string{other}, have: theirs}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /files/{place}", f.give)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	f.server = &http.Server{Handler: served(mux)} //nolint:gosec // on the loopback
	go f.server.Serve(l)                          //nolint:errcheck // closed
	end = func() { _ = f.close() }
	t.Cleanup(end)
	s, err = newStore("x", []string{dir}, map[string]inventory{"x": own, "127.0.0.1": theirs})
	if err != nil {
		t.Fatal(err)
	}
	lost = new(error)
	get := &fetcher{ctx: t.Context(), cfg: Config{Job: "job", Silence: 50e6}, client: &http.Client{},
		ports: map[string]int{"127.0.0.1": l.Addr().(*net.TCPAddr).Port}, failed: func(err error) { *lost = err }}
	s.fetch = get.open
	return s, dir, lost, end
}

func straight(h http.Handler) http.Handler { return h }

// A store over hosts lists, measures and reads as the disk of one that has everything.
func TestStore(t *testing.T) {
	s, dir, lost, _ := twoHosts(t, straight)
	list := func(path string) (names []string) {
		entries, err := s.ReadDir(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	if got := list(dir); !slices.Equal(got, []string{"a", "b", "both.txt"}) {
		t.Errorf("got %q", got)
	}
	if got := list(filepath.Join(dir, "a")); !slices.Equal(got, []string{"1.jpg", "2.jpg"}) {
		t.Errorf("got %q", got)
	}
	for path, want := range map[string]string{"a/1.jpg": "ours!", "a/2.jpg": strings.Repeat("theirs", 50_000), "both.txt": "of both"} {
		path = filepath.Join(dir, path)
		data, err := source.File{Path: path, Store: s}.Read(picture.Limits{})
		r, err2 := s.OpenRange(path, 2, 3)
		if err := errors.Join(err, err2); err != nil || string(data) != want {
			t.Fatalf("%s: got %d bytes, %v", path, len(data), err)
		}
		if part, err := io.ReadAll(r); err != nil || string(part) != want[2:5] {
			t.Errorf("%s: got the part %q, %v", path, part, err)
		}
		if r, err = s.Open(path); err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(r); err != nil || string(data) != want {
			t.Errorf("%s: got %d bytes, %v", path, len(data), err)
		}
	}
	if format, ok, known := s.Sniff(filepath.Join(dir, "b", "3.jpg")); format != "jpeg" || !ok || !known {
		t.Errorf("got %q, %v, %v, want a JPEG", format, ok, known)
	}
	if _, err := s.ReadFile(filepath.Join(dir, "a", "2.jpg"), 10); !errors.As(err, new(*picture.TooLargeError)) {
		t.Errorf("got %v, want it to be too large", err)
	}
	if _, err := s.Stat(filepath.Join(dir, "a", "9.jpg")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want none", err)
	}
	if info, err := s.Stat(t.TempDir()); err != nil || !info.IsDir() {
		t.Errorf("a folder of no channel: got %v, %v", info, err)
	}
	s.know(filepath.Join(dir, "b", "3.jpg"), [32]byte{1})
	if _, err := s.ReadFile(filepath.Join(dir, "b", "3.jpg"), 1000); err == nil || *lost != nil {
		t.Errorf("other bytes than were embedded: got %v and %v", err, *lost)
	}
}

// Bodies that are cut are gone on with; a host that is gone is said to be, for no picture is unreadable for
// that.
func TestStoreLosesHosts(t *testing.T) {
	cuts := 0
	s, dir, lost, end := twoHosts(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if cuts++; cuts < 3 {
				w = &cutting{ResponseWriter: w, left: 100_000}
			}
			h.ServeHTTP(w, r)
		})
	})
	path := filepath.Join(dir, "a", "2.jpg")
	data, err := s.ReadFile(path, 1<<20)
	if err != nil || !bytes.Equal(data, []byte(strings.Repeat("theirs", 50_000))) || cuts < 2 {
		t.Fatalf("got %d bytes after %d requests, %v", len(data), cuts, err)
	}
	end()
	if _, err := s.ReadFile(path, 1<<20); err == nil || *lost == nil || !strings.Contains((*lost).Error(), "host 127.0.0.1") {
		t.Errorf("got %v and %v, want the host named", err, *lost)
	}
	if _, err := newStore("x", []string{dir}, map[string]inventory{"x": {Files: []file{{Path: "../y"}}}}); err == nil {
		t.Error("a path that leads out: got no error")
	}
	if _, err := newStore("x", []string{dir}, map[string]inventory{"x": {Files: []file{{Path: "y", Bytes: 1}}},
		"z": {Files: []file{{Path: "y", Bytes: 2}}}}); err == nil {
		t.Error("two files of one name: got no error")
	}
}

// cutting ends a body early.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(p)
}

// A host whose pictures are wanted and who hears nothing more of the leader gives up.
func TestShardedHostWithoutLeader(t *testing.T) {
	cfg := three(freePort(t), "127.0.0.2")
	cfg.Silence = 100e6
	cfg.Sharded = []string{filepath.Join(t.TempDir(), "none")}
	k := &Work{Config: cfg}
	err := k.contributeParts(context.Background())
	if err == nil || !strings.Contains(err.Error(), "leader 127.0.0.1 cannot be reached") {
		t.Errorf("got %v, want the leader named", err)
	}
}
