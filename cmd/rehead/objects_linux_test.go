package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/c236555e/rehead/internal/buckettest"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/internal/par"
)

// TestManyObjects embeds as many small pictures as REHEAD_OBJECTS says (20,000 for the figures of
// docs/fleet.md) with the small trunk, from disk and from a bucket whose every hundredth get is cut or
// re-chunked: the same array and rows. It prints times and peaks, and holds them to 1.25 times those
// from disk, a second run to a twentieth of the first, and memory to a bound.
func TestManyObjects(t *testing.T) {
	n := many(t, "REHEAD_OBJECTS", 0)
	if n == 0 {
		t.Skip("takes minutes: set REHEAD_OBJECTS=20000")
	}
	rehead, dir := binary(t), t.TempDir()
	url := buckettest.Server(t, "pictures")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "user"))
	folder := filepath.Join(dir, "flowers")
	fillObjects(t, url, folder, n)
	p := buckettest.NewProxy(t, url)
	p.Gets = func(i int64, _ *http.Request) buckettest.Fault {
		if i%100 != 0 {
			return buckettest.None
		}
		return []buckettest.Fault{buckettest.Cut, buckettest.Rechunk}[i/100%2]
	}
	embed := func(from, name, cache string) (seconds, peak float64) {
		own, proxy := processor(t, syscall.RUSAGE_CHILDREN), processor(t, syscall.RUSAGE_SELF)
		defer func() {
			t.Logf("%s: %.1f s of processor, and the proxy %.1f s", name, processor(t, syscall.RUSAGE_CHILDREN)-own,
				processor(t, syscall.RUSAGE_SELF)-proxy)
		}()
		began := time.Now()
		peak = labelling(t, "", -1, rehead, "embed", from, "--cache", filepath.Join(dir, cache), "-o",
			filepath.Join(dir, name+".npy"))
		return time.Since(began).Seconds(), peak
	}
	disk, diskPeak := embed(folder, "disk", "cache of disk")
	far, farPeak := embed("s3://pictures/flowers", "far", "cache of bucket")
	gets, cut, short := p.Objects.Load(), p.Met(buckettest.Cut), p.Met(buckettest.Rechunk)
	again, _ := embed("s3://pictures/flowers", "again", "cache of bucket")
	t.Logf("%d pictures: %.1f s and %.0f MB from disk, %.1f s and %.0f MB from the bucket (%.3f times), again %.1f s; "+
		"%d gets, %d bodies cut and %d re-chunked", n, disk, diskPeak, far, farPeak, far/disk, again, gets, cut, short)
	want, rows := readFile(t, filepath.Join(dir, "disk.npy")), listedRows(t, readFile(t, filepath.Join(dir, "disk.csv")))
	for _, name := range []string{"far", "again"} {
		if !bytes.Equal(readFile(t, filepath.Join(dir, name+".npy")), want) {
			t.Errorf("%s: another array than from disk", name)
		}
		got := listedRows(t, readFile(t, filepath.Join(dir, name+".csv")))
		if len(got) != n || strings.Join(got, "\n") != strings.Join(rows, "\n") {
			t.Errorf("%s: %d rows that are not those of the disk's %d", name, len(got), len(rows))
		}
	}
	switch {
	case cut+short < n/150 || p.Objects.Load() != gets:
		t.Errorf("%d faults, and %d gets in the second run", cut+short, p.Objects.Load()-gets)
	case far > 1.25*disk || again > 0.05*far:
		t.Errorf("the bucket took %.3f times as long as the disk, the second run %.3f of the first", far/disk, again/far)
	case farPeak > diskPeak+90:
		t.Errorf("peak memory %.0f MB, from disk %.0f", farPeak, diskPeak)
	}
}

// processor is the time in seconds that this process, or those that it waited for, computed.
func processor(t *testing.T, who int) float64 {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// fillObjects makes n small pictures of three labels, no two the same, on disk and in the bucket.
func fillObjects(t *testing.T, url, folder string, n int) {
	t.Helper()
	c := buckettest.Client(t, url)
	var kinds [3]*image.RGBA
	for k := range kinds {
		from := draw.Picture(k, k, 11)
		kinds[k] = image.NewRGBA(image.Rect(0, 0, 96, 96))
		for x := range 96 {
			for y := range 96 {
				kinds[k].Set(x, y, from.At(from.Bounds().Min.X+x, from.Bounds().Min.Y+y))
			}
		}
	}
	failed := make([]error, n)
	par.Do(16, n, func(i int) {
		m := *kinds[i%3]
		m.Pix = bytes.Clone(m.Pix)
		for k := range 24 { // a pattern of the number
			m.SetRGBA(k, 0, color.RGBA{uint8(i >> k & 1 * math.MaxUint8), 0, 0, math.MaxUint8})
		}
		rel := filepath.Join("flowers", "label"+strconv.Itoa(i%3), strconv.Itoa(i)+".png")
		failed[i] = func() error {
			var b bytes.Buffer
			if err := png.Encode(&b, &m); err != nil {
				return err
			}
			path := filepath.Join(filepath.Dir(folder), rel)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
				return err
			}
			_, err := c.PutObject(t.Context(), "pictures", filepath.ToSlash(rel), &b, int64(b.Len()), minio.PutObjectOptions{})
			return err
		}()
	})
	for _, err := range failed {
		if err != nil {
			t.Fatal(err)
		}
	}
}
