package inception

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/nn"
)

func tinyTrunk(t *testing.T) *Trunk {
	t.Helper()
	trunk, err := NewTrunk(tiny(t, Keras), nn.Config{Threads: 2, Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := trunk.Close(); err != nil {
			t.Error(err)
		}
	})
	return trunk
}

// embedOne is the bottleneck of one picture in a pass of its own.
func embedOne(t *testing.T, trunk *Trunk, data []byte) []float32 {
	t.Helper()
	pixels, bottleneck := make([]float32, trunk.pixels()), make([]float32, trunk.Features())
	if _, err := trunk.Weights().Recipe.Load(data, picture.Limits{}, pixels); err != nil {
		t.Fatal(err)
	}
	if err := trunk.Embed(context.Background(), 1, pixels, bottleneck); err != nil {
		t.Fatal(err)
	}
	return bottleneck
}

// TestEmbedAll: every picture comes out once, in order, with the bits that it has alone; bad ones
// with their error.
func TestEmbedAll(t *testing.T) {
	trunk := tinyTrunk(t)
	gone := errors.New("gone")
	const n = 13
	read := func(i int) ([]byte, error) {
		switch i {
		case 0, 7, n - 1:
			return nil, gone
		case 3, 8:
			return []byte("no picture"), nil
		}
		runtime.Gosched()
		return sketch(t, i%3, i), nil
	}
	bad := []int{0, 3, 7, 8, n - 1}
	alone := make([][]float32, n)
	for i := range alone {
		if !slices.Contains(bad, i) {
			alone[i] = embedOne(t, trunk, sketch(t, i%3, i))
		}
	}
	for _, cfg := range []EmbedConfig{{}, {Batch: 1, Decoders: 1}, {Batch: 5, Decoders: 3}, {Batch: 64, Decoders: 64}} {
		next := 0
		err := trunk.EmbedAll(context.Background(), n, read, func(i int, vec []float32, err error) error {
			if i != next {
				t.Fatalf("%+v: got picture %d, want %d", cfg, i, next)
			}
			next++
			if slices.Contains(bad, i) {
				if err == nil || vec != nil || errors.Is(err, gone) == (i == 3 || i == 8) {
					t.Errorf("%+v: picture %d: got %v, %v, want an error", cfg, i, vec, err)
				}
				return nil
			}
			if err != nil {
				return fmt.Errorf("picture %d: %w", i, err)
			}
			for k, want := range alone[i] {
				if math.Float32bits(want) != math.Float32bits(vec[k]) {
					return fmt.Errorf("picture %d, feature %d: got %v, want %v", i, k, vec[k], want)
				}
			}
			return nil
		}, cfg)
		if err != nil || next != n {
			t.Errorf("%+v: %v after %d pictures", cfg, err, next)
		}
	}
	if err := trunk.EmbedAll(context.Background(), 0, nil, nil, EmbedConfig{}); err != nil {
		t.Errorf("no pictures: %v", err)
	}
	for _, cfg := range []EmbedConfig{{Batch: -1}, {Decoders: -1}, {Batch: 1 << 20}} {
		if err := trunk.EmbedAll(context.Background(), 1, read, nil, cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

// TestEmbedAllEnds: an error of emit and a cancelled context end the run, and no goroutine outlives
// it.
func TestEmbedAllEnds(t *testing.T) {
	trunk := tinyTrunk(t)
	data := sketch(t, 0, 0)
	read := func(int) ([]byte, error) { return data, nil }
	before := runtime.NumGoroutine()
	full := errors.New("disk full")
	for _, at := range []int{0, 1, 10} {
		calls := 0
		err := trunk.EmbedAll(context.Background(), 1000, read, func(i int, _ []float32, err error) error {
			calls++
			if i == at {
				return full
			}
			return err
		}, EmbedConfig{Batch: 4, Decoders: 2})
		if !errors.Is(err, full) || calls != at+1 {
			t.Errorf("emit failed at %d: got %v after %d calls", at, err, calls)
		}
		ctx, cancel := context.WithCancel(context.Background())
		err = trunk.EmbedAll(ctx, 1000, read, func(i int, _ []float32, err error) error {
			if i == at {
				cancel()
			}
			return err
		}, EmbedConfig{Batch: 4, Decoders: 2})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at %d: got %v", at, err)
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := trunk.EmbedAll(ctx, 5, read, func(int, []float32, error) error {
		return nil
	}, EmbedConfig{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: got %v", err)
	}
	for range 200 { // goroutines of the runtime come and go
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines are left, %d were there before", runtime.NumGoroutine(), before)
}

// TestEmbedAllIsBounded: while the first picture is stuck, only so many others are read.
func TestEmbedAllIsBounded(t *testing.T) {
	trunk := tinyTrunk(t)
	data := sketch(t, 0, 0)
	const n, batch, decoders, held = 100, 2, 3, 16
	stuck := make(chan struct{})
	var reads atomic.Int64
	err := trunk.EmbedAll(context.Background(), n, func(i int) ([]byte, error) {
		if reads.Add(1) == held { // all that may be held has been asked for
			close(stuck)
		}
		if i == 0 {
			<-stuck
			if got := reads.Load(); got > held {
				return nil, fmt.Errorf("%d pictures were read while the first was not there, want at most %d", got, held)
			}
		}
		return data, nil
	}, func(_ int, _ []float32, err error) error { return err }, EmbedConfig{Batch: batch, Decoders: decoders})
	if err != nil || reads.Load() != n {
		t.Errorf("%v after %d reads", err, reads.Load())
	}
}
