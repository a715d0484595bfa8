package servetest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// process checks health, metrics and the connection.
func process() []Check {
	return []Check{
		{31, "speaks HTTP/1.1", Plain, func(t *testing.T, s *Subject) {
			if a := s.ask(t, http.MethodGet, "/ping", nil); a.proto != "HTTP/1.1" {
				t.Errorf("got %s, want HTTP/1.1", a.proto)
			}
		}},
		{32, "metrics on the only port", Plain, func(t *testing.T, s *Subject) {
			s.ask(t, http.MethodGet, "/metrics", nil).want(t, http.StatusOK, "rehead_ready 1\n")
		}},
		{33, "ping", Plain, func(t *testing.T, s *Subject) {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
				if a := s.ask(t, method, "/ping", nil).want(t, http.StatusOK, ""); a.body != "" {
					t.Errorf("%s: got the body %q, want none", method, a.body)
				}
			}
			s.ask(t, http.MethodGet, "/livez", nil).want(t, http.StatusOK, "")
			s.ask(t, http.MethodGet, "/readyz", nil).want(t, http.StatusOK, "")
		}},
		{34, "invocations", Plain, func(t *testing.T, s *Subject) {
			for _, sample := range s.Samples {
				s.wantRecord(t, s.invoke(t, sample.Picture, "Content-Type", "application/x-image").want(t, http.StatusOK, "").body,
					sample)
			}
		}},
		{35, "body limit", Plain, func(t *testing.T, s *Subject) {
			s.invoke(t, make([]byte, s.MaxBody+1), "Content-Type", "application/x-image").wantError(t,
				http.StatusRequestEntityTooLarge, "")
		}},
		{36, "chunked body, kept-alive connection", Plain, func(t *testing.T, s *Subject) {
			for _, sample := range s.Samples {
				a := s.send(t, http.MethodPost, "/invocations", struct{ io.Reader }{bytes.NewReader(sample.Picture)},
					"Content-Type", "image/png")
				s.wantRecord(t, a.want(t, http.StatusOK, "").body, sample)
				if a.header.Get("Connection") == "close" {
					t.Error("the connection is closed, want it kept")
				}
			}
		}},
		{65, "metrics", Plain, func(t *testing.T, s *Subject) {
			s.invoke(t, s.Samples[0].Picture).want(t, http.StatusOK, "")
			text := s.ask(t, http.MethodGet, "/metrics", nil).want(t, http.StatusOK, "").body
			for _, name := range []string{`rehead_requests_total{code="200",route="/invocations"} `,
				"rehead_request_duration_seconds_bucket", "rehead_queue_duration_seconds_sum",
				"rehead_forward_duration_seconds_count", "rehead_batch_size_bucket", "process_resident_memory_bytes"} {
				if !strings.Contains(text, "\n"+name) {
					t.Errorf("the metrics have no %s", name)
				}
			}
		}},
	}
}

// requests checks the request around a picture, and its faults.
func requests() []Check {
	return []Check{
		{37, "4xx for the caller's fault", Plain, func(t *testing.T, s *Subject) {
			good := s.Samples[0].Picture
			s.invoke(t, nil, "Content-Type", "image/png").wantError(t, http.StatusBadRequest, "empty")
			s.invoke(t, []byte("no picture"), "Content-Type", "image/png").wantError(t, http.StatusUnsupportedMediaType,
				"picture")
			s.invoke(t, good[:len(good)/2], "Content-Type", "image/png").wantError(t, http.StatusBadRequest, "")
			s.ask(t, http.MethodPost, "/invocations?top_k=-1", good).wantError(t, http.StatusBadRequest, "top_k")
		}},
		{38, "headers", Plain, func(t *testing.T, s *Subject) {
			a := s.invoke(t, s.Samples[0].Picture, "X-Amzn-SageMaker-Custom-Attributes", "trace=17,rehead-top-k=1",
				"X-Amzn-SageMaker-Inference-Id", "abc-1",
				"X-Amzn-SageMaker-Session-Id", "NEW_SESSION", "X-Amzn-SageMaker-Something-New", "x").want(t, http.StatusOK, "")
			if a.header.Get("X-Amzn-SageMaker-Custom-Attributes") != "trace=17,rehead-top-k=1" ||
				a.header.Get("X-Request-Id") != "abc-1" {
				t.Errorf("got %v, want the attributes and the id back", a.header)
			}
			if n := strings.Count(a.body, `"label"`); n != 1 {
				t.Errorf("got %d labels, want the 1 that the attributes ask for", n)
			}
		}},
		{39, "content types and Accept", Plain, func(t *testing.T, s *Subject) {
			good := s.Samples[0].Picture
			s.invoke(t, good, "Content-Type", "application/pdf").wantError(t, http.StatusUnsupportedMediaType, "")
			s.invoke(t, good, "Accept", "image/gif").wantError(t, http.StatusNotAcceptable, "Accept")
			s.invoke(t, good, "Content-Type", "IMAGE/PNG; charset=binary").want(t, http.StatusOK, "")
			for accept, want := range map[string]string{"": "application/json", "*/*": "application/json",
				"text/csv": "text/csv", "application/jsonlines": "application/jsonlines",
				"application/json;verbose": "application/json;verbose", "text/html, application/json;q=0.5": "application/json"} {
				if got := s.invoke(t, good, "Accept", accept).want(t, http.StatusOK, "").header.Get("Content-Type"); got != want {
					t.Errorf("Accept %q: got %q, want %q", accept, got, want)
				}
			}
		}},
		{41, "no bidirectional stream", Plain, func(t *testing.T, s *Subject) {
			s.ask(t, http.MethodGet, "/invocations-bidirectional-stream", nil).want(t, http.StatusNotFound, "")
		}},
		{44, "no address is fetched", Plain, func(t *testing.T, s *Subject) {
			for _, address := range []string{"http://169.254.170.2/v2/credentials", "http://127.0.0.1/ping",
				"file:///etc/passwd"} {
				s.invoke(t, []byte(`{"url":"`+address+`"}`), "Content-Type", "application/json").wantError(t,
					http.StatusBadRequest, "does not fetch")
			}
		}},
	}
}
