package serve

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// ping answers 200 with an empty body when the model is ready, else 503. It
// computes nothing, so that it answers in well under SageMaker's 2 s however
// busy the server is.
func (s *Server) ping(c *gin.Context) error {
	code := http.StatusOK
	if !s.Ready() {
		code = http.StatusServiceUnavailable
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Content-Length", "0")
	c.Status(code)
	c.Writer.WriteHeaderNow()
	return nil
}
