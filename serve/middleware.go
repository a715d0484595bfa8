package serve

import (
	"context"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
)

// handle wraps a route: a deadline for it, an answer for its error, and for its
// panic, which must not take the process with it.
func (s *Server) handle(route func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), s.cfg.RequestTimeout)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		if err := s.protect(route, c); err != nil {
			s.answerError(c, err)
		}
	}
}

// protect turns a panic of the route into an error. http.ErrAbortHandler keeps
// its meaning.
func (s *Server) protect(route func(*gin.Context) error, c *gin.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel that is panicked, not returned
				panic(p)
			}
			s.cfg.Logger.Error("panic", "route", c.FullPath(), "panic", p, "stack", string(debug.Stack()))
			err = fail(http.StatusInternalServerError, "the server could not answer this request; its log says why")
		}
	}()
	return route(c)
}

// answerError writes the error's status and sentence, unless an answer has
// begun.
func (s *Server) answerError(c *gin.Context, err error) {
	status := asStatus(err)
	if status.code == http.StatusInternalServerError {
		s.cfg.Logger.Error("request failed", "route", c.FullPath(), "error", err)
	}
	if c.Writer.Written() {
		return
	}
	if status.retry > 0 {
		seconds := max(1, int((status.retry+time.Second-1)/time.Second))
		c.Header("Retry-After", strconv.Itoa(seconds))
	}
	c.JSON(status.code, gin.H{"error": status.msg})
}
