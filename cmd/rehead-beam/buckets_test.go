package main

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead-beam/internal/blobtest"
	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/buckettest"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/internal/safetensors"
)

// opened is the bucket "pictures" of a service.
func opened(t *testing.T, scheme string) bucket.Bucket {
	t.Helper()
	b, err := clouds[scheme](t.Context(), "pictures")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sent writes a folder to a bucket.
func sent(t *testing.T, b bucket.Bucket, dir, prefix string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return bucket.Write(t.Context(), b, prefix+"/"+filepath.ToSlash(rel), func(w io.Writer) error {
			_, err := w.Write(read(t, path))
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// stored are the objects below a prefix, by their names there, as the service has them.
func stored(t *testing.T, b bucket.Bucket, prefix string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for page := ""; ; {
		list, err := b.List(t.Context(), prefix+"/", page)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Objects {
			data, err := bucket.Fetch(t.Context(), b, o)
			if err != nil {
				t.Fatal(err)
			}
			out[strings.TrimPrefix(o.Key, prefix+"/")] = string(data)
		}
		if page = list.Next; page == "" {
			return out
		}
	}
}

// parts are the shards of an output, in their order.
func parts(all map[string]string) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(name, partPrefix) {
			out = append(out, all[name])
		}
	}
	return out
}

// moved is a shard as it would be had its pictures lain at another place.
func moved(t *testing.T, shard, from, to string) string {
	t.Helper()
	s, err := shards.Open("shard", strings.NewReader(shard), int64(len(shard)))
	if err != nil {
		t.Fatal(err)
	}
	index, err := s.Index()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := s.Paths()
	if err != nil {
		t.Fatal(err)
	}
	w, err := shards.NewWriter(s.Key, false)
	if err != nil {
		t.Fatal(err)
	}
	width := s.Key.Features
	data := make([]byte, 2*width*s.Rows)
	if err := s.Features(data, index, 0, s.Rows); err != nil {
		t.Fatal(err)
	}
	for i, path := range paths {
		row := shards.Row{Features: make([]float32, width), Sum: [32]byte(index.Sums[32*i:]),
			Path: to + strings.TrimPrefix(filepath.ToSlash(path), from), Labels: []string{s.Labels[index.Labels[i]]}}
		for k := range row.Features {
			row.Features[k] = safetensors.FromHalf(binary.LittleEndian.Uint16(data[2*(i*width+k):]))
		}
		if err := w.Add(row); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := w.Encode(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// services start a server each with an empty bucket "pictures", and say how its scheme is called.
var services = map[string]func(t *testing.T){
	"s3":     func(t *testing.T) { buckettest.Server(t, "pictures") },
	"gs":     func(t *testing.T) { blobtest.Google(t, "pictures") },
	"azblob": func(t *testing.T) { blobtest.Azure(t, "pictures") },
}

// TestBuckets: a job that reads pictures and weights from a bucket and writes to it makes the shards of a
// job on disk, byte for byte but for the pictures' paths; another run keeps what is finished and gets
// what is not; what changed is made again.
func TestBuckets(t *testing.T) {
	for scheme, start := range services {
		t.Run(scheme, func(t *testing.T) {
			start(t)
			t.Setenv("REHEAD_CACHE", t.TempDir())
			jobs(t, scheme)
		})
	}
}

func jobs(t *testing.T, scheme string) {
	dir, disk := drawn(t, 8), filepath.Join(t.TempDir(), "out")
	bad := filepath.Join(dir, draw.Label(0), "0003.jpg")
	good := read(t, bad)
	write(t, []byte("\xff\xd8\xff\xe0 no picture"), bad)
	weights := filepath.Join(t.TempDir(), "trunk.safetensors")
	narrow(t, weights)
	args := []string{"--shard", "5", "--weights"}
	ran(t, disk, append(args, weights, dir)...)

	b := opened(t, scheme)
	sent(t, b, dir, "in/drawn")
	putBytes(t, b, "weights/trunk.safetensors", read(t, weights))
	at := scheme + "://pictures/"
	args = append(args, at+"weights/trunk.safetensors", at+"in/drawn")
	s := ran(t, at+"out/embedded", args...)
	if s.Pictures != 24 || s.Rows != 23 || s.Dead != 1 || s.Written != 5 || s.Kept != 0 {
		t.Errorf("got %+v, want 23 rows of 24 pictures in 5 shards", s)
	}
	first := stored(t, b, "out/embedded")
	want, got := parts(folderOf(t, disk)), parts(first)
	if len(got) != len(want) {
		t.Fatalf("got %d shards, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != moved(t, want[i], filepath.ToSlash(dir), at+"in/drawn") {
			t.Errorf("shard %d is another than from disk", i)
		}
	}
	dead, err := csv.NewReader(strings.NewReader(first[deadFile])).ReadAll()
	if err != nil || len(dead) != 2 || dead[1][0] != at+"in/drawn/"+draw.Label(0)+"/0003.jpg" {
		t.Errorf("dead letters: got %q, %v", dead, err)
	}
	var told summary
	if err := json.Unmarshal([]byte(first[summaryFile]), &told); err != nil || told.Run != s.Run || len(told.Shards) != 5 {
		t.Errorf("summary: got %+v, %v", told, err)
	}

	if s = ran(t, at+"out/embedded", args...); s.Kept != 5 || s.Written != 0 {
		t.Errorf("again: got %+v, want all kept", s)
	}
	lost := s.Shards[2].Name
	if err := b.(bucket.Remover).Remove(t.Context(), "out/embedded/"+lost); err != nil {
		t.Fatal(err)
	}
	if s = ran(t, at+"out/embedded", args...); s.Kept != 4 || s.Written != 1 {
		t.Errorf("a shard was lost: got %+v, want it made again", s)
	}
	if again := parts(stored(t, b, "out/embedded")); !slices.Equal(again, got) {
		t.Error("the shards differ from those of the run before")
	}
	putBytes(t, b, "in/drawn/"+draw.Label(0)+"/0003.jpg", good)
	s = ran(t, at+"out/embedded", append(args, "--prune")...)
	if s.Kept != 4 || s.Written != 1 || s.Rows != 24 || s.Dead != 0 || s.Removed != 1 {
		t.Errorf("a mended picture: got %+v, want one shard made and one removed", s)
	}
	places, err := shards.Find(at + "out/embedded")
	if err != nil || len(places) != 5 {
		t.Errorf("found %d shards, %v", len(places), err)
	}
	if s, err := tried(t, at+"out/nothing", at+"none"); err == nil || !strings.Contains(err.Error(), "not exist") {
		t.Errorf("no pictures: got %+v, %v", s, err)
	}
	if s, err := tried(t, scheme+"://nowhere/out", at+"in/drawn"); err == nil || !strings.Contains(err.Error(), "no such bucket") {
		t.Errorf("no bucket: got %+v, %v", s, err)
	}
}

// narrow writes the weights of a small trunk.
func narrow(t *testing.T, path string) {
	t.Helper()
	w, err := inception.Random(inception.RandomConfig{Width: 0.25, Size: 96, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(path, "f32"); err != nil {
		t.Fatal(err)
	}
}

func putBytes(t *testing.T, b bucket.Bucket, key string, data []byte) {
	t.Helper()
	err := bucket.Write(t.Context(), b, key, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// folderOf are the files directly in a folder.
func folderOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !e.IsDir() {
			out[e.Name()] = string(read(t, dir, e.Name()))
		}
	}
	return out
}

// TestBucketRequests: bodies that a network cuts, re-chunks, spoils and refuses cost nothing but requests;
// pictures are listed once and fetched once, and another run fetches none.
func TestBucketRequests(t *testing.T) {
	url := buckettest.Server(t, "pictures")
	t.Setenv("REHEAD_CACHE", t.TempDir())
	b := opened(t, "s3")
	sent(t, b, drawn(t, 40), "in/drawn")
	args := []string{"--shard", "50", "s3://pictures/in/drawn"}
	ran(t, "s3://pictures/out/a", args...)
	p := buckettest.NewProxy(t, url)
	faults := []buckettest.Fault{buckettest.Cut, 0, buckettest.Rechunk, 0, buckettest.Corrupt, 0, buckettest.Busy, 0, 0}
	p.Gets = func(n int64, _ *http.Request) buckettest.Fault { return faults[n%int64(len(faults))] }
	ran(t, "s3://pictures/out/b", args...)
	if want, got := parts(stored(t, b, "out/a")), parts(stored(t, b, "out/b")); len(want) != 3 || !slices.Equal(got, want) {
		t.Errorf("got %d shards through the network, want %d and the same", len(got), len(want))
	}
	for _, f := range []buckettest.Fault{buckettest.Cut, buckettest.Rechunk, buckettest.Corrupt, buckettest.Busy} {
		if p.Met(f) < 5 {
			t.Errorf("fault %d happened %d times, want more", f, p.Met(f))
		}
	}
	p.Gets = nil
	gets, lists := p.Objects.Load(), p.Listings.Load()
	if s := ran(t, "s3://pictures/out/b", args...); s.Kept != 3 {
		t.Errorf("again: got %+v, want all kept", s)
	}
	// Records: of each part for the work, of those and the match for the summary, and the summary itself.
	// Listings: the pictures, the output's place, the shards, and unfinished uploads to four files.
	if got := p.Objects.Load() - gets; got > 2*3+2 {
		t.Errorf("another run got %d objects, want the records alone", got)
	}
	if got := p.Listings.Load() - lists; got > 3+4 {
		t.Errorf("another run made %d listings, want 7", got)
	}
}
