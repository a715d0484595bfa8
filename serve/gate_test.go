package serve

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/c236555e/rehead/dataset/picture"
)

// inside lets n goroutines through a gate and returns how many are in.
func inside(g *gate) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.active
}

func TestGateStopsDecodersWhileAPassRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(3, 1)
		for range 6 {
			go func() {
				if err := g.enter(t.Context()); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		if n := inside(g); n != 3 {
			t.Fatalf("without a pass: %d decoders, want 3", n)
		}
		g.begin()
		g.leave()
		g.leave()
		synctest.Wait()
		if n := inside(g); n != 1 {
			t.Errorf("during a pass, after two left: %d decoders, want 1", n)
		}
		g.leave()
		synctest.Wait()
		if n := inside(g); n != 1 {
			t.Errorf("during a pass, after all left: %d decoders, want the next 1", n)
		}
		g.end()
		synctest.Wait()
		if n := inside(g); n != 3 {
			t.Errorf("after the pass: %d decoders, want 3", n)
		}
		settled := g.settled()
		for range 3 {
			g.leave()
		}
		synctest.Wait()
		select {
		case <-settled:
		default:
			t.Error("nobody is inside or waiting, and the gate has not settled")
		}
		<-g.settled()
	})
}

func TestGateForgetsWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 0)
		g.begin()
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() { failed <- g.enter(ctx) }()
		synctest.Wait()
		settled := g.settled()
		cancel()
		if err := <-failed; err == nil {
			t.Error("got no error for a context that ended")
		}
		<-settled
		g.end()
		if err := g.enter(t.Context()); err != nil || inside(g) != 1 {
			t.Errorf("the gate is not free: %v", err)
		}
		if err := g.enter(ctx); err == nil {
			t.Error("an ended context entered")
		}
	})
}

// A batch waits for pictures that are being decoded, but not for long.
func TestBatchWaitsForDecoders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		p := newPipeline(Config{MaxBatch: 4, Decoders: 2, Passes: 1, MaxQueue: 9, MaxDecodeBytes: 1 << 20},
			newMetrics(&Server{}))
		p.pace.add(1, time.Second)
		b := newBatcher(f, p)
		defer b.close()
		pixels := make([]float32, 3*fakeSize*fakeSize)
		submit := func() *task {
			task, err := b.submit(t.Context(), pixels)
			if err != nil {
				t.Fatal(err)
			}
			return task
		}
		begin := time.Now()
		if _, _, err := submit().wait(); err != nil || time.Since(begin) != 0 {
			t.Errorf("alone: took %v and %v, want no wait", time.Since(begin), err)
		}

		if err := p.gate.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := submit()
		time.Sleep(100 * time.Millisecond)
		second := submit()
		p.gate.leave()
		for _, task := range []*task{first, second} {
			if _, _, err := task.wait(); err != nil {
				t.Error(err)
			}
		}
		if n := f.calls.Load(); n != 2 {
			t.Errorf("the picture that was being decoded ran by itself: %d passes, want 2", n)
		}

		p.pace = pace{}
		p.pace.add(1, time.Second)
		if err := p.gate.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		begin = time.Now()
		if _, _, err := submit().wait(); err != nil || time.Since(begin) != time.Second {
			t.Errorf("beside a decoder that does not end: took %v and %v, want a quarter of a batch of 4 s",
				time.Since(begin), err)
		}
		p.gate.leave()
	})
}

// Large pictures are decoded one after the other when they would not fit
// together, and one that is larger than all the room alone.
func TestDecodingIsBounded(t *testing.T) {
	body := colorPNG(t, 100, 100, red)
	p := newPipeline(Config{Decoders: 4, Passes: 1, MaxDecodeBytes: 100 * 100 * bytesPerPixel * 3 / 2}.withDefaults(),
		newMetrics(&Server{}))
	release, err := p.room(t.Context(), &record{data: body})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := p.room(ctx, &record{data: body}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second picture: got %v, want it to wait", err)
	}
	release()
	if release, err = p.room(t.Context(), &record{data: colorPNG(t, 400, 300, red)}); err != nil {
		t.Fatalf("a picture larger than the room, alone: %v", err)
	}
	release()
	if _, err := p.room(t.Context(), &record{data: []byte("no picture")}); !errors.Is(err, picture.ErrUnsupported) {
		t.Errorf("no picture: got %v, want ErrUnsupported", err)
	}
}
