package picturetest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// Archives are the endings of the archives that are read.
func Archives() []string { return []string{".zip", ".tar", ".tar.gz", ".tar.zst"} }

// Pack writes the files below a folder, in the order in which they are walked, into an archive of
// the kind that ending names, and returns its path.
func Pack(t testing.TB, dir, ending string) string {
	t.Helper()
	var names []string
	var contents [][]byte
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names, contents = append(names, filepath.ToSlash(name)), append(contents, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var packed []byte
	if ending == ".zip" {
		packed = zipOf(t, names, contents)
	} else {
		packed = Compress(t, tarOf(t, names, contents), ending)
	}
	path := filepath.Join(t.TempDir(), "pictures"+ending)
	Write(t, path, packed)
	return path
}

func zipOf(t testing.TB, names []string, contents [][]byte) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, name := range names {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: []uint16{zip.Store, zip.Deflate}[i%2]})
		if err == nil {
			_, err = w.Write(contents[i])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarOf(t testing.TB, names []string, contents [][]byte) []byte {
	var b bytes.Buffer
	z := tar.NewWriter(&b)
	for i, name := range names {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: "./" + name, Size: int64(len(contents[i])), Mode: 0o644}
		err := z.WriteHeader(h)
		if err == nil {
			_, err = z.Write(contents[i])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Compress packs data as the last part of ending says: .gz, .zst, or .tar for not at all.
func Compress(t testing.TB, data []byte, ending string) []byte {
	t.Helper()
	var b bytes.Buffer
	switch filepath.Ext(ending) {
	case ".gz":
		w := gzip.NewWriter(&b)
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	case ".zst":
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	default:
		return data
	}
	return b.Bytes()
}
