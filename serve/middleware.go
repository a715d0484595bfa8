package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// route is a handler that leaves its error to be answered by its wrapper.
type route func(*gin.Context) error

// handle wraps a route: an id, a deadline, the bearer token, an answer for its error and for its
// panic, and a line in the log.
func (s *Server) handle(pattern string, r route) gin.HandlerFunc {
	return func(c *gin.Context) {
		begin := time.Now()
		n := &accessEntry{id: requestID(c.Request)}
		c.Set(accessEntryKey, n)
		c.Header(headerRequestID, n.id)
		c.Header("X-Content-Type-Options", "nosniff")
		if s.stopping.Load() {
			c.Header("Connection", "close") // the client's next request finds another server
		}
		ctx, cancel := context.WithTimeout(c.Request.Context(), s.cfg.RequestTimeout)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		s.metrics.inFlight.Inc()
		defer s.metrics.inFlight.Dec()
		defer s.logAccess(c, pattern, begin)
		if err := s.protect(pattern, r, c); err != nil {
			s.answerError(c, pattern, err)
		}
	}
}

// protect turns a panic of the route into an error. http.ErrAbortHandler keeps its meaning.
func (s *Server) protect(pattern string, r route, c *gin.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel that is panicked, not returned
				panic(p)
			}
			err = fmt.Errorf("serve: panic: %v\n%s", p, debug.Stack())
		}
	}()
	if !s.open[pattern] && !s.authorized(c.Request) {
		c.Header("WWW-Authenticate", "Bearer")
		return fail(http.StatusUnauthorized, "the request needs the header Authorization: Bearer with this server's token")
	}
	if pattern != unmatched && !s.open[pattern] && !s.health[pattern] && s.isClosed() {
		return fail(http.StatusServiceUnavailable, "the server is closed: ask another")
	}
	return r(c)
}

// authorized compares digests, whose length tells nothing, in constant time.
func (s *Server) authorized(r *http.Request) bool {
	if s.cfg.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(s.cfg.Token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// answerError writes the error's status and sentence, unless an answer has begun.
func (s *Server) answerError(c *gin.Context, pattern string, err error) {
	status := asStatus(err)
	if status.code == http.StatusInternalServerError {
		s.cfg.Logger.Error("request failed", "id", accessEntryOf(c).id, "route", pattern, "error", err)
	}
	if c.Writer.Written() {
		return
	}
	if status.code == statusClientClosed {
		c.Status(status.code)
		return
	}
	if r := c.Request; r.ContentLength != 0 && accessEntryOf(c).digest == "" { // its body is not read yet
		c.Header("Connection", "close")
		if status.code != http.StatusRequestTimeout {
			_ = http.NewResponseController(c.Writer).EnableFullDuplex() // the answer first
			defer drain(c.Writer, r, s.cfg.MaxBodyBytes)
		}
	}
	if status.retry > 0 {
		seconds := max(1, int((status.retry+time.Second-1)/time.Second))
		c.Header("Retry-After", strconv.Itoa(seconds))
	}
	switch {
	case strings.HasPrefix(pattern, "/models"), pattern == unmatched && s.cfg.MultiModel &&
		underModels(c.Request.URL.Path):
		sendJSON(c, status.code, managementError{Code: status.code, Type: errorType(status.code), Message: status.msg})
	case s.cfg.Compat == CompatTFBlog && status.code == http.StatusUnsupportedMediaType && pattern == "/invocations":
		c.String(status.code, "This predictor only supports TXT data")
	default:
		sendJSON(c, status.code, errorRecord{status.msg})
	}
}

func underModels(path string) bool { return path == "/models" || strings.HasPrefix(path, "/models/") }

// body reads the request's body, which the ledger then holds, and notes its digest for the access
// log.
func (s *Server) body(c *gin.Context, held *ledger) ([]byte, error) {
	var body []byte
	var err error
	if coding := contentCoding(c.Request); coding != "" {
		body, err = s.readCoded(c, held, coding)
	} else {
		body, err = readBody(c.Writer, c.Request, s.cfg.MaxBodyBytes, held)
	}
	if err == nil {
		accessEntryOf(c).body(body)
	}
	return body, err
}
