package s3_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset/bucket/s3"
	"github.com/c236555e/rehead/internal/buckettest"
)

// TestRegression_WholeForARange: a service that answers with the whole object where its middle was asked
// for does not pass for one that gave it.
func TestRegression_WholeForARange(t *testing.T) {
	const text = "the whole object"
	ranges := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"0123"`)
		w.Header().Set("Last-Modified", "Tue, 01 Dec 2026 00:00:00 GMT")
		if !ranges {
			r.Header.Del("Range")
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	}))
	defer server.Close()
	buckettest.Environment(t, server.URL)
	c, err := s3.New(s3.Config{Endpoint: server.URL, Region: "us-east-1", NoMetadata: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Bucket("bucket")
	if err != nil {
		t.Fatal(err)
	}
	get := func(off, n int64) (string, error) {
		t.Helper()
		r, err := b.Get(t.Context(), "key", off, n, "")
		if err != nil {
			return "", err
		}
		data, err := io.ReadAll(r)
		if cerr := r.Close(); cerr != nil {
			t.Error(cerr)
		}
		return string(data), err
	}
	for _, c := range []struct {
		off, n int64
		want   string
	}{{4, 5, "whole"}, {10, -1, "object"}, {0, 3, "the"}, {0, -1, text}, {4, 0, ""}} {
		if got, err := get(c.off, c.n); err != nil || got != c.want {
			t.Errorf("%d bytes from %d on: got %q, %v, want %q", c.n, c.off, got, err, c.want)
		}
	}
	ranges = false
	for _, n := range []int64{5, -1} {
		if got, err := get(4, n); err == nil || !strings.Contains(err.Error(), "byte 4") {
			t.Errorf("%d bytes from 4 on: got %q, %v, want an error that says byte 4", n, got, err)
		}
	}
}
