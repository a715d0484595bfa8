package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/c236555e/rehead/internal/buckettest"
	"github.com/c236555e/rehead/internal/draw"
)

// uploaded is a server with the drawn flowers below s3://pictures/flowers, and beside it in a .zip
// and a manifest; folder has them on disk.
func uploaded(t *testing.T) (url, folder string) {
	t.Helper()
	url = buckettest.Server(t, "pictures")
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	folder = filepath.Join(dir, "flowers")
	if err := draw.Folder(folder, 3, 30, 5); err != nil {
		t.Fatal(err)
	}
	c := buckettest.Client(t, url)
	var list strings.Builder
	list.WriteString("image,label\n")
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "s3://pictures/%s,%s\n", rel, filepath.Base(filepath.Dir(path)))
		_, err = c.FPutObject(t.Context(), "pictures", filepath.ToSlash(rel), path, minio.PutObjectOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	send(t, url, "list.csv", []byte(list.String()))
	return url, folder
}

func send(t *testing.T, url, key string, data []byte) {
	t.Helper()
	_, err := buckettest.Client(t, url).PutObject(t.Context(), "pictures", key, bytes.NewReader(data), int64(len(data)),
		minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// stored is what an object holds.
func stored(t *testing.T, url, key string) []byte {
	t.Helper()
	r, err := buckettest.Client(t, url).GetObject(t.Context(), "pictures", key, minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return b.Bytes()
}

// listedRows are the paths of a list of rows, below the folder or prefix that all lie in.
func listedRows(t *testing.T, list []byte) (paths []string) {
	t.Helper()
	lines, err := csv.NewReader(bytes.NewReader(list)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines[1:] {
		if l[3] != "" {
			t.Errorf("%s: %s", l[1], l[3])
		}
		_, below, _ := strings.Cut(l[1], "flowers")
		paths = append(paths, l[0]+" "+below+" "+l[2])
	}
	return paths
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestBuckets: what commands make of a bucket, through a network that cuts, re-chunks, spoils and
// delays bodies and asks to come back later, is what they make of a folder.
func TestBuckets(t *testing.T) {
	url, folder := uploaded(t)
	dir := t.TempDir()
	trunk, cache := narrow(t, dir), filepath.Join(dir, "cache")
	disk := filepath.Join(dir, "disk.npy")
	must(t, nil, "embed", folder, "--weights", trunk, "--cache", "none", "-o", disk)
	want, wantRows := readFile(t, disk), listedRows(t, readFile(t, filepath.Join(dir, "disk.csv")))

	p := buckettest.NewProxy(t, url)
	p.Gets = func(n int64, _ *http.Request) buckettest.Fault {
		return []buckettest.Fault{
			buckettest.Cut, buckettest.Rechunk, buckettest.Corrupt, buckettest.Busy, 0, 0, 0, 0, 0, 0, 0}[n%11]
	}
	out := filepath.Join(dir, "far.npy")
	embed := func(from string) {
		t.Helper()
		must(t, nil, "embed", from, "--weights", trunk, "--cache", cache, "-o", out)
		if !bytes.Equal(readFile(t, out), want) {
			t.Errorf("%s: other bottlenecks than from disk", from)
		}
		rows := listedRows(t, readFile(t, filepath.Join(dir, "far.csv")))
		if strings.Join(rows, "\n") != strings.Join(wantRows, "\n") {
			t.Errorf("%s: got rows %q, want %q", from, rows, wantRows)
		}
	}
	embed("s3://pictures/flowers")
	for _, f := range []buckettest.Fault{buckettest.Cut, buckettest.Rechunk, buckettest.Corrupt, buckettest.Busy} {
		if p.Met(f) < 5 {
			t.Errorf("fault %d happened %d times, want more", f, p.Met(f))
		}
	}
	before := p.Objects.Load()
	embed("s3://pictures/flowers")
	if n := p.Objects.Load() - before; n != 0 {
		t.Errorf("the second run got %d objects, want none", n)
	}
	embed("s3://pictures/list.csv")
	if n := p.Objects.Load() - before; n > 6 { // of the manifest alone
		t.Errorf("a manifest of known pictures took %d gets", n)
	}
	must(t, nil, "embed", "s3://pictures/flowers", "--weights", trunk, "--cache", cache, "-o", "s3://pictures/out/f.npy")
	if !bytes.Equal(stored(t, url, "out/f.npy"), want) || len(listedRows(t, stored(t, url, "out/f.csv"))) != 90 {
		t.Error("the array in the bucket differs, or its list")
	}
	fails(t, []string{"embed", "s3://pictures/none", "--weights", trunk, "-o", out}, "s3://pictures/none", "not exist")
	fails(t, []string{"embed", "s3://nowhere/x", "--weights", trunk, "-o", out}, "s3://nowhere/x", "no such bucket")
	fails(t, []string{"embed", "gs://pictures/x", "-o", out}, "AWS_ENDPOINT_URL_S3=https://storage.googleapis.com")
}

// TestBucketModels trains from a bucket into it and answers with what lies there.
func TestBucketModels(t *testing.T) {
	url, folder := uploaded(t)
	dir := t.TempDir()
	trunk, cache := narrow(t, dir), filepath.Join(dir, "cache")
	send(t, url, "weights/trunk.safetensors", readFile(t, trunk))
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	here := filepath.Join(dir, "model")
	train := []string{"--cache", cache, "--weights"}
	must(t, nil, append([]string{"train", folder, "-o", here}, append(train, trunk)...)...)

	p := buckettest.NewProxy(t, url)
	there := append([]string{"train", "s3://pictures/flowers", "-o", "s3://pictures/m/model"},
		append(train, "s3://pictures/weights/trunk.safetensors")...)
	must(t, nil, there...)
	for _, name := range []string{"head.safetensors", "trunk.safetensors"} {
		if got := stored(t, url, "m/model/"+name); !bytes.Equal(got, readFile(t, filepath.Join(here, name))) {
			t.Errorf("%s: differs from that of the training from disk", name)
		}
	}
	fails(t, there, "s3://pictures/m/model", "--force")
	must(t, nil, append(there, "--force")...)

	picture := filepath.Join(folder, draw.Label(0), "0.jpg")
	if list, err := filepath.Glob(filepath.Join(folder, draw.Label(0), "*")); err == nil && len(list) > 0 {
		picture = list[0]
	}
	rel, err := filepath.Rel(filepath.Dir(folder), picture)
	if err != nil {
		t.Fatal(err)
	}
	far := "s3://pictures/" + filepath.ToSlash(rel)
	onDisk := must(t, nil, "predict", here, picture, "--json").stdout
	for range 2 {
		before := p.Objects.Load()
		got := must(t, nil, "predict", "s3://pictures/m/model/", far, "--json").stdout
		if strings.ReplaceAll(got, far, picture) != onDisk {
			t.Errorf("got %s, want %s", got, onDisk)
		}
		if n := p.Objects.Load() - before; n > 20 {
			t.Errorf("predict took %d gets", n)
		}
	}
	before := p.Objects.Load()
	addr, _ := serveModel(t, "s3://pictures/m/model")
	if n := p.Objects.Load() - before; n != 0 {
		t.Errorf("serving a model that was fetched before took %d gets", n)
	}
	var answer struct{ Predictions []struct{ Label string } }
	if code := post(t, "http://"+addr+"/invocations", "image/jpeg", readFile(t, picture), &answer); code != 200 {
		t.Errorf("got %d %+v", code, answer)
	}
	must(t, nil, "doctor", "s3://pictures/flowers", "--cache", cache)
	must(t, nil, "evaluate", "s3://pictures/m/model", "s3://pictures/flowers", "--cache", cache)
}

// TestBucketUploads: objects appear whole or not at all, and what a killed process began is ended by
// the next.
func TestBucketUploads(t *testing.T) {
	url := buckettest.Server(t, "pictures")
	core := minio.Core{Client: buckettest.Client(t, url)}
	begun := func(key string) string {
		id, err := core.NewMultipartUpload(t.Context(), "pictures", key, minio.PutObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	begun("out/big.bin")
	others := begun("out/big.bin.other")
	left := func() (ids []string) {
		got, err := core.ListMultipartUploads(t.Context(), "pictures", "", "", "", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range got.Uploads {
			ids = append(ids, u.UploadID)
		}
		return ids
	}
	speak, err := newCloud(t.Context()).speak()
	if err != nil {
		t.Fatal(err)
	}
	b, err := speak.Bucket("pictures")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	up, err := b.Create(ctx, "out/big.bin")
	if err != nil {
		t.Fatal(err)
	}
	if ids := left(); len(ids) != 1 || ids[0] != others {
		t.Errorf("got unfinished uploads %q, want %q alone", ids, others)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 40<<20/16)
	if _, err := up.Write(data); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Head(t.Context(), "out/big.bin"); err == nil || len(left()) != 2 {
		t.Errorf("before Commit: %v, %q", err, left())
	}
	cancel()
	if err := up.Commit(); err == nil {
		t.Error("committed after its context's end")
	}
	if _, err := b.Head(t.Context(), "out/big.bin"); err == nil || len(left()) != 1 {
		t.Errorf("after a failed Commit: %v, unfinished %q", err, left())
	}
	up, err = b.Create(t.Context(), "out/big.bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := up.Commit(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored(t, url, "out/big.bin"), data) {
		t.Error("another object than was written")
	}
}

// TestBucketShards: a head that is trained on shards in a bucket, through a network that cuts and
// re-chunks bodies, is the one that is trained on them from disk.
func TestBucketShards(t *testing.T) {
	url, folder := uploaded(t)
	dir := t.TempDir()
	trunk, shards := narrow(t, dir), filepath.Join(dir, "shards")
	must(t, nil, "embed", folder, "--weights", trunk, "--cache", "none", "--shards", shards, "--shard-rows", "40")
	files, err := filepath.Glob(filepath.Join(shards, "*.safetensors"))
	if err != nil || len(files) != 3 {
		t.Fatalf("got %q, %v, want three shards", files, err)
	}
	for _, f := range files {
		send(t, url, "shards/"+filepath.Base(f), readFile(t, f))
	}
	p := buckettest.NewProxy(t, url)
	p.Gets = func(n int64, _ *http.Request) buckettest.Fault {
		return []buckettest.Fault{buckettest.Cut, 0, buckettest.Rechunk, 0, 0}[n%5]
	}
	var heads [2][]byte
	for i, from := range []string{shards, "s3://pictures/shards"} {
		model := filepath.Join(dir, fmt.Sprint("model", i))
		must(t, nil, "train", "--bottlenecks", from, "--weights", trunk, "-o", model, "--test", "0.3")
		heads[i] = readFile(t, filepath.Join(model, "head.safetensors"))
	}
	must(t, nil, "train", "--bottlenecks", shards, "--weights", trunk, "-o", "s3://pictures/m", "--test", "0.3")
	if !bytes.Equal(stored(t, url, "m/head.safetensors"), heads[0]) {
		t.Error("the head in the bucket is another")
	}
	if !bytes.Equal(heads[0], heads[1]) {
		t.Error("the head from the bucket is another")
	}
	if p.Met(buckettest.Cut) == 0 || p.Met(buckettest.Rechunk) == 0 {
		t.Error("no body was cut or re-chunked")
	}
	fails(t, []string{"train", "--bottlenecks", "s3://pictures/flowers", "--weights", trunk}, "has no .safetensors file")
}
