package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/c236555e/rehead/internal/draw"
)

// packed is an archive of a folder: .zip, .tar, .tar.gz or .tar.zst.
func packed(t *testing.T, dir, ending string) []byte {
	t.Helper()
	var b bytes.Buffer
	var out io.Writer = &b
	var closers []io.Closer
	switch filepath.Ext(ending) {
	case ".gz":
		w := gzip.NewWriter(&b)
		out, closers = w, append(closers, w)
	case ".zst":
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		out, closers = w, append(closers, w)
	}
	var err error
	if ending == ".zip" {
		z := zip.NewWriter(out)
		err, closers = z.AddFS(os.DirFS(dir)), append(closers, z)
	} else {
		z := tar.NewWriter(out)
		err, closers = z.AddFS(os.DirFS(dir)), append(closers, z)
	}
	for _, c := range slices.Backward(closers) {
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestArchivesEndToEnd: training, checking and measuring read archives as the folder that was
// packed, and the cache knows the pictures again.
func TestArchivesEndToEnd(t *testing.T) {
	dir := t.TempDir()
	trunk, pictures, cache := narrow(t, dir), filepath.Join(dir, "pictures"), filepath.Join(dir, "cache")
	if err := draw.Folder(pictures, 3, 12, 5); err != nil {
		t.Fatal(err)
	}
	type scores struct {
		Images             int
		Embedded           int `json:"embedded"`
		Cached             int `json:"cached"`
		Test, Validation   int
		TestAccuracy       float64 `json:"test_accuracy"`
		ValidationAccuracy float64 `json:"validation_accuracy"`
	}
	var want scores
	model := filepath.Join(dir, "model")
	must(t, &want, "train", pictures, "--weights", trunk, "-o", model, "--cache", cache, "--json")
	for _, ending := range []string{".zip", ".tar", ".tar.gz", ".tar.zst"} {
		archive := filepath.Join(dir, "pictures"+ending)
		if err := os.WriteFile(archive, packed(t, pictures, ending), 0o644); err != nil {
			t.Fatal(err)
		}
		var got, measured scores
		must(t, &got, "train", archive, "--weights", trunk, "-o", filepath.Join(dir, "m"+ending), "--cache", cache, "--json")
		if got.Embedded != 0 || got.Cached != 36 || got.TestAccuracy != want.TestAccuracy ||
			got.ValidationAccuracy != want.ValidationAccuracy {
			t.Errorf("%s: got %+v, want those of the folder, all from the cache: %+v", ending, got, want)
		}
		must(t, &measured, "evaluate", model, archive, "--part", "test", "--cache", cache, "--json")
		if measured.TestAccuracy != want.TestAccuracy {
			t.Errorf("%s: evaluate: got %+v, want %+v", ending, measured, want)
		}
	}
	fails(t, []string{"train", "gs://bucket/flowers", "--weights", trunk, "-o", model}, "gcloud storage cp", "address")
	bad := filepath.Join(dir, "cut.zip")
	if err := os.WriteFile(bad, packed(t, pictures, ".zip")[:4000], 0o644); err != nil {
		t.Fatal(err)
	}
	fails(t, []string{"doctor", bad}, "cut.zip", "damaged or cut short")
	if o := command(t, "doctor", pictures, "--labels-at", "bottom"); o.code != exitUsage || !strings.Contains(o.stderr, "top or leaf") {
		t.Errorf("--labels-at bottom: exit code %d: %s", o.code, o.stderr)
	}
}

// TestBenchedPictures: what is measured with pictures takes archives and lists, as predict does.
func TestBenchedPictures(t *testing.T) {
	dir := t.TempDir()
	pictures, list := filepath.Join(dir, "pictures"), filepath.Join(dir, "list.txt")
	if err := draw.Folder(pictures, 2, 2, 5); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "pictures.tar.gz")
	files, _, err := new(app).listPictures(t.Context(), []string{pictures})
	if err != nil || len(files) != 4 {
		t.Fatalf("got %d pictures, want 4: %v", len(files), err)
	}
	if err := errors.Join(os.WriteFile(archive, packed(t, pictures, ".tar.gz"), 0o600),
		os.WriteFile(list, []byte(files[3].Path+"\n"+files[0].Path+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want int
	}{{[]string{archive}, 4}, {[]string{list}, 2}, {[]string{pictures, archive + "!", list}, 10}} {
		var got struct{ Images int }
		must(t, &got, append([]string{"bench", "decode", "--json"}, c.args...)...)
		if got.Images != c.want {
			t.Errorf("%q: got %d pictures, want %d", c.args, got.Images, c.want)
		}
	}
	fails(t, []string{"bench", "decode", "gs://bucket/a.zip"}, "address", "gcloud storage cp gs://bucket/a.zip")
	fails(t, []string{"bench", "serve", "http://127.0.0.1:1/", "https://example.com/a.zip"}, "address", "curl")
	fails(t, []string{"bench", "decode", filepath.Join(dir, "none")}, "none", "no such file")
}
