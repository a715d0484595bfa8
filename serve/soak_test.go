package serve

import (
	"bytes"
	"encoding/base64"
	"image/color"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/c236555e/rehead/internal/load"
)

// TestSoak is mixed load, every form of body, with 5 % bad ones: no fault that is the server's, no
// goroutine left, and memory that stays flat. It takes two seconds, or as long as REHEAD_SOAK says,
// such as 30m; only some minutes say much of memory.
func TestSoak(t *testing.T) {
	duration := 2 * time.Second
	if text := os.Getenv("REHEAD_SOAK"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	const periods = 12
	s := newServer(t, realModel(t, 0.1, 75), Config{Page: true})
	url, stop := start(t, s)
	kinds := mixedLoad(t, url)
	idle := runtime.NumGoroutine() + 2 // two of the server may only just begin
	var goroutines, memory []int
	answered, refused := 0, 0
	for period := range periods {
		for _, got := range runAll(t, kinds, duration/periods, uint64(period)) {
			answered, refused = answered+got.Answered, refused+got.Refused
			if got.Failed+got.Lost+got.Wrong > 0 {
				t.Errorf("period %d: %+v, want answers and refusals only", period, got)
			}
		}
		eventually(t, "the requests to end", func() bool { return inFlight(s) == 0 })
		memory = append(memory, resident(t))
		// The server sees the clients' connections end a moment after the clients do; what never
		// ends is a leak.
		eventually(t, "the goroutines of the load to end", func() bool {
			http.DefaultClient.CloseIdleConnections()
			return runtime.NumGoroutine() <= idle
		})
		goroutines = append(goroutines, runtime.NumGoroutine())
	}
	if answered == 0 || refused == 0 && answered > 1000 {
		t.Errorf("answered %d and refused %d, want some of both", answered, refused)
	}
	t.Logf("answered %d, refused %d, goroutines %v, resident KiB %v", answered, refused, goroutines, memory)
	early, late := slices.Max(memory[periods/4:periods/2]), slices.Max(memory[periods*3/4:])
	if duration >= 5*time.Minute && late > early*21/20 {
		t.Errorf("resident memory grew by more than 5 %%, from %d KiB in the second quarter to %d in the last: %v KiB", early,
			late, memory)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// runAll runs each kind of load at the same time.
func runAll(t *testing.T, kinds []load.Config, duration time.Duration, seed uint64) []*load.Result {
	t.Helper()
	results := make([]*load.Result, len(kinds))
	var running sync.WaitGroup
	for i, cfg := range kinds {
		cfg.Duration, cfg.Seed = duration, seed
		running.Go(func() {
			got, err := load.Run(t.Context(), cfg)
			if err != nil {
				t.Error(err)
				got = &load.Result{}
			}
			results[i] = got
		})
	}
	running.Wait()
	return results
}

// mixedLoad is 16 clients that send pictures in every form, and 5 % that is bad.
func mixedLoad(t testing.TB, url string) []load.Config {
	t.Helper()
	var good [][]byte
	for i := range 16 {
		good = append(good, colorPNG(t, 100+50*i, 80+40*i, color.RGBA{R: uint8(16 * i), G: 90, B: uint8(255 - 16*i), A: 255}))
	}
	damaged := bytes.Clone(good[3])
	for i := 60; i < len(damaged); i += 7 {
		damaged[i] ^= 0x55
	}
	torn := [][]byte{[]byte("no picture"), good[2][:len(good[2])/2], damaged, nil, []byte("{")}
	files, boundary := form(t, []string{string(good[4]), string(good[9])}, map[string]string{"top_k": "2"})
	rows := base64.StdEncoding.EncodeToString(good[1]) + "\n" + base64.StdEncoding.EncodeToString(good[5]) + "\n"
	mix := func(route, kind string, clients int, bad [][]byte, bodies ...[]byte) load.Config {
		return load.Config{URL: url + route, ContentType: kind, Clients: clients, Bodies: bodies, Bad: bad, BadShare: 0.05}
	}
	return []load.Config{
		mix("/invocations", typeImage, 8, torn, good...),
		mix("/invocations?embedding=true", typeJSON, 2, [][]byte{[]byte(`{"instances":[{"b64":"?"}]}`), []byte("{")}, instances(t, good[0], good[7]), instances(t, good[6])),
		mix("/invocations", typeJSONLines, 2, [][]byte{[]byte("1\n"), lines(torn[2])}, lines(good[3], good[2], good[8])),
		mix("/invocations", typeCSV, 1, [][]byte{[]byte("a,b\n"), []byte("\"")}, []byte(rows)),
		mix("/invocations", boundary, 2, [][]byte{files[:len(files)/2], []byte("--")}, files),
		mix("/v1/explain", typeImage, 1, torn, good...),
	}
}

// inFlight counts what requests hold.
func inFlight(s *Server) int {
	p := s.pipeline.buffers
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(s.pipeline.admitted.Load()+s.bodies.used.Load()) + cap(s.current.batcher.queue) - p.free
}

// resident is the process's resident memory in KiB, 0 where the system does not say.
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
