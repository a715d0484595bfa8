package blobs_test

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // services say it of objects
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead-beam/internal/blobs"
	"github.com/c236555e/rehead/cmd/rehead-beam/internal/blobtest"
	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/internal/par"
)

// filled are n bytes that no others are.
func filled(n int) []byte {
	data, r := make([]byte, n), rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), 1})
	_, _ = r.Read(data) // never fails
	return data
}

func put(t *testing.T, b bucket.Bucket, key string, data []byte) {
	t.Helper()
	err := bucket.Write(t.Context(), b, key, func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// got reads what the service gives, with no help of the reader that goes on where a body ends.
func got(t *testing.T, b bucket.Bucket, key string, off, n int64, etag string) []byte {
	t.Helper()
	r, err := b.Get(t.Context(), key, off, n, etag)
	if err != nil {
		t.Fatalf("%s from %d on: %v", key, off, err)
	}
	data, err := io.ReadAll(r)
	if cerr := r.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return data
}

// tried holds a service to what bucket.Bucket says. raw reads an object in another way.
func tried(t *testing.T, b, nowhere bucket.Bucket, raw func(key string) []byte) {
	t.Run("objects", func(t *testing.T) { objects(t, b, raw) })
	t.Run("versions", func(t *testing.T) { versions(t, b) })
	t.Run("uploads", func(t *testing.T) { uploads(t, b) })
	t.Run("pages", func(t *testing.T) { pages(t, b) })
	t.Run("nowhere", func(t *testing.T) {
		if _, err := b.Head(t.Context(), "none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("measured what is not there: %v", err)
		}
		if _, err := b.Get(t.Context(), "none", 0, 5, ""); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got what is not there: %v", err)
		}
		if _, err := nowhere.List(t.Context(), "", ""); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no such bucket") {
			t.Errorf("listed a bucket that is not there: %v", err)
		}
		if err := bucket.Write(t.Context(), nowhere, "a", func(w io.Writer) error {
			_, err := w.Write([]byte("x"))
			return err
		}); err == nil {
			t.Error("wrote to a bucket that is not there")
		}
	})
}

func objects(t *testing.T, b bucket.Bucket, raw func(key string) []byte) {
	for _, n := range []int{0, 1, 511, 513, 1 << 20, 20<<20 + 7} { // less and more than a client's buffers
		key := fmt.Sprintf("o/a b+ä/%d.bin", n)
		data := filled(n)
		put(t, b, key, data)
		if !bytes.Equal(raw(key), data) {
			t.Errorf("%s: other bytes were stored", key)
		}
		o, err := b.Head(t.Context(), key)
		if err != nil || o.Size != int64(n) || o.ETag == "" || o.Key != key {
			t.Errorf("%s: got %+v, %v", key, o, err)
		}
		sum := md5.Sum(data) //nolint:gosec // see above
		if o.MD5 != "" && o.MD5 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: the service says MD5 %s of other bytes", key, o.MD5)
		}
		if data2, err := bucket.Fetch(t.Context(), b, o); err != nil || !bytes.Equal(data2, data) {
			t.Errorf("%s: %d other bytes came, %v", key, len(data2), err)
		}
		for _, part := range [][2]int64{{0, 1}, {int64(n) / 3, int64(n) / 2}, {int64(n) - 1, 1}, {int64(n) / 2, -1}} {
			off, k := part[0], part[1]
			end := off + k
			if k < 0 {
				end = int64(n)
			}
			if off < 0 || k == 0 || n == 0 {
				continue
			}
			if p := got(t, b, key, off, k, o.ETag); !bytes.Equal(p, data[off:end]) {
				t.Errorf("%s: %d bytes from %d on: %d other bytes came", key, k, off, len(p))
			}
		}
	}
}

// versions: another version has another ETag, in a listing as alone, and a get under the old one fails.
func versions(t *testing.T, b bucket.Bucket) {
	put(t, b, "v/1", []byte("before"))
	before, err := b.Head(t.Context(), "v/1")
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, "v/1", []byte("behind"))
	page, err := b.List(t.Context(), "v/", "")
	if err != nil || len(page.Objects) != 1 {
		t.Fatalf("got %+v, %v", page, err)
	}
	after, err := b.Head(t.Context(), "v/1")
	listed := page.Objects[0]
	if err != nil || after.ETag == before.ETag || listed.ETag != after.ETag || listed.Size != 6 || listed.Key != "v/1" ||
		listed.MD5 != after.MD5 || listed.Modified.IsZero() {
		t.Errorf("got %+v, then %+v, listed %+v, %v", before, after, listed, err)
	}
	if r, err := b.Get(t.Context(), "v/1", 0, 6, before.ETag); !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("the version before: got %v, %v, want ErrChanged", r, err)
	}
	if data, err := bucket.Fetch(t.Context(), b, after); err != nil || string(data) != "behind" {
		t.Errorf("got %q, %v", data, err)
	}
	for range 2 { // one that is gone is none to remove
		if err := b.(bucket.Remover).Remove(t.Context(), "v/1"); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.Head(t.Context(), "v/1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after its removal: %v", err)
	}
}

// uploads: nothing is there of what was given up, however much of it was sent.
func uploads(t *testing.T, b bucket.Bucket) {
	for name, end := range map[string]func(up bucket.Upload, cancel func()) error{
		"aborted": func(up bucket.Upload, _ func()) error { return errors.Join(up.Abort(), up.Abort()) },
		"aborted after the context's end": func(up bucket.Upload, cancel func()) error {
			cancel()
			return up.Abort()
		},
		"committed after the context's end": func(up bucket.Upload, cancel func()) error {
			cancel()
			if up.Commit() == nil {
				return errors.New("was committed")
			}
			return nil
		},
	} {
		for _, n := range []int{0, 10, 40 << 20} {
			ctx, cancel := context.WithCancel(t.Context())
			up, err := b.Create(ctx, "u/1")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := up.Write(make([]byte, n)); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Head(t.Context(), "u/1"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s, %d bytes: before its end: %v", name, n, err)
			}
			if err := end(up, cancel); err != nil {
				t.Errorf("%s, %d bytes: %v", name, n, err)
			}
			cancel()
			if _, err := b.Head(t.Context(), "u/1"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s, %d bytes: is there: %v", name, n, err)
			}
		}
	}
}

// pages: a listing has every object once, in order, whatever the pages.
func pages(t *testing.T, b bucket.Bucket) {
	const n = 1203
	failed := make([]error, n)
	par.Do(8, n, func(i int) {
		failed[i] = bucket.Write(t.Context(), b, fmt.Sprintf("p/%04d/x.jpg", i), func(w io.Writer) error {
			_, err := fmt.Fprint(w, i)
			return err
		})
	})
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
	var keys []string
	count := 0
	for page := ""; ; count++ {
		list, err := b.List(t.Context(), "p/", page)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Objects {
			keys = append(keys, o.Key)
		}
		if page = list.Next; page == "" {
			break
		}
	}
	if len(keys) != n || !slices.IsSorted(keys) || len(slices.Compact(slices.Clone(keys))) != n || count == 0 {
		t.Errorf("got %d keys in %d pages, want %d in order", len(keys), count+1, n)
	}
}

func TestGoogle(t *testing.T) {
	host := blobtest.Google(t, "pictures")
	open := func(name string) bucket.Bucket {
		b, err := blobs.Google(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	tried(t, open("pictures"), open("nowhere"), func(key string) []byte {
		r, err := http.Get("http://" + host + "/storage/v1/b/pictures/o/" + url.PathEscape(key) + "?alt=media")
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r.Body)
		if cerr := r.Body.Close(); err != nil || cerr != nil || r.StatusCode != http.StatusOK {
			t.Fatal(err, cerr, r.Status)
		}
		return data
	})
}

func TestAzure(t *testing.T) {
	c := blobtest.Azure(t, "pictures")
	open := func(name string) bucket.Bucket {
		b, err := blobs.Azure(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := open("pictures")
	tried(t, b, open("nowhere"), func(key string) []byte {
		var at bytes.Buffer
		r, err := c.NewBlobClient(key).DownloadStream(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = at.ReadFrom(r.Body)
		if cerr := r.Body.Close(); err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
		return at.Bytes()
	})
	// Names that gocloud would change are read as they are, and not written.
	const odd = `q/a #1 100%?".jpg`
	if _, err := c.NewBlockBlobClient(odd).UploadBuffer(t.Context(), []byte("odd"), nil); err != nil {
		t.Fatal(err)
	}
	page, err := b.List(t.Context(), "q/", "")
	if err != nil || len(page.Objects) != 1 || page.Objects[0].Key != odd {
		t.Fatalf("got %+v, %v", page, err)
	}
	if data, err := bucket.Fetch(t.Context(), b, page.Objects[0]); err != nil || string(data) != "odd" {
		t.Errorf("got %q, %v", data, err)
	}
	if _, err := b.Create(t.Context(), odd); err == nil || !strings.Contains(err.Error(), "another --output") {
		t.Errorf("wrote under another name: %v", err)
	}
}
