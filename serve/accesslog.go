package serve

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/c236555e/rehead/inception"
)

// accessEntry is what the log tells of a request. Nothing that the request says is among it but its
// id, which is checked, the digest of its body, and which of the loaded models it asked: no path,
// no query, no header, no address.
type accessEntry struct {
	id       string
	model    string // one of those loaded by name; "" elsewhere
	digest   string // SHA-256 of the body, hexadecimal
	bytes    int    // of the body
	pictures int
	bad      int // pictures that could not be read
}

const accessEntryKey = "rehead.notes"

// accessEntryOf returns the request's entry.
func accessEntryOf(c *gin.Context) *accessEntry {
	if n, ok := c.MustGet(accessEntryKey).(*accessEntry); ok {
		return n
	}
	panic("serve: the route is not wrapped by handle")
}

func (n *accessEntry) body(body []byte) {
	sum := sha256.Sum256(body)
	n.digest, n.bytes = hex.EncodeToString(sum[:]), len(body)
}

func (n *accessEntry) count(results []inception.Result) {
	n.pictures = len(results)
	for i := range results {
		if results[i].Err != nil {
			n.bad++
		}
	}
}

// requestID is the sender's own id, where it is valid, else a new one.
func requestID(r *http.Request) string {
	for _, header := range []string{headerRequestID, headerInferenceID} {
		if id := r.Header.Get(header); isID(id) {
			return id
		}
	}
	return rand.Text()
}

// isID reports whether text can stand in a log and in a header: SageMaker's inference ids have up
// to 64 characters.
func isID(text string) bool {
	if text == "" || len(text) > 64 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// logAccess writes the access log's line and counts the request. Health checks, which come every
// few seconds, are logged at a lower level.
func (s *Server) logAccess(c *gin.Context, route string, begin time.Time) {
	n, code, took := accessEntryOf(c), c.Writer.Status(), time.Since(begin)
	s.metrics.answered(route, code, took)
	s.metrics.pictures.WithLabelValues("answered").Add(float64(n.pictures - n.bad))
	s.metrics.pictures.WithLabelValues("unreadable").Add(float64(n.bad))
	level := slog.LevelInfo
	switch {
	case code >= http.StatusInternalServerError && code != http.StatusServiceUnavailable:
		level = slog.LevelError
	case s.health[route]:
		level = slog.LevelDebug
	}
	attributes := []slog.Attr{
		slog.String("id", n.id),
		slog.String("method", knownMethod(c.Request.Method)),
		slog.String("route", route),
		slog.Int("status", code),
		slog.Float64("ms", float64(took.Microseconds())/1000),
		slog.Int("bytes_in", n.bytes),
		slog.Int("bytes_out", max(c.Writer.Size(), 0)),
		slog.Int("pictures", n.pictures),
		slog.Int("unreadable", n.bad),
		slog.String("digest", n.digest),
	}
	if n.model != "" {
		attributes = append(attributes, slog.String("model", n.model))
	}
	s.cfg.Logger.LogAttrs(context.WithoutCancel(c.Request.Context()), level, "request", attributes...)
}

// knownMethod keeps what a stranger may invent out of the log.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions,
		http.MethodPatch:
		return method
	}
	return "other"
}
