package serve

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// empty answers a status with no body.
func empty(c *gin.Context, code int) {
	c.Header("Cache-Control", "no-store")
	c.Header("Content-Length", "0")
	c.Status(code)
	c.Writer.WriteHeaderNow()
}

// ping answers 200 with an empty body when the model is ready, else 503. It computes nothing, so
// that it answers in well under SageMaker's 2 s however busy the server is.
func (s *Server) ping(c *gin.Context) error {
	empty(c, s.readyStatus())
	return nil
}

// livez answers 200 as long as the process answers at all.
func (s *Server) livez(c *gin.Context) error {
	empty(c, http.StatusOK)
	return nil
}

// readyz answers as /ping does.
func (s *Server) readyz(c *gin.Context) error { return s.ping(c) }

func (s *Server) readyStatus() int {
	if s.ready() {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

func (s *Server) showMetrics(c *gin.Context) error {
	s.metrics.handler.ServeHTTP(c.Writer, c.Request)
	return nil
}

// executionParameters answers what SageMaker asks before a batch transform: payloads of the default
// 6 MB, or what MaxBodyBytes allows, as many at once as the batches can use, and not more than 100
// MB in all.
func (s *Server) executionParameters(c *gin.Context) error {
	const most, usual = 100, 6
	payload := usual
	if s.cfg.MaxBodyBytes != DefaultMaxBodyBytes {
		payload = int(min(max(s.cfg.MaxBodyBytes>>20, 1), most))
	}
	concurrent := s.cfg.MaxConcurrentTransforms
	if concurrent == 0 {
		concurrent = 2 * s.cfg.MaxBatch
	}
	sendJSON(c, http.StatusOK, struct {
		MaxConcurrentTransforms int
		BatchStrategy           string
		MaxPayloadInMB          int
	}{min(concurrent, max(1, most/payload)), s.cfg.BatchStrategy, payload})
	return nil
}
