package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// journal collects log lines.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// The log holds a request's id and digest, and nothing else that it says.
func TestLogKeepsSecrets(t *testing.T) {
	var j journal
	s := newServer(t, &fake{}, Config{Logger: j.logger(), Token: "secret-token"})
	body := colorPNG(t, 4, 3, red)
	headers := []string{"Content-Type", "image/png", headerRequestID, "id-17", "Authorization", "Bearer secret-token",
		headerAttributes, "secret=1", "Cookie", "secret", "User-Agent", "secret", "X-Forwarded-For", "198.51.100.7"}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations?top_k=1&X-Amz-Signature=secret", body, headers...),
		http.StatusOK, "red")
	var line struct {
		Level, Msg, ID, Method, Route, Digest string
		Status, Pictures, Unreadable          int
		BytesIn                               int `json:"bytes_in"`
		BytesOut                              int `json:"bytes_out"`
		MS                                    float64
	}
	if err := json.Unmarshal([]byte(j.String()), &line); err != nil {
		t.Fatalf("%q: %v", j.String(), err)
	}
	sum := sha256.Sum256(body)
	if line.ID != "id-17" || line.Route != "/invocations" || line.Status != 200 || line.Pictures != 1 ||
		line.BytesIn != len(body) || line.BytesOut == 0 || line.Digest != hex.EncodeToString(sum[:]) || line.Level != "INFO" {
		t.Errorf("got %+v of %s", line, j.String())
	}
	for _, request := range []struct{ method, target string }{
		{http.MethodGet, "/secret-path?secret"}, {"SECRET", "/ping"}, {http.MethodPost, "/invocations?top_k=secret"},
	} {
		do(s.Handler(), request.method, request.target, []byte("secret"),
			append(headers, headerInferenceID, "secret secret")...)
	}
	if text := j.String(); strings.Contains(strings.ToLower(text), "secret") || strings.Contains(text, "198.51") ||
		strings.Contains(text, "192.0.2") {
		t.Errorf("the log tells what it must not: %s", text)
	}
}

// What is our fault is in the log with its reason, under the request's id.
func TestLogSaysWhy(t *testing.T) {
	var j journal
	s := newServer(t, &fake{fault: errors.New("the kernel is broken")}, Config{Logger: j.logger()})
	w := do(s.Handler(), http.MethodPost, "/invocations", colorPNG(t, 4, 3, red), headerRequestID, "id-18")
	wantStatus(t, w, http.StatusInternalServerError, "log")
	if got := j.String(); !strings.Contains(got, "the kernel is broken") || !strings.Contains(got, "id-18") {
		t.Errorf("got %s", got)
	}
}
