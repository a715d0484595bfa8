package serve

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/internal/load"
)

// hostileGroup is the memory that a server beside strangers may take, in bytes.
const hostileGroup = 1 << 30

// TestHostileStrangers has four strangers make up requests, to every route and of every content
// type, beside eight honest clients, whose every picture is answered. It takes two seconds, or as
// long as REHEAD_SOAK says, and then holds the honest clients' 99th percentile to three times that
// of a quiet server, before and afterwards.
//
// REHEAD_HOSTILE_URL names a server that runs elsewhere, as in a group of 1 GB, which it then must
// not pass: where the honest clients send their pictures, "http://127.0.0.1:8080/invocations", or
// "/models/NAME/invoke" of a server of many models.
func TestHostileStrangers(t *testing.T) {
	skipUnderRace(t)
	duration, long := 2*time.Second, false
	if testing.Short() {
		duration = time.Second
	}
	if text := os.Getenv("REHEAD_SOAK"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		long = duration >= time.Minute
	}
	address := os.Getenv("REHEAD_HOSTILE_URL")
	elsewhere := address != ""
	if !elsewhere {
		base, _ := start(t, hostileServer(t))
		address = base + "/invocations"
	}
	u, err := url.Parse(address)
	if err != nil || len(u.Path) < 2 {
		t.Fatalf("REHEAD_HOSTILE_URL: got %q (%v), want a URL with the path of the honest clients", address, err)
	}
	base := u.Scheme + "://" + u.Host
	honest := load.Config{URL: address, Clients: 8, ContentType: "image/jpeg",
		Bodies: [][]byte{photo(t, 0, 320, 240), photo(t, 1, 400, 300), photo(t, 2, 640, 480)}}
	measure := func(d time.Duration) *load.Result {
		honest.Duration = d
		got, err := load.Run(t.Context(), honest)
		if err != nil {
			t.Fatal(err)
		}
		if got.Answered != got.Requests {
			t.Errorf("of %d honest requests %d were answered: %v, %s", got.Requests, got.Answered, got.Statuses, got.Example)
		}
		return got
	}
	began := processValue(t, base, "process_start_time_seconds")
	before := measure(min(duration/4, 30*time.Second))
	leave := letIn(t, base, u.Path)
	watch := watchMemory(t, base)
	busy := measure(duration)
	heard := leave()
	peak := watch()
	after := measure(min(duration/4, 30*time.Second))
	quiet := (before.PerImage.P99 + after.PerImage.P99) / 2
	t.Logf("99th percentile %.0f ms quiet before, %.0f after, %.0f beside strangers: %.2f times; medians %.0f, %.0f, %.0f; "+
		"%d answers beside strangers, who heard %v; resident at most %.0f MB", before.PerImage.P99, after.PerImage.P99,
		busy.PerImage.P99, busy.PerImage.P99/quiet, before.PerImage.Median, after.PerImage.Median, busy.PerImage.Median,
		busy.Answered, heard, peak/1e6)
	for route, h := range heard {
		if h[http.StatusInternalServerError] > 0 {
			t.Errorf("%s: strangers heard %v, want nothing that is the server's fault", route, h)
		}
	}
	if long {
		for route := range everyRoute(t) {
			if len(heard[route]) == 0 {
				t.Errorf("%s: no stranger was there", route)
			}
		}
		if busy.PerImage.P99 > 3*quiet {
			t.Errorf("99th percentile: %.0f ms beside strangers, want at most three times the quiet %.0f ms", busy.PerImage.P99,
				quiet)
		}
	}
	if ends := processValue(t, base, "process_start_time_seconds"); ends != began {
		t.Errorf("the server is another process than at the beginning: got %v, want %v", ends, began)
	}
	if elsewhere && peak > hostileGroup {
		t.Errorf("the server held %.0f MB, want at most %d", peak/1e6, hostileGroup/1_000_000)
	}
}

// hostileServer has every route.
func hostileServer(t *testing.T) *Server {
	return newServer(t, realModel(t, 0.1, 75), Config{Page: true, MultiModel: true, MaxHeldBytes: 128 << 20,
		MaxDecodeBytes: 256 << 20, ModelRoot: t.TempDir(), Open: open})
}

// letIn sends four strangers to a server whose honest clients use path; leave calls them back, and
// has what they heard by route.
func letIn(t *testing.T, base, path string) (leave func() map[string]map[int]int) {
	end, model := make(chan struct{}), "model"
	if name, found := strings.CutPrefix(path, "/models/"); found {
		model = strings.TrimSuffix(name, "/invoke")
	}
	var running sync.WaitGroup
	strangers := make([]*stranger, 4)
	pictures := [][]byte{photo(t, 3, 64, 48), photo(t, 4, 2000, 1500), manyScans(2000, 1500, 60), manyScans(512, 512, 450)}
	routes := slices.Sorted(maps.Keys(everyRoute(t)))
	for i := range strangers {
		s := &stranger{chance: rand.New(rand.NewPCG(uint64(i), 7)), url: base, heard: map[string]map[int]int{}, model: model,
			routes: routes, next: i * len(routes) / len(strangers), pictures: pictures, kinds: everyContentType(),
			client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}}
		strangers[i] = s
		running.Go(func() {
			defer s.client.CloseIdleConnections()
			for {
				select {
				case <-end:
					return
				default:
					s.send()
				}
			}
		})
	}
	return func() map[string]map[int]int {
		close(end)
		running.Wait()
		all := map[string]map[int]int{}
		for _, s := range strangers {
			for route, statuses := range s.heard {
				if all[route] == nil {
					all[route] = map[int]int{}
				}
				for status, n := range statuses {
					all[route][status] += n
				}
			}
		}
		return all
	}
}

// everyRoute is each route of a server that has all, as "METHOD /path".
func everyRoute(t *testing.T) map[string]bool {
	routes := map[string]bool{}
	s := newServer(t, &fake{}, Config{Page: true, MultiModel: true, Open: open})
	for _, r := range s.engine.Routes() {
		routes[r.Method+" "+r.Path] = true
	}
	return routes
}

// everyContentType is each type that a body may have, and some that none may.
func everyContentType() []string {
	return slices.Concat(slices.Sorted(maps.Keys(aliases)), []string{typeJSON, typeVerboseJSON, typeJSONLines, typeCSV,
		typeCSV + "; header=present", typeNPY, typeText, typeMultipart + "; boundary=b", typeMultipart, typeImage, typeBytes,
		"image/jpeg", "image/png", "", ";", "a/b", strings.Repeat("a", 1000)})
}

// processValue is a number of GET /metrics, NaN where it is not there.
func processValue(t *testing.T, base, name string) float64 {
	t.Helper()
	response, err := http.Get(base + "/metrics")
	if err != nil {
		t.Error(err)
		return math.NaN()
	}
	defer response.Body.Close() //nolint:errcheck // only read from
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), name+" "); found {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Error(err)
			}
			return value
		}
	}
	return math.NaN()
}

// watchMemory looks at the server's memory every second; peak ends that and has the most.
func watchMemory(t *testing.T, base string) (peak func() float64) {
	end, most := make(chan struct{}), make(chan float64)
	go func() {
		held := 0.0
		for {
			if now := processValue(t, base, "process_resident_memory_bytes"); now > held {
				held = now
			}
			select {
			case <-end:
				most <- held
				return
			case <-time.After(time.Second):
			}
		}
	}()
	return func() float64 {
		close(end)
		return <-most
	}
}

func photo(t testing.TB, class, width, height int) []byte {
	t.Helper()
	small := draw.Picture(class, 0, 1)
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetNRGBA(x, y, small.NRGBAAt(x*small.Rect.Dx()/width, y*small.Rect.Dy()/height))
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// manyScans is a grey progressive JPEG, whose every scan but the first says in a few bytes that all
// blocks end where they are: a pass over the whole picture for each.
func manyScans(width, height, scans int) []byte {
	b := []byte{0xff, 0xd8, 0xff, 0xdb, 0, 67, 0}
	b = append(b, bytes.Repeat([]byte{1}, 64)...)
	b = append(b, 0xff, 0xc2, 0, 11, 8)
	b = binary.BigEndian.AppendUint16(b, uint16(height))
	b = binary.BigEndian.AppendUint16(b, uint16(width))
	b = append(b, 1, 1, 0x11, 0)
	for _, table := range [][2]byte{{0x00, 0}, {0x10, 0xe0}} { // one code of one bit: no difference; EOB14
		b = append(b, 0xff, 0xc4, 0, 20, table[0], 1)
		b = append(b, make([]byte, 15)...)
		b = append(b, table[1])
	}
	blocks := ((width + 7) / 8) * ((height + 7) / 8)
	b = append(b, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0)
	b = append(b, make([]byte, blocks/8+1)...)
	var ends []byte
	for run := blocks; run > 0; run -= 1 << 14 { // a bit for EOB14 and fourteen for what is beyond 2^14
		ends = append(ends, 0, 0)
	}
	for range scans {
		b = append(b, 0xff, 0xda, 0, 8, 1, 1, 0, 1, 63, 0)
		b = append(b, ends...)
	}
	return append(b, 0xff, 0xd9)
}
