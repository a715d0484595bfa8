package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/c236555e/rehead/internal/buckettest"
	"github.com/c236555e/rehead/internal/draw"
)

// keys are those of the bucket below a prefix.
func keys(t *testing.T, url, prefix string) (list []string) {
	t.Helper()
	for o := range buckettest.Client(t, url).ListObjects(t.Context(), "pictures", minio.ListObjectsOptions{Prefix: prefix,
		Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		list = append(list, strings.TrimPrefix(o.Key, prefix))
	}
	return list
}

// modelled is a model of drawn pictures, which lie in folder, and a server with an empty bucket.
func modelled(t *testing.T) (url, dir, folder, model string) {
	t.Helper()
	url, dir = buckettest.Server(t, "pictures"), t.TempDir()
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	folder, model = filepath.Join(dir, "flowers"), filepath.Join(dir, "model")
	if err := draw.Folder(folder, 3, 12, 5); err != nil {
		t.Fatal(err)
	}
	must(t, nil, "train", folder, "-o", model, "--weights", narrow(t, dir), "--cache", filepath.Join(dir, "bottlenecks"))
	return url, dir, folder, model
}

// TestBucketOutputs: what commands write to a bucket is what they write to a disk.
func TestBucketOutputs(t *testing.T) {
	url, dir, folder, model := modelled(t)
	trunk, cache := filepath.Join(dir, "trunk.safetensors"), filepath.Join(dir, "bottlenecks")
	here := func(name string) string { return filepath.Join(dir, name) }
	const there = "s3://pictures/out/"
	same := func(name string) {
		t.Helper()
		if !bytes.Equal(stored(t, url, "out/"+name), readFile(t, here(name))) {
			t.Errorf("%s: another in the bucket than on disk", name)
		}
	}

	embed := []string{"embed", folder, "--weights", trunk, "--cache", cache, "--shard-rows", "15", "--json", "--shards"}
	must(t, nil, append(embed, here("shards"))...)
	var done shardSummary
	must(t, &done, append(embed, there+"shards")...)
	list, err := filepath.Glob(here("shards/*"))
	if err != nil || len(list) != 4 || len(keys(t, url, "out/shards/")) != 4 {
		t.Fatalf("got %q and %q, %v, want 3 shards and a list", list, keys(t, url, "out/shards/"), err)
	}
	for _, path := range list {
		same("shards/" + filepath.Base(path))
	}
	must(t, &done, append(embed, there+"shards/")...)
	if done.Kept != 3 || done.Images != 36 {
		t.Errorf("got %+v of the second run, want all shards kept", done)
	}
	fails(t, []string{"embed", filepath.Join(folder, draw.Label(0)), "--weights", trunk, "--cache", cache, "--shards",
		there + "shards"}, "is not of these pictures", there+"shards/bottlenecks-")

	for _, name := range []string{"m.onnx", "m.tar.gz"} {
		must(t, nil, "export", model, "-o", here(name))
		must(t, nil, "export", model, "-o", there+name)
		same(name)
	}
	must(t, nil, "weights", "convert", there+"m.onnx", there+"model")
	must(t, nil, "inspect", there+"m.tar.gz")
	evaluate := func(to func(string) string) {
		must(t, nil, "evaluate", model, folder, "--cache", cache, "--report", to("r.html"), "--predictions", to("p.csv"),
			"--plots", to("plots"))
		must(t, nil, "predict", model, filepath.Join(folder, draw.Label(1)), "-o", to("a.csv"))
		must(t, nil, "predict", model, filepath.Join(folder, draw.Label(1)), "-o", to("a.txt"))
		must(t, nil, "doctor", folder, "--cache", cache, "--write-corrections", to("fix.csv"))
		must(t, nil, "report", model, "-o", to("again.html"))
	}
	evaluate(here)
	evaluate(func(name string) string { return there + name })
	for _, name := range []string{"r.html", "p.csv", "a.csv", "a.txt", "fix.csv", "again.html"} {
		same(name)
	}
	if got := keys(t, url, "out/plots/"); len(got) < 3 {
		t.Errorf("got plots %q", got)
	}
	must(t, nil, "predict", model, filepath.Join(folder, draw.Label(0)), "--explain-dir", there+"maps", "--json")
	if got := keys(t, url, "out/maps/"); len(got) != 12 {
		t.Errorf("got maps %q, want 12", got)
	}
	for _, args := range [][]string{
		{"train", folder, "--weights", trunk, "-o", here("m2"), "--tensorboard", there + "events"},
		{"demo", "-o", there + "demo"}, {"train", folder, "--weights", trunk, "-o", here("m2"), "--cache", there + "cache"},
	} {
		if o := command(t, args...); o.code != exitUsage || !strings.Contains(o.stderr, "want a path on this machine") {
			t.Errorf("%q: got %d %s", args, o.code, o.stderr)
		}
	}
	fails(t, []string{"export", model, "-o", "s3://nowhere/m.onnx"}, "nowhere", "no such bucket")
	fails(t, []string{"export", model, "-o", "gs://pictures/m.onnx"}, "want s3://BUCKET/NAME")
	fails(t, []string{"predict", model, folder, "-o", "s3://pictures"}, "names a bucket")
}

// TestBucketAnswers: answers that could not be written to the bucket are not there, and the next run
// writes them without classifying anything.
func TestBucketAnswers(t *testing.T) {
	url, dir, folder, model := modelled(t)
	p := buckettest.NewProxy(t, url)
	var refuse atomic.Bool
	p.Puts = func(*http.Request) buckettest.Fault {
		if refuse.Load() {
			return buckettest.Refuse
		}
		return buckettest.None
	}
	want := filepath.Join(dir, "want.csv")
	must(t, nil, "predict", model, folder, "-o", want)
	args := []string{"predict", model, folder, "-o", "s3://pictures/a.csv"}
	refuse.Store(true)
	fails(t, args, "pictures/a.csv", "AccessDenied")
	if got := keys(t, url, ""); len(got) != 0 {
		t.Errorf("got objects %q after a refused put", got)
	}
	list, err := filepath.Glob(filepath.Join(dir, "cache", "rehead", "answers", "*", "a.csv"))
	if err != nil || len(list) != 1 || !bytes.Equal(readFile(t, list[0]), readFile(t, want)) {
		t.Fatalf("got %q, %v, want the answers in the cache", list, err)
	}
	if err := os.Truncate(list[0], int64(len(readFile(t, want))/2)); err != nil { // as a run that was cut leaves it
		t.Fatal(err)
	}
	refuse.Store(false)
	must(t, nil, args...)
	if !bytes.Equal(stored(t, url, "a.csv"), readFile(t, want)) {
		t.Error("other answers in the bucket")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "cache", "rehead", "answers", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("got %q, %v left in the cache", left, err)
	}
	list2 := filepath.Join(dir, "list.txt")
	send(t, url, "1.jpg", readFile(t, firstFile(t, folder)))
	if err := os.WriteFile(list2, []byte("s3://pictures/1.jpg\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	send(t, url, "list.txt", []byte("s3://pictures/1.jpg\n"))
	for _, from := range []string{list2, "s3://pictures/list.txt"} {
		if o := must(t, nil, "predict", model, from, "--json"); !strings.Contains(o.stdout, `"image":"s3://pictures/1.jpg"`) {
			t.Errorf("%s: got %s", from, o.stdout)
		}
	}
}

// firstFile is a picture below a folder.
func firstFile(t *testing.T, folder string) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(folder, draw.Label(0), "*"))
	if err != nil || len(list) == 0 {
		t.Fatalf("%s has no pictures: %v", folder, err)
	}
	return list[0]
}

// TestBucketWatch: serve --watch takes up a model that is changed in its bucket once all of it is there
// and fits, whatever the order in which its objects come, and goes on with the one before until then.
func TestBucketWatch(t *testing.T) {
	url, dir, folder, model := modelled(t)
	other := filepath.Join(dir, "other")
	must(t, nil, "train", folder, "-o", other, "--weights", filepath.Join(dir, "trunk.safetensors"), "--l2", "0.5",
		"--name", "other", "--cache", filepath.Join(dir, "bottlenecks"))
	put := func(from string, names ...string) {
		for _, name := range names {
			send(t, url, "m/"+name, readFile(t, filepath.Join(from, name)))
		}
	}
	var rest []string
	for _, path := range must1(filepath.Glob(filepath.Join(model, "*"))) {
		if name := filepath.Base(path); name != "model.json" {
			rest = append(rest, name)
		}
	}
	put(model, append(rest, "model.json")...)
	fails(t, []string{"inspect", "s3://pictures"}, "holds models (m)", "s3://pictures/m")
	p := buckettest.NewProxy(t, url)

	ctx, cancel := context.WithCancel(t.Context())
	log := &watched{found: make(chan string, 1)}
	a := &app{stdout: io.Discard, stderr: log, getenv: func(string) string { return "" }, cloud: newCloud(ctx)}
	cmd := serveCommand(a, &serveOptions{every: 50 * time.Millisecond})
	cmd.SetArgs([]string{"s3://pictures/m", "--addr", "127.0.0.1:0", "--watch"})
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	addr := ""
	select {
	case addr = <-log.found:
	case err := <-ended:
		t.Fatal(err)
	case <-time.After(time.Minute):
		t.Fatalf("not ready: %s", log.String())
	}
	picture := readFile(t, firstFile(t, folder))
	answer := func() string {
		var v any
		if code := post(t, "http://"+addr+"/invocations", "image/jpeg", picture, &v); code != http.StatusOK {
			t.Fatalf("got %d", code)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	says := func(words string) {
		t.Helper()
		for try := 0; !strings.Contains(log.String(), words); try++ {
			if try == 1000 {
				t.Fatalf("got %s, want %q in it", log.String(), words)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	before, gets := answer(), p.Objects.Load()
	put(other, "model.json") // first, as no command of ours does
	says("the changed model is not served")
	if answer() != before {
		t.Error("a model whose files do not fit is served")
	}
	put(other, rest...)
	says("the changed model is served")
	if answer() == before {
		t.Error("the changed model is not served")
	}
	if gets == p.Objects.Load() {
		t.Error("no object was fetched")
	}
	gets, looks := p.Objects.Load(), p.Listings.Load()
	for p.Listings.Load() < looks+5 {
		time.Sleep(10 * time.Millisecond)
	}
	if n := p.Objects.Load() - gets; n != 0 {
		t.Errorf("a model that stays as it is took %d gets", n)
	}
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestBucketArchives: archives of pictures and of models, in a bucket whose certificate only
// AWS_CA_BUNDLE has, are what they are on disk.
func TestBucketArchives(t *testing.T) {
	url, dir, folder, model := modelled(t)
	buckettest.NewTLSProxy(t, url)
	tarball := filepath.Join(dir, "model.tar.gz")
	must(t, nil, "export", model, "-o", tarball)
	send(t, url, "m.tar.gz", readFile(t, tarball))
	var onDisk string
	for _, name := range []string{"flowers.tar.gz", "flowers.zip"} {
		archive := filepath.Join(dir, name)
		data := packed(t, folder, strings.TrimPrefix(name, "flowers"))
		if err := os.WriteFile(archive, data, 0o600); err != nil {
			t.Fatal(err)
		}
		send(t, url, name, data)
		for _, from := range []string{archive, "s3://pictures/" + name} {
			for _, m := range []string{model, "s3://pictures/m.tar.gz"} {
				got := must(t, nil, "predict", m, from, "--json").stdout
				got = strings.ReplaceAll(got, from, "")
				if onDisk == "" {
					onDisk = got
				}
				if got != onDisk || strings.Count(got, "\n") != 36 {
					t.Errorf("%s of %s: got %d lines that differ", m, from, strings.Count(got, "\n"))
				}
			}
		}
		one := "s3://pictures/" + name + "!/" + draw.Label(0)
		if o := must(t, nil, "predict", model, one, "--json"); strings.Count(o.stdout, "\n") != 12 {
			t.Errorf("%s: got %s", one, o.stdout)
		}
	}
}
