package serve

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/inception"
)

// What a client is told says what it sent and what to send instead.
func TestRefusalsSayWhatToSend(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	for _, c := range []struct {
		kind, body string
		code       int
		words      []string
	}{
		{"application/x-www-form-urlencoded", "abc", http.StatusUnsupportedMediaType, []string{`\"application/x-www-form-urlencoded\"`, "application/x-image"}},
		{"text/" + strings.Repeat("x", 500), "abc", http.StatusUnsupportedMediaType,
			[]string{"text/xxx", "application/x-image"}},
		{typeJSON, `["aGk="]`, http.StatusBadRequest, []string{"want a JSON object", "instances"}},
		{typeJSON, "{\"b64\":\"aGk=\"}\n{\"b64\":\"aGk=\"}", http.StatusBadRequest,
			[]string{"follows the JSON object", typeJSONLines}},
		{typeJSON, "", http.StatusBadRequest, []string{"the body is empty", "records"}},
	} {
		w := do(s.Handler(), http.MethodPost, "/invocations", []byte(c.body), "Content-Type", c.kind)
		for _, word := range c.words {
			wantStatus(t, w, c.code, word)
		}
		if w.Body.Len() > 400 {
			t.Errorf("%s: got %d bytes, want a sentence", c.kind, w.Body.Len())
		}
	}
}

// A byte order mark at the beginning of a text is passed over.
func TestRegression_ByteOrderMark(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	encoded := base64.StdEncoding.EncodeToString(colorPNG(t, 4, 3, red))
	for kind, body := range map[string]string{typeJSON: `{"b64":"` + encoded + `"}`, typeJSONLines: `{"b64":"` + encoded + `"}`, typeCSV: encoded} {
		w := do(s.Handler(), http.MethodPost, "/invocations", []byte("\ufeff"+body), "Content-Type", kind)
		wantStatus(t, w, http.StatusOK, `"red"`)
	}
}

// An inference request with a value of another type is told which, not that its JSON is malformed.
func TestRegression_InferNamesTheField(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	for body, words := range map[string]string{
		`{"id":7,"inputs":[]}`:                             `\"id\" is of type number, want a string`,
		`{"inputs":[{"name":"image","shape":[1.5]}]}`:      `\"inputs.shape\" is of type number, want a whole number`,
		`{"inputs":{}}`:                                    `\"inputs\" is of type object, want an array`,
		`{"inputs":[{"name":"image","shape":"1"}]}`:        `\"inputs.shape\" is of type string, want an array`,
		`{"inputs":[],"outputs":[{"parameters":"top_k"}]}`: `\"outputs.parameters\" is of type string, want an object`,
		`[]`:           `the JSON is of type array, want an object`,
		``:             `the body is empty`,
		`{"inputs":[}`: `malformed at byte 12`,
	} {
		wantStatus(t, do(s.Handler(), http.MethodPost, "/v2/models/model/infer", []byte(body)), http.StatusBadRequest, words)
	}
}

// In a batch job an empty object, as of a folder's key, does not lose the job.
func TestRegression_BatchAnswersAnEmptyPicture(t *testing.T) {
	for _, kind := range []string{"image/png", typeImage, typeBytes, ""} {
		s := newServer(t, &fake{}, Config{Batch: true})
		wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", nil, "Content-Type", kind), http.StatusOK, `{"error":"the picture has no bytes"}`)
		s = newServer(t, &fake{}, Config{})
		wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", nil, "Content-Type", kind), http.StatusBadRequest,
			"empty")
	}
}

// What can be asked for by GET can be asked for by HEAD.
func TestRegression_HeadBesideGet(t *testing.T) {
	s := newServer(t, &fake{}, Config{Page: true})
	url, _ := start(t, s)
	for _, target := range []string{"/ping", "/metrics", "/execution-parameters", "/v2", "/v2/models/model",
		"/v2/models/model/ready", "/v1/model", "/"} {
		response, err := http.Head(url + target)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK || err != nil || len(body) != 0 {
			t.Errorf("HEAD %s: got %d, %d bytes, %v", target, response.StatusCode, len(body), err)
		}
	}
}

// A client that sends all of a large picture before it reads is told that its token is missing.
func TestRegression_UnauthorizedIsAnsweredNotReset(t *testing.T) {
	url, _ := start(t, newServer(t, &fake{}, Config{Token: "secret"}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	const size = 8 << 20
	_, err = fmt.Fprintf(conn, "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Write(make([]byte, size)); err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	answer := make([]byte, 12)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 401" {
		t.Errorf("got %q, %v, want the status 401", answer, err)
	}
}

// The default of Accept has every spelling that Accept has.
func TestDefaultAcceptInAnySpelling(t *testing.T) {
	body := colorPNG(t, 4, 3, red)
	for spelling, want := range map[string]string{"Application/X-NDJSON": typeJSONLines,
		"text/csv; charset=utf-8": typeCSV, "application/json; Verbose": typeVerboseJSON} {
		w := do(newServer(t, &fake{}, Config{DefaultAccept: spelling}).Handler(), http.MethodPost, "/invocations", body)
		if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != want {
			t.Errorf("%s: got %d, %s, want %s", spelling, w.Code, got, want)
		}
	}
}

// Verbose answers say of a picture that it is unknown, too.
func TestRegression_VerboseAnswersKeepUnknown(t *testing.T) {
	c := realModel(t, 0.1, 75)
	c.Model().Unknown = &inception.Unknown{Threshold: 1e9}
	w := do(newServer(t, c, Config{}).Handler(), http.MethodPost, "/invocations", colorPNG(t, 60, 44, blue), "Accept",
		typeVerboseJSON)
	wantStatus(t, w, http.StatusOK, `"unknown":true`)
}

// The log of a server that is told to stop says so, and when it has.
func TestStopIsLogged(t *testing.T) {
	var log journal
	s := newServer(t, &fake{}, Config{Logger: log.logger()})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Serve(ctx, listener); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, line := range splitLines(log.String()) {
		var entry struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		said = append(said, entry.Msg)
	}
	if strings.Join(said, " ") != "stopping stopped" {
		t.Errorf("got %q", said)
	}
}

// A server that stops is ready by no check, that of a model (which KServe asks) among them.
func TestRegression_NoCheckIsReadyWhileStopping(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	checks := []string{"/ping", "/readyz", "/v2/health/ready", "/v2/models/model/ready",
		"/v2/models/model/versions/1/ready"}
	for _, check := range checks {
		wantStatus(t, do(s.Handler(), http.MethodGet, check, nil), http.StatusOK, "")
	}
	s.stopping.Store(true)
	for _, check := range checks {
		if w := do(s.Handler(), http.MethodGet, check, nil); w.Code != http.StatusServiceUnavailable ||
			strings.Contains(w.Body.String(), "true") {
			t.Errorf("%s: got %d %s, want 503 while the server stops", check, w.Code, w.Body)
		}
	}
}

// A URL of nothing is refused for what it is.
func TestRegression_EmptyURL(t *testing.T) {
	s := newServer(t, &fake{}, Config{Compat: CompatTFBlog, Fetch: &FetchConfig{Hosts: []string{"*"}}})
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", []byte(" \n"), "Content-Type", typeText),
		http.StatusBadRequest, "URL is empty")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", []byte(`{"url":""}`), "Content-Type", typeJSON), http.StatusBadRequest, "URL is empty")
}
