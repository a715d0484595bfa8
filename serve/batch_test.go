package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/color"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/c236555e/rehead/inception"
)

// eventually waits for a condition that another goroutine brings about.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// send posts a picture from another goroutine.
func send(ctx context.Context, s *Server, body []byte) <-chan *httptest.ResponseRecorder {
	done := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		r := httptest.NewRequest(http.MethodPost, "/invocations", bytes.NewReader(body)).WithContext(ctx)
		r.Header.Set("Content-Type", "image/png")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		done <- w
	}()
	return done
}

// A picture that finds the network idle does not wait; those that arrive while it runs share the
// next pass.
func TestBatchesFormWhileThePassRuns(t *testing.T) {
	f := &fake{block: make(chan struct{}), started: make(chan int)}
	s := newServer(t, f, Config{MaxBatch: 4, decoders: 2, decodersBeside: 2})
	body := colorPNG(t, 3, 2, red)
	first := send(t.Context(), s, body)
	if n := <-f.started; n != 1 {
		t.Fatalf("the idle network got a batch of %d, want 1", n)
	}
	var rest []<-chan *httptest.ResponseRecorder
	for range 6 {
		rest = append(rest, send(t.Context(), s, body))
	}
	eventually(t, "six decoded pictures", func() bool { return len(s.current.batcher.queue) == 6 })
	close(f.block)
	if a, b := <-f.started, <-f.started; a != 4 || b != 2 {
		t.Errorf("the waiting pictures ran as %d and %d, want 4 and 2", a, b)
	}
	for _, done := range append(rest, first) {
		wantStatus(t, <-done, http.StatusOK, "red")
	}
}

// Every request gets the answer of its own picture, in any batch.
func TestAnswersAreNotMixedUp(t *testing.T) {
	f := &fake{slow: 200 * time.Microsecond}
	s := newServer(t, f, Config{MaxBatch: 5, decoders: 3})
	var clients sync.WaitGroup
	for i := range 16 {
		body := colorPNG(t, 4+i, 5, color.RGBA{R: uint8(15 * i), G: uint8(240 - 15*i), B: uint8(40 + i), A: 255})
		want := expect(t, body).Predictions
		clients.Go(func() {
			for range 20 {
				w := do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type", "image/png")
				var got plainRecord
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !slices.Equal(got.Predictions, want) {
					t.Errorf("got %q, want %v", w.Body, want)
					return
				}
			}
		})
	}
	clients.Wait()
	if n := f.calls.Load(); n >= 320 {
		t.Errorf("320 requests took %d passes, want fewer", n)
	}
}

// A client that leaves takes its picture out of the queue, and the last one of a batch takes the
// batch with it. The waiting client leaves first: where both leave at once, the end of the pass may
// be heard before the waiting picture's own.
func TestCancellationReachesTheForwardPass(t *testing.T) {
	f := &fake{block: make(chan struct{}), started: make(chan int, 3)}
	s := newServer(t, f, Config{MaxBatch: 2, decoders: 2, decodersBeside: 2})
	body := colorPNG(t, 3, 2, red)
	runningCtx, leaveRunning := context.WithCancel(t.Context())
	defer leaveRunning()
	running := send(runningCtx, s, body)
	<-f.started
	waitingCtx, leaveWaiting := context.WithCancel(t.Context())
	defer leaveWaiting()
	waiting := send(waitingCtx, s, body)
	eventually(t, "a waiting picture", func() bool { return len(s.current.batcher.queue) == 1 })
	leaveWaiting()
	if w := <-waiting; w.Code != statusClientClosed {
		t.Errorf("the waiting client got %d, want %d", w.Code, statusClientClosed)
	}
	leaveRunning()
	if w := <-running; w.Code != statusClientClosed {
		t.Errorf("the client whose pass ran got %d, want %d", w.Code, statusClientClosed)
	}
	eventually(t, "the queue to empty", func() bool {
		return len(s.current.batcher.queue) == 0 && len(s.pipeline.passes) == 0
	})
	if n := f.calls.Load(); n != 1 {
		t.Errorf("%d passes ran, want only the one that was cancelled", n)
	}
}

// One client's leaving does not end the pass that another waits for.
func TestCancellationSparesTheOthers(t *testing.T) {
	f := &fake{block: make(chan struct{}), started: make(chan int, 3)}
	s := newServer(t, f, Config{MaxBatch: 2, decoders: 2, decodersBeside: 2})
	body := colorPNG(t, 3, 2, red)
	first := send(t.Context(), s, body)
	<-f.started
	ctx, cancel := context.WithCancel(t.Context())
	leaver, stayer := send(ctx, s, body), send(t.Context(), s, body)
	eventually(t, "two waiting pictures", func() bool { return len(s.current.batcher.queue) == 2 })
	f.block <- struct{}{}
	wantStatus(t, <-first, http.StatusOK, "red")
	if n := <-f.started; n != 2 {
		t.Fatalf("got a batch of %d, want 2", n)
	}
	cancel()
	<-leaver
	f.block <- struct{}{}
	wantStatus(t, <-stayer, http.StatusOK, "red")
}

// The queue is bounded, and says when to come back.
func TestQueueIsBounded(t *testing.T) {
	f := &fake{block: make(chan struct{}), started: make(chan int, 9)}
	s := newServer(t, f, Config{MaxBatch: 2, decoders: 1, MaxQueue: 3})
	body := colorPNG(t, 3, 2, red)
	var accepted []<-chan *httptest.ResponseRecorder
	for range 3 {
		accepted = append(accepted, send(t.Context(), s, body))
	}
	eventually(t, "a full queue", func() bool { return s.pipeline.admitted.Load() == 3 })
	w := do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type", "image/png")
	wantStatus(t, w, http.StatusServiceUnavailable, "waiting")
	if seconds, err := strconv.Atoi(w.Header().Get("Retry-After")); err != nil || seconds < 1 {
		t.Errorf("Retry-After: got %q, want seconds", w.Header().Get("Retry-After"))
	}
	close(f.block)
	for _, done := range accepted {
		wantStatus(t, <-done, http.StatusOK, "red")
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type", "image/png"), http.StatusOK,
		"red")
}

// A request whose turn would come after its deadline is told so at once.
func TestQueueRefusesWhatWouldBeTooLate(t *testing.T) {
	f := &fake{block: make(chan struct{}), started: make(chan int, 9)}
	s := newServer(t, f, Config{RequestTimeout: 10 * time.Second})
	s.pipeline.pace.add(1, time.Minute)
	body := colorPNG(t, 3, 2, red)
	first := send(t.Context(), s, body)
	<-f.started
	w := do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type", "image/png")
	wantStatus(t, w, http.StatusServiceUnavailable, "in time")
	if got := w.Header().Get("Retry-After"); got != "30" {
		t.Errorf("Retry-After: got %q, want half of the minute that a picture takes", got)
	}
	close(f.block)
	wantStatus(t, <-first, http.StatusOK, "red")
}

// A request of many pictures does not fill the queue by itself.
func TestManyPicturesOfOneRequest(t *testing.T) {
	s := newServer(t, &fake{}, Config{MaxBatch: 2, decoders: 2, MaxQueue: 4})
	var list [][]byte
	for range 50 {
		list = append(list, colorPNG(t, 3, 2, red))
	}
	w := do(s.Handler(), http.MethodPost, "/invocations", lines(list...), "Content-Type", typeJSONLines, "Accept",
		typeJSONLines)
	wantStatus(t, w, http.StatusOK, "red")
	if n := len(splitLines(w.Body.String())); n != 50 {
		t.Errorf("got %d answers, want 50", n)
	}
	if n := s.pipeline.admitted.Load(); n != 0 {
		t.Errorf("%d places are still taken, want 0", n)
	}
}

type misbehaves struct {
	*fake
	answer func(n int) ([]inception.Result, error)
}

func (m misbehaves) Classify(_ context.Context, inputs ...*inception.Input) ([]inception.Result, error) {
	return m.answer(len(inputs))
}

// A forward pass that fails in any way fails its requests and no others.
func TestForwardPassFaults(t *testing.T) {
	var broken atomic.Bool
	for name, fault := range map[string]func(n int) ([]inception.Result, error){
		"error": func(int) ([]inception.Result, error) { return nil, errors.New("x") },
		"panic": func(int) ([]inception.Result, error) { panic("x") },
		"short": func(int) ([]inception.Result, error) { return nil, nil },
		"unfit": func(n int) ([]inception.Result, error) {
			return []inception.Result{{Err: errors.New("not finite")}}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			broken.Store(true)
			f := &fake{}
			s := newServer(t, misbehaves{f, func(n int) ([]inception.Result, error) {
				if broken.Load() {
					return fault(n)
				}
				return []inception.Result{{Predictions: rank(1, 2, 3)}}, nil
			}}, Config{})
			body := colorPNG(t, 3, 2, red)
			wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type", "image/png"),
				http.StatusInternalServerError, "log")
			broken.Store(false)
			wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type", "image/png"), http.StatusOK,
				"blue")
		})
	}
}

// The bodies of all requests together, with their answers, are bounded.
func TestHeldBytesAreBounded(t *testing.T) {
	f := &fake{block: make(chan struct{}), started: make(chan int, 9)}
	body := append(colorPNG(t, 30, 20, red), make([]byte, 100<<10)...)
	s := newServer(t, f, Config{MaxHeldBytes: 2 * int64(len(body)), MaxAnswerBytes: 1 << 10})
	first := send(t.Context(), s, body)
	<-f.started
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type", "image/png"),
		http.StatusServiceUnavailable, "bytes")
	close(f.block)
	wantStatus(t, <-first, http.StatusOK, "red")
	if n := s.bodies.used.Load(); n != 0 {
		t.Errorf("%d bytes are still held, want 0", n)
	}
}

// A batch waits for pictures that are being decoded, but not for long.
func TestBatchWaitsForDecoders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		p := newPipeline(Config{MaxBatch: 4, decoders: 2, passes: 1, MaxQueue: 9, MaxDecodeBytes: 1 << 20},
			newMetrics(&Server{}))
		p.pace.add(1, time.Second)
		b := newBatcher(f, p)
		defer b.close()
		in := &inception.Input{Pixels: make([]float32, 3*fakeSize*fakeSize)}
		submit := func() *task {
			task, err := b.submit(t.Context(), in, false)
			if err != nil {
				t.Fatal(err)
			}
			return task
		}
		begin := time.Now()
		if _, _, err := submit().wait(); err != nil || time.Since(begin) != 0 {
			t.Errorf("alone: took %v and %v, want no wait", time.Since(begin), err)
		}

		if err := p.turns.BeginDecode(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := submit()
		time.Sleep(100 * time.Millisecond)
		second := submit()
		p.turns.EndDecode()
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
		if err := p.turns.BeginDecode(t.Context()); err != nil {
			t.Fatal(err)
		}
		begin = time.Now()
		if _, _, err := submit().wait(); err != nil || time.Since(begin) != time.Second {
			t.Errorf("beside a decoder that does not end: took %v and %v, want a quarter of a batch of 4 s",
				time.Since(begin), err)
		}
		p.turns.EndDecode()
	})
}
