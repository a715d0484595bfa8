package cache_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/cache"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
)

// TestCacheTornTail cuts the file at every byte, as a crash would leave it: what was whole is
// found, what was not is computed anew, and the file is sound afterwards.
func TestCacheTornTail(t *testing.T) {
	const features, pictures = 5, 4
	c := open(t, t.TempDir(), features)
	start := sizeOf(t, c.Path())
	fill(t, c, 0, pictures, features)
	name := filepath.Base(c.Path())
	closed(t, c)
	whole, err := os.ReadFile(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	length := (int64(len(whole)) - start) / pictures
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	for cut := range whole {
		picturetest.Write(t, path, whole[:cut])
		c := open(t, dir, features)
		left := int(max(int64(cut)-start, 0) / length)
		if c.Len() != left || c.Damaged() != 0 {
			t.Fatalf("cut at %d: %d pictures, %d damaged, want %d and none", cut, c.Len(), c.Damaged(), left)
		}
		holds(t, c, 0, left, features)
		fill(t, c, left, pictures, features)
		closed(t, c)
		if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, whole) {
			t.Fatalf("cut at %d: the file does not grow back: %d bytes, want %d, %v", cut, len(again), len(whole), err)
		}
	}
}

// TestCacheTornByAnother: a process that dies in the middle of an append leaves a torn record that
// a living one cuts off.
func TestCacheTornByAnother(t *testing.T) {
	c := open(t, t.TempDir(), 5)
	defer closed(t, c)
	fill(t, c, 0, 2, 5)
	f, err := os.OpenFile(c.Path(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 33)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	fill(t, c, 2, 4, 5)
	again := open(t, filepath.Dir(c.Path()), 5)
	defer closed(t, again)
	holds(t, again, 0, 4, 5)
	if again.Len() != 4 || again.Damaged() != 0 {
		t.Errorf("got %d pictures, %d damaged", again.Len(), again.Damaged())
	}
}

// TestCacheDamage changes every byte of the records in turn: the picture concerned is not found,
// the others are.
func TestCacheDamage(t *testing.T) {
	const features, pictures = 3, 3
	c := open(t, t.TempDir(), features)
	start := sizeOf(t, c.Path())
	fill(t, c, 0, pictures, features)
	closed(t, c)
	whole, err := os.ReadFile(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	length := (int64(len(whole)) - start) / pictures
	dir := filepath.Dir(c.Path())
	for at := range whole {
		damaged := append([]byte(nil), whole...)
		damaged[at] ^= 0x10
		picturetest.Write(t, c.Path(), damaged)
		again, err := cache.Open(dir, cacheKey(features))
		if int64(at) < start {
			if err == nil || !strings.Contains(err.Error(), "delete") {
				t.Fatalf("header byte %d changed: %v", at, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		hit := int((int64(at) - start) / length)
		if again.Damaged() != 1 || again.Len() != pictures-1 {
			t.Fatalf("byte %d changed: %d damaged, %d left", at, again.Damaged(), again.Len())
		}
		for i := range pictures {
			if _, ok := again.Get(sum(i)); ok == (i == hit) {
				t.Fatalf("byte %d of picture %d changed: picture %d found: %v", at, hit, i, ok)
			}
		}
		fill(t, again, hit, hit+1, features)
		holds(t, again, 0, pictures, features)
		// damage that happens while the file is open is noticed too
		f, err := os.OpenFile(c.Path(), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte{0xa5, 0x5a}, start+int64((hit+1)%pictures)*length+40); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if _, ok := again.Get(sum((hit + 1) % pictures)); ok {
			t.Fatal("a damaged bottleneck was returned")
		}
		fill(t, again, (hit+1)%pictures, (hit+1)%pictures+1, features)
		holds(t, again, 0, pictures, features)
		closed(t, again)
	}
}

func headerLen(t testing.TB, features int) int64 {
	c := open(t, t.TempDir(), features)
	defer closed(t, c)
	return sizeOf(t, c.Path())
}

func FuzzCache(f *testing.F) {
	c := open(f, f.TempDir(), 3)
	fill(f, c, 0, 3, 3)
	closed(f, c)
	whole, err := os.ReadFile(c.Path())
	if err != nil {
		f.Fatal(err)
	}
	name := filepath.Base(c.Path())
	for _, cut := range []int{0, 1, 12, len(whole) / 2, len(whole) - 1, len(whole)} {
		f.Add(whole[:cut])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		picturetest.Write(t, filepath.Join(dir, name), data)
		c, err := cache.Open(dir, cacheKey(3))
		if err != nil {
			return
		}
		for i := range 3 {
			if v, ok := c.Get(sum(i)); ok && len(v) != 3 {
				t.Fatalf("picture %d: got %v, want 3 values", i, v)
			}
		}
		fill(t, c, 10, 13, 3)
		holds(t, c, 10, 13, 3)
		closed(t, c)
		c = open(t, dir, 3)
		holds(t, c, 10, 13, 3)
		closed(t, c)
	})
}
