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
