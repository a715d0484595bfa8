package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// stranger makes up requests.
type stranger struct {
	chance   *rand.Rand
	url      string
	client   *http.Client
	routes   []string // "METHOD /path", gone through in turn
	next     int
	kinds    []string // content types
	model    string   // a name that may be there, which is not unloaded
	pictures [][]byte
	heard    map[string]map[int]int // by route and status; 0: no answer
}

func pick[T any](s *stranger, from ...T) T { return from[s.chance.IntN(len(from))] }

// oneIn is true one time in n.
func (s *stranger) oneIn(n int) bool { return s.chance.IntN(n) == 0 }

// send sends one request, of which little may be right.
func (s *stranger) send() {
	if s.oneIn(40) {
		s.stall()
		return
	}
	body, kind, route := s.body()
	if s.oneIn(8) {
		kind = pick(s, s.kinds...)
	}
	if s.oneIn(4) {
		body = s.spoilt(body)
	}
	if route == "" || s.oneIn(2) {
		route = s.routes[s.next%len(s.routes)]
		s.next++
	}
	method, path, _ := strings.Cut(route, " ")
	if s.oneIn(20) {
		method = pick(s, "PUT", "X", "OPTIONS", "PATCH")
	}
	if s.oneIn(20) {
		path = pick(s, "/nowhere", "/models/", "/v2/models//infer", "/..", "/%2e%2e/etc/passwd", "//")
	}
	name := pick(s, s.model, s.model, "a", "%00", strings.Repeat("n", 300))
	if method == http.MethodDelete {
		name = "a"
	}
	path = strings.NewReplacer(":name", name, ":version", pick(s, "1", "-1", "x")).Replace(path)
	s.ask(method, path+pick(s, "", "", "?top_k=0", "?top_k=1&embedding=true", "?explain=true", "?top_k=x", "?%zz",
		"?limit=9&next_page_token=99999999"), kind, route, body)
}

// ask sends what was made up, sometimes in chunks, and sometimes without waiting for the answer.
func (s *stranger) ask(method, target, kind, route string, body []byte) {
	ctx := context.Background()
	if s.oneIn(20) {
		impatient, cancel := context.WithTimeout(ctx, time.Duration(s.chance.IntN(100))*time.Millisecond)
		defer cancel()
		ctx = impatient
	}
	var content io.Reader = bytes.NewReader(body)
	if s.oneIn(8) {
		content = struct{ io.Reader }{content} // of no known length
	}
	r, err := http.NewRequestWithContext(ctx, method, s.url+target, content)
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Accept", pick(s, "*/*", typeJSON, typeVerboseJSON, typeJSONLines, typeCSV, typeNPY, "x"))
	if s.oneIn(20) {
		r.Header.Set(pick(s, "Content-Encoding", "Expect", headerAttributes, "Authorization", "X-Long"),
			pick(s, "gzip", "100-continue", "rehead-top-k=0,rehead-explain=true", "Bearer x", strings.Repeat("x", 40<<10)))
	}
	status := 0
	if response, err := s.client.Do(r); err == nil {
		status = response.StatusCode
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	if s.heard[route] == nil {
		s.heard[route] = map[int]int{}
	}
	s.heard[route][status]++
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

// The routes that most bodies are for.
const (
	forInvoke = "POST /invocations"
	forInfer  = "POST /v2/models/:name/infer"
	forLoad   = "POST /models"
)

// body makes up a body, what it is said to be, and the route that it is for; "" is any.
func (s *stranger) body() (body []byte, kind, route string) {
	n := 1 << s.chance.IntN(18)
	if s.oneIn(50) {
		n = 2 << 20
	}
	list := func(item string, count int) string { return strings.TrimSuffix(strings.Repeat(item+",", count), ",") }
	encoded := base64.StdEncoding.EncodeToString(s.pictures[0])
	switch s.chance.IntN(9) {
	case 0:
		return s.noise(n), typeImage, forInvoke
	case 1:
		return []byte(strings.Repeat(pick(s, ",", `"`, `"",`, "\n"), n)), typeCSV, forInvoke
	case 2:
		var b strings.Builder
		for i := range n / 8 {
			fmt.Fprintf(&b, `"%d":0,`, i)
		}
		return []byte("{" + strings.TrimSuffix(b.String(), ",") + "}"), typeJSON, pick(s, forInvoke, forInfer, forLoad)
	case 3:
		return []byte(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["` + encoded + `"]}],"outputs":[` +
			list(pick(s, `{"name":"bottleneck"}`, "{}", `{"name":"probabilities"}`), n/24+1) + "]}"), typeJSON, forInfer
	case 4:
		return []byte(`{"inputs":[{"name":"x"},` + list("{}", n/3+1) + "]}"), typeJSON, forInfer
	case 5:
		return []byte(`{"inputs":[{"name":"rgb","datatype":"UINT8","shape":[1,` + fmt.Sprint(n/3+1) + `,1,3],"data":[` +
			list("7", n/3*3+3) + "]}]}"), typeJSON, forInfer
	case 6:
		return []byte(strings.Repeat(pick(s, "[", `{"b64":`, `{"instances":[`), n)), typeJSON, pick(s, forInvoke, forInfer)
	case 7:
		return s.loadRequest(), typeJSON, forLoad
	default:
		return s.readable(encoded)
	}
}

// readable is a body with pictures that are pictures.
func (s *stranger) readable(encoded string) (body []byte, kind, route string) {
	few := 1 + s.chance.IntN(40)
	switch s.chance.IntN(7) {
	case 0:
		return []byte(`{"instances":[` + strings.TrimSuffix(strings.Repeat(`"`+encoded+`",`, few), ",") + "]}"), typeJSON, forInvoke
	case 1:
		return []byte(strings.Repeat(`{"b64":"`+encoded+"\"}\n", few)), typeJSONLines, forInvoke
	case 2:
		return []byte(strings.Repeat(encoded+"\n", few)), typeCSV, forInvoke
	case 3:
		part := "--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n" + string(s.pictures[0]) + "\r\n"
		return []byte(strings.Repeat(part, few) + "--b--"), typeMultipart + "; boundary=b", forInvoke
	default:
		return pick(s, s.pictures...), "image/jpeg", pick(s, forInvoke, forInvoke, "POST /v1/explain", "POST /models/:name/invoke")
	}
}

func (s *stranger) noise(n int) []byte {
	body := make([]byte, n)
	for i := range body {
		body[i] = byte(s.chance.Uint32())
	}
	return body
}

// loadRequest asks for a model that is none.
func (s *stranger) loadRequest() []byte {
	return fmt.Appendf(nil, `{"model_name":%q,"url":%q}`, pick(s, "a", ".", "", strings.Repeat("n", 300)),
		pick(s, "/dev/zero", "/proc/self/mem", "/", "..", "", "/etc/passwd", "/nowhere", strings.Repeat("/a", 2000)))
}
