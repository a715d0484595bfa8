package serve

import (
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"
)

// quietGin keeps gin from printing its routes to standard output, which it does
// in debug mode, the mode of a program that has not chosen one. The mode is a
// package variable of gin, and this is the only thing outside a Server that
// this package changes.
var quietGin = sync.OnceFunc(func() {
	if gin.Mode() == gin.DebugMode {
		gin.SetMode(gin.ReleaseMode)
	}
})

// routes builds the router. It uses nothing of gin's own middleware: recovery,
// logging and limits are the server's.
func (s *Server) routes() *gin.Engine {
	quietGin()
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.ForwardedByClientIP = false
	_ = e.SetTrustedProxies(nil) // nil is always valid: trust none
	e.NoRoute(s.handle(func(c *gin.Context) error {
		return fail(http.StatusNotFound, "no such route; pictures go to POST /invocations")
	}))
	e.NoMethod(s.handle(func(c *gin.Context) error {
		return fail(http.StatusMethodNotAllowed, "this route does not answer the method %s", c.Request.Method)
	}))

	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		e.Handle(method, "/ping", s.handle(s.ping))
	}
	e.POST("/invocations", s.handle(s.invocations))
	return e
}
