package bucket_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/atomicfile"
)

// TestLocal: what an address names is fetched once while it stays the same, and again when it does not;
// nothing older and nothing unfinished is left in the cache.
func TestLocal(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	m := &memory{objects: map[string][]byte{"m/model/a.bin": filled(900), "m/model/deep/b.bin": filled(70)}}
	local := func(address, cache string) (string, func() error, int) {
		t.Helper()
		before, told := m.gets, 0
		path, done, err := store(t, m, nil).Local(address, cache, func() { told++ })
		if err != nil {
			t.Fatal(err)
		}
		if got := m.gets - before; got > 0 != (told == 1) {
			t.Errorf("%s: %d gets, and fetching was told %d times", address, got, told)
		}
		return path, done, m.gets - before
	}
	holds := func(path, key string) {
		t.Helper()
		if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, m.objects[key]) {
			t.Errorf("%s: got %d bytes, %v, want the object %s", path, len(data), err, key)
		}
	}
	first, _, gets := local("s3://b/m/model/", cache)
	holds(filepath.Join(first, "a.bin"), "m/model/a.bin")
	holds(filepath.Join(first, "deep", "b.bin"), "m/model/deep/b.bin")
	if again, _, n := local("s3://b/m/model", cache); gets != 2 || n != 0 || again != first || filepath.Base(first) != "model" {
		t.Errorf("got %s by %d gets and %s by %d, want one path, by 2 gets and by none", first, gets, again, n)
	}
	m.objects["m/model/a.bin"] = filled(901)
	other, _, _ := local("s3://b/m/model", cache)
	holds(filepath.Join(other, "a.bin"), "m/model/a.bin")
	if _, err := os.Stat(first); !os.IsNotExist(err) {
		t.Errorf("what the address named before is still there: %v", err)
	}
	if list, err := os.ReadDir(filepath.Dir(filepath.Dir(other))); err != nil || len(list) != 1 {
		t.Errorf("got %v, %v, want one folder", list, err)
	}
	one, done, _ := local("s3://b/m/model/a.bin", "")
	holds(one, "m/model/a.bin")
	if err := done(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(one)); !os.IsNotExist(err) {
		t.Errorf("the temporary folder is still there: %v", err)
	}
	if _, _, err := store(t, m, nil).Local("s3://b/none", cache, nil); err == nil {
		t.Error("fetched what is not there")
	}
}

// TestRegression_LocalLeavesOthersAlone: what another process is about to fetch stays there, and what one
// that was killed left does not.
func TestRegression_LocalLeavesOthersAlone(t *testing.T) {
	cache := t.TempDir()
	m := &memory{objects: map[string][]byte{"m/a.bin": filled(90)}}
	first, _, err := store(t, m, nil).Local("s3://b/m", cache, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := filepath.Dir(filepath.Dir(first))
	theirs, unlock, err := atomicfile.MakeFolder(in)
	if err != nil {
		t.Fatal(err)
	}
	killed, unlockKilled, err := atomicfile.MakeFolder(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := unlockKilled(); err != nil {
		t.Fatal(err)
	}
	m.objects["m/a.bin"] = filled(91)
	if _, _, err := store(t, m, nil).Local("s3://b/m", cache, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Errorf("the folder that another process fetches into is gone: %v", err)
	}
	for _, gone := range []string{killed, filepath.Dir(first)} {
		if _, err := os.Stat(gone); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", filepath.Base(gone), err)
		}
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
}

// TestRegression_KeysWithoutAPath: a key with an element that no path has is a problem, told of once, and what
// lies beside it is listed, once.
func TestRegression_KeysWithoutAPath(t *testing.T) {
	m := &memory{objects: map[string][]byte{"m/a.jpg": filled(90), "m/./b.jpg": filled(91), "m/../c.jpg": filled(92),
		"m//d.jpg": filled(93), "m/deep/..": filled(94), "m/deep/e.jpg": filled(95)}}
	s := store(t, m, nil)
	var got []string
	w := source.NewWalker("s3://b/m", 0)
	w.Store = s
	if err := w.Walk("s3://b/m", "", func(f source.File) error { got = append(got, f.Rel); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a.jpg", "deep/e.jpg"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	wantPathless(t, w.Problems, "s3://b/m/../c.jpg", "s3://b/m/./b.jpg", "s3://b/m//d.jpg", "s3://b/m/deep/..")
	local, _, err := s.Local("s3://b/m", t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(local); err != nil || len(list) != 2 {
		t.Errorf("got %v, %v, want a.jpg and deep", list, err)
	}
}

// wantPathless holds problems against the paths of keys that no path leads to.
func wantPathless(t *testing.T, problems []source.Problem, want ...string) {
	t.Helper()
	var got []string
	for _, p := range problems {
		if strings.Contains(p.Reason, "no path leads to") {
			got = append(got, p.Path)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got the problems %v, want of keys without a path %q", problems, want)
	}
}

// TestRegression_LabelsWithoutAPath: keys without a path are told of at every depth of label folders.
func TestRegression_LabelsWithoutAPath(t *testing.T) {
	m := &memory{objects: map[string][]byte{}}
	for i, at := range []string{"top/rose/1.png", "top/daisy/1.png", "nested/x/rose/1.png", "nested/x/daisy/1.png",
		"top//2.png", "top/rose//3.png", "nested/x/../4.png", "nested/x/rose/./5.png", "nested/./x/6.png"} {
		m.objects[at] = filled(70 + i)
	}
	for root, want := range map[string][]string{
		"s3://b/top":    {"s3://b/top//2.png", "s3://b/top/rose//3.png"},
		"s3://b/nested": {"s3://b/nested/./x/6.png", "s3://b/nested/x/../4.png", "s3://b/nested/x/rose/./5.png"},
	} {
		folder, err := dataset.ScanStore(store(t, m, nil), root, dataset.ScanConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if len(folder.Items) != 2 || !slices.Equal(folder.Labels, []string{"daisy", "rose"}) {
			t.Errorf("%s: got %v of %q, want a picture of each of two labels", root, folder.Items, folder.Labels)
		}
		wantPathless(t, folder.Problems, want...)
	}
}

// TestRegression_NegativeSize: a service that says nonsense of an object's length is an error.
func TestRegression_NegativeSize(t *testing.T) {
	m := &memory{objects: map[string][]byte{"a": filled(9)}}
	if _, err := bucket.Fetch(t.Context(), m, bucket.Object{Key: "a", Size: -5}); err == nil ||
		!strings.Contains(err.Error(), "-5 bytes") {
		t.Errorf("got %v, want an error that says -5 bytes", err)
	}
}

// TestKnow: an object that another store has listed is opened without a request but the get, and as it
// was listed.
func TestKnow(t *testing.T) {
	m := flowers(t, 0)
	const address = "s3://b/f/rose/2.png"
	if _, err := store(t, m, nil).ReadDir("s3://b/f"); err != nil {
		t.Fatal(err)
	}
	o, err := store(t, m, nil).Object(address)
	if err != nil {
		t.Fatal(err)
	}
	s := store(t, m, nil)
	if err := s.Know(address, bucket.Object{ETag: o.ETag, Size: o.Size}); err != nil {
		t.Fatal(err)
	}
	lists, heads := m.lists, m.heads
	data, err := source.File{Path: address, Store: s}.Read(picture.Limits{})
	if err != nil || !bytes.Equal(data, m.objects["f/rose/2.png"]) || m.lists != lists || m.heads != heads {
		t.Errorf("got %d bytes, %v, by %d listings and %d measurements more", len(data), err, m.lists-lists, m.heads-heads)
	}
	m.objects["f/rose/2.png"] = filled(9)
	if _, err := (source.File{Path: address, Store: s}).Read(picture.Limits{}); err == nil {
		t.Error("read what was written anew as what was listed")
	}
	if _, err := s.Object("s3://b/f/rose"); err == nil {
		t.Error("a folder is an object")
	}
}
