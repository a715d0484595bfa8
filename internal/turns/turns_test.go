package turns

import (
	"context"
	"testing"
	"testing/synctest"
)

// inside returns how many decoders have their turn.
func inside(turns *Turns) int {
	turns.mu.Lock()
	defer turns.mu.Unlock()
	return turns.active
}

func TestPassStopsDecoders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(3, 1)
		for range 6 {
			go func() {
				if err := turns.BeginDecode(t.Context()); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		if n := inside(turns); n != 3 {
			t.Fatalf("without a pass: %d decoders, want 3", n)
		}
		turns.BeginPass()
		turns.EndDecode()
		turns.EndDecode()
		synctest.Wait()
		if n := inside(turns); n != 1 {
			t.Errorf("during a pass, after two left: %d decoders, want 1", n)
		}
		turns.EndDecode()
		synctest.Wait()
		if n := inside(turns); n != 1 {
			t.Errorf("during a pass, after all left: %d decoders, want the next 1", n)
		}
		turns.EndPass()
		synctest.Wait()
		if n := inside(turns); n != 3 {
			t.Errorf("after the pass: %d decoders, want 3", n)
		}
		idle := turns.Idle()
		for range 3 {
			turns.EndDecode()
		}
		synctest.Wait()
		select {
		case <-idle:
		default:
			t.Error("no decoder is active or waiting, and Idle does not say so")
		}
		<-turns.Idle()
	})
}

func TestDecoderThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(1, 0)
		turns.BeginPass()
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() { failed <- turns.BeginDecode(ctx) }()
		synctest.Wait()
		idle := turns.Idle()
		cancel()
		if err := <-failed; err == nil {
			t.Error("got no error for a context that ended")
		}
		<-idle
		turns.EndPass()
		if err := turns.BeginDecode(t.Context()); err != nil || inside(turns) != 1 {
			t.Errorf("the turn is not free: %v", err)
		}
		if err := turns.BeginDecode(ctx); err == nil {
			t.Error("an ended context got a turn")
		}
	})
}

// Large pictures leave a turn to small ones, whatever there is.
func TestSmallPicturesPassLargeOnes(t *testing.T) {
	for _, decoders := range []int{1, 2, 5} {
		synctest.Test(t, func(t *testing.T) {
			turns := New(decoders, 0)
			for range 9 {
				go func() {
					if err := turns.BeginLarge(t.Context()); err != nil {
						t.Error(err)
					}
				}()
			}
			synctest.Wait()
			large := max(1, decoders/2)
			if n := inside(turns); n != large {
				t.Fatalf("of %d: %d large ones, want %d", decoders, n, large)
			}
			if err := turns.BeginDecode(t.Context()); err != nil { // at once, or synctest finds a deadlock
				t.Fatal(err)
			}
			turns.EndDecode()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if turns.BeginLarge(ctx) == nil {
				t.Error("a large one got in without its context")
			}
			for range 9 {
				turns.EndLarge()
				synctest.Wait()
			}
			<-turns.Idle()
			if turns.large != 0 || inside(turns) != 0 {
				t.Errorf("left over: %d large, %d in all", turns.large, inside(turns))
			}
		})
	}
}
