package serve

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Quiet chooses gin's release mode, in a program that has chosen none. In debug mode, gin's
// default, every [New] makes gin print its routes to standard output; the mode belongs to the whole
// program, so no Server changes it by itself.
func Quiet() {
	if gin.Mode() == gin.DebugMode {
		gin.SetMode(gin.ReleaseMode)
	}
}

// unmatched stands for the route of a request that has none.
const unmatched = "unmatched"

// newEngine makes a router without routes. It uses nothing of gin's own middleware: recovery,
// logging and limits are the server's.
func (s *Server) newEngine() *gin.Engine {
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.ForwardedByClientIP = false
	_ = e.SetTrustedProxies(nil) // nil is always valid: trust none
	e.NoRoute(s.handle(unmatched, func(*gin.Context) error {
		return fail(http.StatusNotFound, "there is no such route; pictures go to POST /invocations")
	}))
	e.NoMethod(s.handle(unmatched, func(*gin.Context) error {
		return fail(http.StatusMethodNotAllowed, "this route does not answer that method")
	}))
	return e
}

// routes builds the router.
func (s *Server) routes() *gin.Engine {
	e := s.newEngine()
	s.open, s.health = make(map[string]bool), make(map[string]bool)
	add := func(method, pattern string, r route) {
		e.Handle(method, pattern, s.handle(pattern, r))
		if method == http.MethodGet {
			e.Handle(http.MethodHead, pattern, s.handle(pattern, r)) // net/http leaves the body out
		}
	}
	check := func(pattern string, r route) {
		s.open[pattern], s.health[pattern] = true, true
		add(http.MethodGet, pattern, r)
	}
	check("/ping", s.ping)
	add(http.MethodPost, "/ping", s.ping)
	check("/livez", s.livez)
	check("/readyz", s.readyz)
	check("/v2/health/live", s.healthLive)
	check("/v2/health/ready", s.healthReady)

	s.health["/metrics"] = true
	add(http.MethodGet, "/metrics", s.showMetrics)
	add(http.MethodPost, "/invocations", s.invocations)
	add(http.MethodGet, "/execution-parameters", s.executionParameters)
	add(http.MethodGet, "/openapi.json", s.showOpenAPI(e))

	if s.cfg.Page {
		for _, f := range pagePaths {
			s.open[f.path] = true
			add(http.MethodGet, f.path, pageFile(f.path, f.kind))
		}
		add(http.MethodGet, "/v1/model", s.showModelCard)
		add(http.MethodPost, "/v1/explain", s.explain)
	}

	for _, root := range []string{"/v2", "/v2/"} {
		add(http.MethodGet, root, s.serverMetadata)
	}
	add(http.MethodPost, "/v2/repository/index", s.repositoryIndex)
	for _, m := range []string{"/v2/models/:name", "/v2/models/:name/versions/:version"} {
		add(http.MethodGet, m, s.modelMetadata)
		add(http.MethodGet, m+"/ready", s.modelReady)
		add(http.MethodGet, m+"/config", s.modelConfig)
		add(http.MethodGet, m+"/stats", s.showStats)
		add(http.MethodPost, m+"/infer", s.infer)
	}
	add(http.MethodGet, "/v1/models", s.listV1)
	add(http.MethodGet, "/v1/models/:name", s.readyV1)
	add(http.MethodPost, "/v1/models/:name", s.predictV1)
	if s.cfg.MultiModel {
		add(http.MethodGet, "/models", s.listModels)
		add(http.MethodPost, "/models", s.loadModel)
		add(http.MethodGet, "/models/:name", s.showModel)
		add(http.MethodDelete, "/models/:name", s.unloadModel)
		add(http.MethodPost, "/models/:name/invoke", s.invokeModel)
	}
	return e
}
