package serve

import (
	_ "embed" // of the document
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
)

// openAPIDocument describes every route that a server can have but for the page's files, in OpenAPI 3.1. It
// leaves out what openAPI adds: versions of models, and who needs a token.
//
//go:embed openapi.json
var openAPIDocument []byte

const (
	modelRoot   = "/v2/models/{name}"
	versionRoot = modelRoot + "/versions/{version}"
)

// document is the part of an OpenAPI document that depends on the server.
type document struct {
	OpenAPI    string                    `json:"openapi"`
	Info       map[string]any            `json:"info"`
	Security   []map[string][]string     `json:"security,omitempty"`
	Paths      map[string]map[string]any `json:"paths"`
	Components json.RawMessage           `json:"components"`
}

// openAPI is the document of a server that has the given routes.
func (s *Server) openAPI(routes gin.RoutesInfo) ([]byte, error) {
	var d document
	if err := json.Unmarshal(openAPIDocument, &d); err != nil {
		return nil, fmt.Errorf("serve: openapi.json: %w", err)
	}
	d.Info["version"] = orUnversioned(s.cfg.Version)
	has := map[string]bool{}
	for _, r := range routes {
		has[r.Method+" "+r.Path] = true
	}
	paths := map[string]map[string]any{}
	for path, item := range d.Paths {
		s.addPath(paths, has, path, item)
		if rest, ok := strings.CutPrefix(path, modelRoot); ok {
			s.addPath(paths, has, versionRoot+rest, versioned(item))
		}
	}
	d.Paths = paths
	if s.cfg.Token != "" {
		d.Security = []map[string][]string{{"token": {}}}
	}
	return json.Marshal(d)
}

func orUnversioned(version string) string {
	if version == "" {
		return "0"
	}
	return version
}

// addPath adds the operations of a path that the server has.
func (s *Server) addPath(paths map[string]map[string]any, has map[string]bool, path string, item map[string]any) {
	item = maps.Clone(item)
	pattern := ginPath(path)
	found := false
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		operation, ok := item[strings.ToLower(method)].(map[string]any)
		if !ok {
			continue
		}
		if !has[method+" "+pattern] {
			delete(item, strings.ToLower(method))
			continue
		}
		found = true
		if s.cfg.Token != "" && s.open[pattern] {
			operation["security"] = []any{}
		}
	}
	if found {
		paths[path] = item
	}
}

// ginPath is a path of the document as the router has it.
func ginPath(path string) string {
	path = strings.TrimSuffix(path, ":predict") // which the route reads of the name
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// versioned is a model's path with its version.
func versioned(item map[string]any) map[string]any {
	item = maps.Clone(item)
	item["parameters"] = []any{map[string]any{"$ref": "#/components/parameters/name"},
		map[string]any{"$ref": "#/components/parameters/version"}}
	for method, operation := range item {
		if o, ok := operation.(map[string]any); ok {
			o = maps.Clone(o)
			o["operationId"] = fmt.Sprint(o["operationId"], "OfVersion")
			item[method] = o
		}
	}
	return item
}

// showOpenAPI answers GET /openapi.json, with the routes that the router has by then.
func (s *Server) showOpenAPI(e *gin.Engine) route {
	made := sync.OnceValues(func() ([]byte, error) { return s.openAPI(e.Routes()) })
	return func(c *gin.Context) error {
		data, err := made()
		if err == nil {
			c.Data(http.StatusOK, typeJSON, data)
		}
		return err
	}
}
