package cache_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset/bottleneck"
	"github.com/c236555e/rehead/dataset/cache"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
)

func cacheKey(features int) cache.Key {
	return cache.Key{Key: bottleneck.Key{Trunk: "c0ffee", Recipe: picturetest.Recipe(75, picture.TF1Bilinear), Features: features}}
}

func sum(i int) [sha256.Size]byte { return sha256.Sum256([]byte(strconv.Itoa(i))) }

// vector is picture i's bottleneck.
func vector(i, features int) []float32 {
	v := make([]float32, features)
	for j := range v {
		v[j] = float32(i) + float32(j)/16
	}
	return v
}

func open(t testing.TB, dir string, features int) *cache.Bottlenecks {
	t.Helper()
	c, err := cache.Open(dir, cacheKey(features))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fill puts pictures from..to-1.
func fill(t testing.TB, c *cache.Bottlenecks, from, to, features int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := c.Put(sum(i), vector(i, features)); err != nil {
			t.Fatal(err)
		}
	}
}

// holds checks that pictures from..to-1 are there and right.
func holds(t testing.TB, c *cache.Bottlenecks, from, to, features int) {
	t.Helper()
	for i := from; i < to; i++ {
		if v, ok := c.Get(sum(i)); !ok || !slices.Equal(v, vector(i, features)) {
			t.Fatalf("picture %d: got %v, %v", i, v, ok)
		}
	}
}

func closed(t testing.TB, c *cache.Bottlenecks) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	c := open(t, dir, 7)
	if _, ok := c.Get(sum(0)); ok || c.Len() != 0 {
		t.Error("a new cache has something in it")
	}
	fill(t, c, 0, 20, 7)
	fill(t, c, 0, 20, 7) // again: nothing happens
	holds(t, c, 0, 20, 7)
	odd := []float32{float32(math.Inf(-1)), 0, -0.5, 1e-44, math.MaxFloat32, 3, 4}
	if err := c.Put(sum(99), odd); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(sum(100), odd[1:]); err == nil {
		t.Error("a bottleneck of the wrong length accepted")
	}
	closed(t, c)
	closed(t, c)
	if _, ok := c.Get(sum(0)); ok {
		t.Error("Get after Close")
	}
	if err := c.Put(sum(0), odd); !errors.Is(err, cache.ErrClosed) {
		t.Errorf("Put after Close: %v", err)
	}
	size := sizeOf(t, c.Path())
	c = open(t, dir, 7)
	defer closed(t, c)
	holds(t, c, 0, 20, 7)
	if v, ok := c.Get(sum(99)); !ok || !slices.Equal(v, odd) {
		t.Errorf("got %v, %v", v, ok)
	}
	fill(t, c, 0, 20, 7)
	if got := sizeOf(t, c.Path()); got != size || c.Len() != 21 {
		t.Errorf("the second run has %d pictures in %d bytes, the first 21 in %d", c.Len(), got, size)
	}
	if info, err := os.Stat(c.Path()); err != nil || info.Mode().Perm()&0o133 != 0 && os.PathSeparator == '/' {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func sizeOf(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestCacheKeys: another trunk, recipe or length never finds another's bottlenecks.
func TestCacheMerge(t *testing.T) {
	a, b := open(t, t.TempDir(), 3), open(t, t.TempDir(), 3)
	fill(t, a, 0, 5, 3)
	fill(t, b, 3, 9, 3)
	if added, err := a.Merge(b); err != nil || added != 4 || a.Len() != 9 {
		t.Errorf("got %d new of %d, %v; want 4 of 9", added, a.Len(), err)
	}
	holds(t, a, 0, 9, 3)
	if added, err := a.Merge(b); err != nil || added != 0 {
		t.Errorf("again: got %d new, %v; want none", added, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Merge(b); err == nil {
		t.Error("into a closed cache: got no error")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCacheKeys(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 7)
	defer closed(t, c)
	fill(t, c, 0, 3, 7)
	for name, change := range map[string]func(*cache.Key){
		"trunk":    func(k *cache.Key) { k.Trunk = "c0ffef" },
		"filter":   func(k *cache.Key) { k.Recipe.Filter = picture.Bilinear },
		"orient":   func(k *cache.Key) { k.Recipe.Orient = false },
		"mean":     func(k *cache.Key) { k.Recipe.Mean[2] = 1e-5 },
		"features": func(k *cache.Key) { k.Features = 8 },
	} {
		key := cacheKey(7)
		change(&key)
		other, err := cache.Open(dir, key)
		if err != nil {
			t.Fatal(err)
		}
		if other.Len() != 0 || other.Path() == c.Path() {
			t.Errorf("another %s finds the same file", name)
		}
		closed(t, other)
	}
	for name, change := range map[string]func(*cache.Key){
		"trunk":    func(k *cache.Key) { k.Trunk = "" },
		"features": func(k *cache.Key) { k.Features = 0 },
		"filter":   func(k *cache.Key) { k.Recipe.Filter = "" },
	} {
		key := cacheKey(7)
		change(&key)
		if _, err := cache.Open(dir, key); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("bad %s: %v", name, err)
		}
	}
}

func TestCacheGoroutines(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir, 9), open(t, dir, 9)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			c := []*cache.Bottlenecks{a, b}[g%2]
			for i := range 60 {
				n := (i*7 + g*13) % 100
				if err := c.Put(sum(n), vector(n, 9)); err != nil {
					t.Error(err)
				}
				if v, ok := c.Get(sum(n)); !ok || !slices.Equal(v, vector(n, 9)) {
					t.Errorf("picture %d: %v, %v", n, v, ok)
				}
			}
		})
	}
	wg.Wait()
	closed(t, a)
	closed(t, b)
	c := open(t, dir, 9)
	defer closed(t, c)
	if want := int64(c.Len()*(32+36+4)) + headerLen(t, 9); sizeOf(t, c.Path()) != want || c.Damaged() != 0 {
		t.Errorf("%d bytes for %d pictures, want %d: a picture was stored twice", sizeOf(t, c.Path()), c.Len(), want)
	}
}

// TestCacheProcesses lets processes append to one file; one is killed in between.
func TestCacheProcesses(t *testing.T) {
	if dir := os.Getenv("DATASET_TEST_CACHE"); dir != "" {
		c := open(t, dir, 600)
		from, err := strconv.Atoi(os.Getenv("DATASET_TEST_FROM"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("begun")
		fill(t, c, from, from+300, 600)
		closed(t, c)
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	child := func(from int) *exec.Cmd {
		cmd := exec.Command(exe, "-test.run=^TestCacheProcesses$")
		cmd.Env = append(os.Environ(), "DATASET_TEST_CACHE="+dir, "DATASET_TEST_FROM="+strconv.Itoa(from))
		return cmd
	}
	victim := child(5000)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Skipf("cannot start processes here: %v", err)
	}
	others := []*exec.Cmd{child(0), child(150), child(400)}
	for _, cmd := range others {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if err := victim.Process.Kill(); err != nil {
		t.Log(err) // it may have ended
	}
	_ = victim.Wait()
	for _, cmd := range others {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	c := open(t, dir, 600)
	defer closed(t, c)
	holds(t, c, 0, 700, 600)
	if c.Damaged() != 0 {
		t.Errorf("%d damaged records", c.Damaged())
	}
	if want := int64(c.Len()*(32+2400+4)) + headerLen(t, 600); sizeOf(t, c.Path()) != want {
		t.Errorf("%d bytes for %d pictures, want %d", sizeOf(t, c.Path()), c.Len(), want)
	}
}

// TestCacheKilled kills a process that appends at ten random moments with SIGKILL; each time what
// it left is sound and the next one goes on, and in the end the file is, byte for byte, that of a
// run nobody disturbed.
func TestCacheKilled(t *testing.T) {
	const features, pictures, kills = 700, 4000, 10
	if dir := os.Getenv("DATASET_TEST_KILLED"); dir != "" {
		c := open(t, dir, features)
		fmt.Println("begun")
		fill(t, c, 0, pictures, features)
		closed(t, c)
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	quiet := open(t, t.TempDir(), features)
	began := time.Now()
	fill(t, quiet, 0, pictures, features)
	took := time.Since(began)
	closed(t, quiet)
	dir := t.TempDir()
	child := func() *exec.Cmd {
		cmd := exec.Command(exe, "-test.run=^TestCacheKilled$")
		cmd.Env = append(os.Environ(), "DATASET_TEST_KILLED="+dir)
		return cmd
	}
	rng := rand.New(rand.NewPCG(uint64(began.UnixNano()), 1))
	before := 0
	for n := range kills {
		cmd := child()
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Skipf("cannot start processes here: %v", err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Duration(rng.Float64() * 3 * float64(took) / kills))
		if err := cmd.Process.Kill(); err != nil {
			t.Log(err) // it may have ended
		}
		_ = cmd.Wait()
		c := open(t, dir, features)
		if c.Damaged() != 0 || c.Len() < before || c.Len() > pictures {
			t.Fatalf("kill %d: %d pictures after %d, %d damaged", n, c.Len(), before, c.Damaged())
		}
		before = c.Len()
		holds(t, c, 0, before, features)
		closed(t, c)
	}
	t.Logf("killed %d times, at last with %d of %d pictures", kills, before, pictures)
	if text, err := child().CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	c := open(t, dir, features)
	closed(t, c)
	got, err1 := os.ReadFile(c.Path())
	want, err2 := os.ReadFile(quiet.Path())
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, want) {
		t.Errorf("after %d kills the file differs from an undisturbed one: %d bytes, want %d; %v", kills, len(got),
			len(want), err)
	}
}

// TestAugmentInCache: views are rows like any picture's.
func TestAugmentInCache(t *testing.T) {
	c := open(t, t.TempDir(), 4)
	defer closed(t, c)
	a := picture.Augment{Flip: true}
	fill(t, c, 0, 3, 4)
	for k := range 5 {
		if err := c.Put(a.CacheSum(picture.View{Sum: sum(0), K: k}), vector(100+k, 4)); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, c, 0, 3, 4)
	for k := range 5 {
		if v, ok := c.Get(a.CacheSum(picture.View{Sum: sum(0), K: k})); !ok || !slices.Equal(v, vector(100+k, 4)) {
			t.Errorf("view %d: got %v, %v", k, v, ok)
		}
	}
	if _, ok := c.Get(picture.Augment{Crop: 0.1}.CacheSum(picture.View{Sum: sum(0)})); ok || c.Len() != 8 {
		t.Errorf("other settings found something, or %d rows", c.Len())
	}
}

func BenchmarkCache(b *testing.B) {
	c := open(b, b.TempDir(), 2048)
	defer closed(b, c)
	v := vector(1, 2048)
	b.Run("put", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if err := c.Put(sum(i), v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("get", func(b *testing.B) {
		for b.Loop() {
			if _, ok := c.Get(sum(0)); !ok {
				b.Fatal("lost")
			}
		}
	})
}
