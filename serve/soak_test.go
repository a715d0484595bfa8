package serve

import (
	"bytes"
	"image/color"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/serve/load"
)

// TestSoak is mixed load with 5 % bad bodies: no fault that is the server's, no
// goroutine left, and memory that stays flat. It takes two seconds, or as long
// as REHEAD_SOAK says, such as 30m; only a minute or more says much of memory.
func TestSoak(t *testing.T) {
	duration := 2 * time.Second
	if text := os.Getenv("REHEAD_SOAK"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := newServer(t, realModel(t, 0.1, 75), Config{})
	url, stop := start(t, s)
	var good [][]byte
	for i := range 16 {
		good = append(good, picture(t, 100+50*i, 80+40*i, color.RGBA{R: uint8(16 * i), G: 90, B: uint8(255 - 16*i), A: 255}))
	}
	damaged := bytes.Clone(good[3])
	for i := 60; i < len(damaged); i += 7 {
		damaged[i] ^= 0x55
	}
	cfg := load.Config{
		URL: url + "/invocations", Bodies: good, Clients: 16, Duration: duration / 4,
		Bad: [][]byte{[]byte("no picture"), good[2][:len(good[2])/2], damaged, nil, []byte("{")}, BadShare: 0.05,
	}
	before := runtime.NumGoroutine()
	var goroutines, memory []int
	answered := 0
	for quarter := range 4 {
		cfg.Seed = uint64(quarter)
		got, err := load.Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		answered += got.Answered
		if got.Failed+got.Lost+got.Wrong > 0 || got.Answered == 0 || quarter == 3 && got.Refused == 0 && answered > 1000 {
			t.Errorf("quarter %d: %+v, want answers and refusals only", quarter, got)
		}
		eventually(t, "the connections to end", func() bool { http.DefaultClient.CloseIdleConnections(); return inFlight(s) == 0 })
		goroutines, memory = append(goroutines, runtime.NumGoroutine()), append(memory, resident(t))
	}
	t.Logf("answered %d, goroutines %v, resident KiB %v", answered, goroutines, memory)
	// The server sees the clients' connections end a moment after the clients do; what never ends is a leak.
	eventually(t, "the goroutines of the load to end", func() bool {
		http.DefaultClient.CloseIdleConnections()
		return runtime.NumGoroutine() <= before+16
	})
	if duration >= time.Minute && memory[3] > memory[1]*21/20 {
		t.Errorf("resident memory grew by more than 5 %% from the second quarter on: %v KiB", memory)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// inFlight counts what requests hold.
func inFlight(s *Server) int {
	return int(s.pipeline.admitted.Load()+s.bodies.used.Load()) + len(s.pipeline.buffers)
}

// resident is the process's resident memory in KiB, 0 where the system does not
// say.
func resident(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, found := strings.Cut(string(status), "VmRSS:")
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return 0
	}
	kib, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}
