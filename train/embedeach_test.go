package train

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync/atomic"
	"testing"
)

// TestEmbedEach: rows come in order, the same from the cache as from the trunk, bad pictures with
// their reason; the cache spares what it has, in one run and the next.
func TestEmbedEach(t *testing.T) {
	dir, w, cache := drawn(t, 6), narrow(t), t.TempDir()
	var paths []string
	for _, it := range scan(t, dir).Items {
		paths = append(paths, it.Path)
	}
	bad := map[int]string{0: "no picture", 5: "gone", len(paths) + 2: "gone"}
	paths = slices.Insert(paths, 0, "no picture")
	paths = append(slices.Insert(paths, 5, "gone"), "gone")
	read := func(i int) ([]byte, error) {
		switch paths[i] {
		case "no picture":
			return []byte("\xff\xd8\xff\xe0 no picture"), nil
		case "gone":
			return nil, errors.New("is gone")
		}
		return os.ReadFile(paths[i])
	}
	good := len(paths) - len(bad)
	var want [][]float32
	for run, cfg := range []EmbedConfig{{}, {CacheDir: cache, Batch: 3}, {CacheDir: cache, Decoders: 2}} {
		var rows [][]float32
		got, err := EmbedEach(t.Context(), len(paths), w, cfg, read, func(i int, row []float32, err error) error {
			if _, is := bad[i]; i != len(rows) || is != (err != nil) || is != (row == nil) {
				return fmt.Errorf("got picture %d after %d, %d values: %w", i, len(rows), len(row), err)
			}
			rows = append(rows, slices.Clone(row))
			return nil
		})
		if err != nil || len(rows) != len(paths) {
			t.Fatalf("run %d: %d rows, %v", run, len(rows), err)
		}
		if cached := map[int]int{2: good}[run]; got.Cached != cached || got.Pictures != good-cached {
			t.Errorf("run %d: got %+v, want %d from the cache", run, got, cached)
		}
		if run == 0 {
			want = rows
		}
		for i := range rows {
			if !slices.EqualFunc(rows[i], want[i], func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
				t.Errorf("run %d: picture %d is something else", run, i)
			}
		}
	}
	full := errors.New("disk full")
	if _, err := EmbedEach(t.Context(), len(paths), w, EmbedConfig{CacheDir: cache}, read,
		func(int, []float32, error) error { return full }); !errors.Is(err, full) {
		t.Errorf("an error of emit: got %v", err)
	}
	var calls atomic.Int64
	_, err := EmbedEach(t.Context(), 2, w, EmbedConfig{CacheDir: t.TempDir()}, func(i int) ([]byte, error) {
		data, err := os.ReadFile(paths[1])
		if calls.Add(1) > 2 { // it is another file by now
			data = append(data, 0)
		}
		return data, err
	}, func(_ int, row []float32, err error) error {
		if row != nil || !errors.Is(err, errChanged) {
			return fmt.Errorf("a file that changed: got %v: %w", row, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := EmbedEach(t.Context(), 1, nil, EmbedConfig{}, read, nil); err == nil {
		t.Error("no weights: got no error")
	}
}
