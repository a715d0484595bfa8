package serve

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/internal/load"
)

// TestHostileStrangers has four strangers make up requests, to every route and of every content
// type, beside eight honest clients, whose every picture is answered. It takes two seconds, or as
// long as REHEAD_SOAK says, and then holds the honest clients' 99th percentile to three times that
// of a quiet server. REHEAD_HOSTILE_URL names a server that runs elsewhere, as in a group of 1 GB.
func TestHostileStrangers(t *testing.T) {
	skipUnderRace(t)
	duration, long := 2*time.Second, false
	if text := os.Getenv("REHEAD_SOAK"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		long = duration >= time.Minute
	}
	url := os.Getenv("REHEAD_HOSTILE_URL")
	if url == "" {
		s := newServer(t, realModel(t, 0.1, 75), Config{Page: true, MaxHeldBytes: 128 << 20, MaxDecodeBytes: 256 << 20})
		url, _ = start(t, s)
	}
	honest := load.Config{URL: url + "/invocations", Clients: 8, ContentType: "image/jpeg",
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
	quiet := measure(min(duration/4, 30*time.Second))
	end := make(chan struct{})
	var strangers sync.WaitGroup
	heard := make([]map[int]int, 4)
	for i := range heard {
		s := &stranger{chance: rand.New(rand.NewPCG(uint64(i), 7)), url: url, heard: map[int]int{},
			client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}}
		heard[i] = s.heard
		s.pictures = [][]byte{photo(t, 3, 64, 48), photo(t, 4, 2000, 1500), manyScans(2000, 1500, 60),
			manyScans(512, 512, 450)}
		strangers.Go(func() {
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
	busy := measure(duration)
	close(end)
	strangers.Wait()
	t.Logf("quiet: %d answers, median %.1f ms, 99th percentile %.1f ms; beside strangers: %d, %.1f ms, "+
		"%.1f ms; they heard %v",
		quiet.Answered, quiet.PerImage.Median, quiet.PerImage.P99, busy.Answered, busy.PerImage.Median, busy.PerImage.P99,
		heard)
	for _, h := range heard {
		if h[http.StatusInternalServerError] > 0 {
			t.Errorf("strangers heard %v, want nothing that is the server's fault", h)
		}
	}
	if long && busy.PerImage.P99 > 3*quiet.PerImage.P99 {
		t.Errorf("99th percentile: %.1f ms beside strangers, want at most three times the quiet %.1f ms", busy.PerImage.P99,
			quiet.PerImage.P99)
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

// stranger makes up requests.
type stranger struct {
	chance   *rand.Rand
	url      string
	client   *http.Client
	pictures [][]byte
	heard    map[int]int
}

func pick[T any](s *stranger, from ...T) T { return from[s.chance.IntN(len(from))] }

// send sends one request, of which little may be right.
func (s *stranger) send() {
	if s.chance.IntN(40) == 0 {
		s.stall()
		return
	}
	body, kind := s.body()
	if s.chance.IntN(8) == 0 {
		kind = pick(s, typeImage, typeJSON, typeJSONLines, typeCSV, typeMultipart+"; boundary=b", typeText, "", ";", "a/b")
	}
	if s.chance.IntN(4) == 0 {
		body = s.spoilt(body)
	}
	target := pick(s, "/invocations", "/invocations", "/invocations", "/v1/explain", "/v2/models/model/infer",
		"/v2/models/model/versions/1/infer", "/models", "/models/a/invoke", "/ping", "/metrics", "/v1/model", "/", "/nowhere",
		"/execution-parameters", "/v2", "/v2/models/model", "/v2/models/model/ready")
	if strings.Contains(string(body[:min(len(body), 40)]), `{"inputs":[{"name"`) {
		target = "/v2/models/model/infer"
	}
	target += pick(s, "", "", "?top_k=0", "?top_k=1&embedding=true", "?explain=true", "?top_k=x", "?%zz")
	r, err := http.NewRequest(pick(s, "POST", "POST", "POST", "POST", "GET", "PUT", "HEAD", "X"), s.url+target,
		bytes.NewReader(body))
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Accept", pick(s, "*/*", typeJSON, typeVerboseJSON, typeJSONLines, typeCSV, "x"))
	response, err := s.client.Do(r)
	if err != nil {
		s.heard[0]++
		return
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	s.heard[response.StatusCode]++
}

// stall opens connections that send a little, and leaves them.
func (s *stranger) stall() {
	for range 50 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n"+
			strings.Repeat("x", 100))
		time.AfterFunc(2*time.Second, func() { _ = conn.Close() })
	}
}

// spoilt changes, cuts or repeats a part of a body.
func (s *stranger) spoilt(body []byte) []byte {
	body = bytes.Clone(body)
	if len(body) == 0 {
		return []byte{0}
	}
	switch at := s.chance.IntN(len(body)); s.chance.IntN(3) {
	case 0:
		for range 1 + s.chance.IntN(9) {
			body[s.chance.IntN(len(body))] = byte(s.chance.Uint32())
		}
	case 1:
		body = body[:at]
	default:
		body = append(body, body[at:]...)
	}
	return body
}

// body makes up a body and what it is said to be.
func (s *stranger) body() (body []byte, kind string) {
	n := 1 << s.chance.IntN(18)
	if s.chance.IntN(50) == 0 {
		n = 2 << 20
	}
	encoded := base64.StdEncoding.EncodeToString(s.pictures[0])
	list := func(item string, count int) string {
		return strings.TrimSuffix(strings.Repeat(item+",", count), ",")
	}
	few := 1 + s.chance.IntN(40)
	switch s.chance.IntN(14) {
	case 0:
		body = make([]byte, n)
		for i := range body {
			body[i] = byte(s.chance.Uint32())
		}
		return body, typeImage
	case 1:
		return []byte(strings.Repeat(",", n)), typeCSV
	case 2:
		var b strings.Builder
		for i := range n / 8 {
			fmt.Fprintf(&b, `"%d":0,`, i)
		}
		return []byte("{" + strings.TrimSuffix(b.String(), ",") + "}"), typeJSON
	case 3:
		return []byte(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["` + encoded + `"]}],"outputs":[` +
			list(`{"name":"bottleneck"}`, n/24+1) + "]}"), typeJSON
	case 4:
		return []byte(`{"inputs":[{"name":"x"},` + list("{}", n/3+1) + "]}"), typeJSON
	case 5:
		return []byte(`{"instances":[` + list(`"`+encoded+`"`, few) + "]}"), typeJSON
	case 6:
		return []byte(strings.Repeat(`{"b64":"`+encoded+"\"}\n", few)), typeJSONLines
	case 7:
		return []byte(strings.Repeat(encoded+"\n", few)), typeCSV
	case 8:
		return []byte(`{"inputs":[{"name":"rgb","datatype":"UINT8","shape":[1,` + fmt.Sprint(n/3+1) + `,1,3],"data":[` +
			list("7", n/3*3+3) + "]}]}"), typeJSON
	case 9:
		return []byte(strings.Repeat("[", n)), typeJSON
	case 10:
		part := "--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n" + string(s.pictures[0]) + "\r\n"
		return []byte(strings.Repeat(part, few) + "--b--"), typeMultipart + "; boundary=b"
	default:
		return pick(s, s.pictures...), "image/jpeg"
	}
}
