package serve

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"path"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/look"
)

// pageFiles is the page for people: plain HTML, CSS and JavaScript, which ask for nothing from
// anywhere else.
//
//go:embed page
var pageFiles embed.FS

// pagePaths are the paths of the page's files and what they are.
var pagePaths = [...]struct{ path, kind string }{
	{"/", "text/html; charset=utf-8"}, {"/page.css", "text/css; charset=utf-8"},
	{"/page.js", script}, {"/answer.js", script}, {"/card.js", script}, {"/map.js", script}, {"/tools.js", script},
}

const script = "text/javascript; charset=utf-8"

// pagePolicy lets the page use its own files and this server's routes. Pictures come from the
// user (drawn on a canvas) and, as data, from the server's answer.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' " +
	"data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageFile answers with one of the page's files, which hold nothing of the model.
func pageFile(name, kind string) route {
	if name == "/" {
		name = "index.html"
	}
	data, err := pageFiles.ReadFile(path.Join("page", name))
	if err != nil {
		return func(*gin.Context) error { return err } // not while the name is one of those above
	}
	if name == "/page.css" {
		data = append([]byte(look.Colours), data...)
	}
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	return func(c *gin.Context) error {
		h := c.Writer.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(c.Writer, c.Request, name, time.Time{}, bytes.NewReader(data))
		return nil
	}
}

// modelCard is the answer of GET /v1/model.
type modelCard struct {
	Name       string           `json:"name"`
	Labels     []string         `json:"labels"` // in the order of the classes
	Recipe     picture.Recipe   `json:"recipe"`
	Flavor     inception.Flavor `json:"flavor"`
	Width      float64          `json:"width"`
	Trunk      string           `json:"trunk"` // digest of its weights
	Features   int              `json:"features"`
	Metrics    json.RawMessage  `json:"metrics"`  // what the training run measured
	Training   json.RawMessage  `json:"training"` // its settings
	Tool       string           `json:"tool"`     // the rehead that made the model
	Neighbours int              `json:"neighbours"`

	MultiLabel bool `json:"multi_label"` // a picture may have any number of the labels
	// from where on pictures are of none of them; absent where the model does not tell
	Unknown *inception.Unknown `json:"unknown,omitempty"`

	Network *networkCard `json:"network,omitempty"`
	Version string       `json:"version,omitempty"` // the server's
}

// networkCard says what the network runs on.
type networkCard struct {
	Device    string `json:"device"`
	Kernel    string `json:"kernel"`
	Threads   int    `json:"threads"`
	Precision string `json:"precision"`
}

// networkOf describes a classifier's network; nil where it has none to show.
func networkOf(c Classifier) *networkCard {
	network, ok := c.(interface{ Trunk() *inception.Trunk })
	if !ok {
		return nil
	}
	p := network.Trunk().Program()
	return &networkCard{p.Device(), p.Kernel(), p.Threads(), string(p.Precision())}
}

// showModelCard answers GET /v1/model.
func (s *Server) showModelCard(c *gin.Context) error {
	m, err := s.acquire()
	if err != nil {
		return err
	}
	defer m.release()
	of := m.Model()
	card := modelCard{
		Name: s.cfg.ModelName, Labels: of.Labels, Recipe: of.Recipe, Flavor: of.Flavor, Width: of.Width,
		Trunk:    of.TrunkDigest,
		Features: of.Head.Features, MultiLabel: of.MultiLabel(), Unknown: of.Unknown, Metrics: orObject(of.Metrics),
		Training: orObject(of.Training), Tool: of.ToolVersion, Version: s.cfg.Version,
	}
	if of.Neighbours != nil {
		card.Neighbours = len(of.Neighbours.Pictures)
	}
	card.Network = networkOf(m.Classifier)
	c.Header("Cache-Control", "no-store")
	sendJSON(c, http.StatusOK, card)
	return nil
}

func orObject(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}
