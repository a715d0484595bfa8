package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
)

// managementError is the error of a route under /models, as the multi-model server that SageMaker
// ships answers it.
type managementError struct {
	Code    int    `json:"code"`
	Type    string `json:"type"`
	Message string `json:"message"`
}

func errorType(code int) string {
	switch code {
	case http.StatusBadRequest:
		return "BadRequestException"
	case http.StatusNotFound:
		return "ModelNotFoundException"
	case http.StatusMethodNotAllowed:
		return "MethodNotAllowedException"
	case http.StatusRequestTimeout:
		return "RequestTimeoutException"
	case http.StatusConflict:
		return "ConflictStatusException"
	case http.StatusServiceUnavailable:
		return "ServiceUnavailableException"
	case http.StatusInsufficientStorage:
		return "InsufficientStorageException"
	}
	if code < http.StatusInternalServerError {
		return "BadRequestException"
	}
	return "InternalServerException"
}

// modelEntry is one model of GET /models.
type modelEntry struct {
	Name string `json:"modelName"`
	URL  string `json:"modelUrl"`
}

// loadModel answers POST /models {"model_name": ..., "url": ...}: 200 when the model answers, 409
// when the name is taken, 507 when the memory budget has no room, upon which SageMaker unloads
// others and asks again.
func (s *Server) loadModel(c *gin.Context) error {
	s.allowLong(c)
	held := &ledger{budget: s.bodies}
	defer held.release()
	body, err := readBody(c.Writer, c.Request, 64<<10, held)
	if err != nil {
		return err
	}
	var request struct {
		Name string `json:"model_name"`
		URL  string `json:"url"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return badRequest(`the body is not a JSON object like {"model_name": "...", "url": "..."}`)
	}
	if err := s.checkModel(request.Name, request.URL); err != nil {
		return err
	}
	// The platform may stop listening after a minute; the loading goes on.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), s.cfg.loadTimeout)
	defer cancel()
	err = s.load(ctx, request.Name, request.URL)
	result := "ok"
	if err != nil {
		result = "failed"
	}
	s.metrics.reloads.WithLabelValues(result).Inc()
	if err != nil {
		return err
	}
	sendJSON(c, http.StatusOK, gin.H{"status": "the model is loaded"})
	return nil
}

// routable says of a model's name that a route can hold it.
func routable(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 255 && !strings.ContainsAny(name, "/\\%?#") &&
		visible(name)
}

const routableNames = `1 to 255 printable characters without / \ % ? #, other than . and ..`

// checkModel keeps names that no route could hold, and paths outside the root, out of the server.
func (s *Server) checkModel(name, path string) error {
	if !routable(name) {
		return badRequest("model_name is not %s", routableNames)
	}
	if path == "" {
		return badRequest("url is empty")
	}
	if source.Scheme(path) != "" {
		return badRequest("url is an address, want a path on the server's disk: have the model fetched first, as SageMaker " +
			"does, or start a server of its own with the address")
	}
	if s.cfg.ModelRoot == "" {
		return nil
	}
	root, err := filepath.EvalSymlinks(s.cfg.ModelRoot)
	if err != nil {
		return fmt.Errorf("serve: the folder of the models: %w", err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fail(http.StatusNotFound, "there is no model at that url")
	}
	if inside, err := filepath.Rel(root, real); err != nil || !filepath.IsLocal(inside) {
		return badRequest("url is outside the folder of the models")
	}
	return nil
}

// load opens a model and adds it under its name. Its place in the memory budget is taken before it
// is read, by its size on disk, and made exact afterwards.
func (s *Server) load(ctx context.Context, name, path string) error {
	expected, err := sizeOnDisk(path)
	if err != nil {
		return fail(http.StatusNotFound, "there is no readable model at that url")
	}
	if err := s.reserve(name, expected); err != nil {
		return err
	}
	classifier, err := s.openChecked(ctx, path)
	if err != nil {
		s.forget(name, expected)
		s.cfg.Logger.Error("model refused", "model", name, "error", err)
		return badRequest("the model cannot be loaded: %v", err)
	}
	exact := memoryOf(classifier.Model())
	m := newModel(name, classifier, s.pipeline)
	m.url, m.bytes = path, exact
	s.leaveDecoders(classifier)
	s.mu.Lock()
	s.memory += exact - expected
	full := s.cfg.MemoryBudget > 0 && s.memory > s.cfg.MemoryBudget
	if !full && !s.closed {
		s.models[name] = m
		s.mu.Unlock()
		s.cfg.Logger.Info("model loaded", "model", name, "bytes", exact)
		return nil
	}
	s.mu.Unlock()
	m.release()
	_ = m.wait()
	s.forget(name, exact)
	if full {
		return s.noRoom(exact)
	}
	return busy("the server is stopping")
}

func (s *Server) openChecked(ctx context.Context, path string) (Classifier, error) {
	classifier, err := s.cfg.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := classifier.Check(ctx); err != nil {
		return nil, errors.Join(err, classifier.Close())
	}
	return classifier, nil
}

// reserve takes a name, and bytes of the budget.
func (s *Server) reserve(name string, bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.stopping.Load() {
		return busy("the server is stopping")
	}
	if _, taken := s.models[name]; taken {
		return fail(http.StatusConflict, "a model with that name is loaded or being loaded")
	}
	if s.cfg.MemoryBudget > 0 && s.memory+bytes > s.cfg.MemoryBudget {
		return s.noRoom(bytes)
	}
	s.models[name] = nil
	s.memory += bytes
	return nil
}

func (s *Server) noRoom(bytes int64) error {
	return fail(http.StatusInsufficientStorage,
		"the model needs about %d bytes, more than the memory budget of %d has left; unload another model first", bytes,
		s.cfg.MemoryBudget)
}

func (s *Server) forget(name string, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.models, name)
	s.memory -= bytes
}

// sizeOnDisk estimates what a model will hold once it is loaded: its files, twice, since weights as
// the kernels read them take about that.
func sizeOnDisk(path string) (int64, error) {
	total := int64(0)
	err := eachFile(path, func(_ string, info fs.FileInfo) { total += info.Size() })
	return 2 * total, err
}

// memoryOf is what a loaded model holds: its weights, twice, as sizeOnDisk says.
func memoryOf(m *inception.Model) int64 {
	floats := m.Head.Parameters()
	layers, _ := inception.Layers(m.Width, m.Recipe.Size) // of a model that has been compiled
	for _, l := range layers {
		floats += l.Shape[0] * (l.Shape[1]*l.Shape[2]*l.Shape[3] + 1)
	}
	return 2 * 4 * int64(floats)
}

// modelByName returns a model by its name, to be released by the caller: one that was loaded, or
// the installed one by the server's name for it.
func (s *Server) modelByName(name string) (*model, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.models[name]
	if m == nil && name == s.cfg.ModelName {
		m = s.current
	}
	if m == nil {
		return nil, fail(http.StatusNotFound, "no model with that name is loaded")
	}
	m.acquire()
	return m, nil
}

// countModels counts the models that can answer.
func (s *Server) countModels() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, m := range s.models {
		if m != nil {
			n++
		}
	}
	if s.current != nil {
		n++
	}
	return n
}

// networks counts the loaded models by what their networks run on.
func (s *Server) networks() map[networkCard]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[networkCard]int{}
	count := func(m *model) {
		if m == nil {
			return
		}
		if card := networkOf(m.Classifier); card != nil {
			all[networkCard{Device: card.Device, Kernel: card.Kernel, Precision: card.Precision}]++
		}
	}
	count(s.current)
	for _, m := range s.models {
		count(m)
	}
	return all
}

// listModels answers GET /models, a page at a time.
func (s *Server) listModels(c *gin.Context) error {
	limit, err := parseCount(c.Query("limit"), 100)
	if err != nil {
		return err
	}
	from, err := parseCount(c.Query("next_page_token"), 0)
	if err != nil {
		return err
	}
	s.mu.Lock()
	entries := make([]modelEntry, 0, len(s.models))
	for name, m := range s.models {
		if m != nil {
			entries = append(entries, modelEntry{name, m.url})
		}
	}
	s.mu.Unlock()
	slices.SortFunc(entries, func(a, b modelEntry) int { return strings.Compare(a.Name, b.Name) })
	entries = entries[min(from, len(entries)):]
	answer := struct {
		Next   string       `json:"nextPageToken,omitempty"`
		Models []modelEntry `json:"models"`
	}{Models: entries}
	if limit > 0 && len(entries) > limit {
		answer.Models, answer.Next = entries[:limit], strconv.Itoa(from+limit)
	}
	sendJSON(c, http.StatusOK, answer)
	return nil
}

func parseCount(text string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, badRequest("limit or next_page_token is not a whole number")
	}
	return int(n), nil
}

// showModel answers GET /models/NAME.
func (s *Server) showModel(c *gin.Context) error {
	s.mu.Lock()
	m := s.models[c.Param("name")]
	s.mu.Unlock()
	if m == nil {
		return fail(http.StatusNotFound, "no model with that name is loaded")
	}
	sendJSON(c, http.StatusOK, modelEntry{m.name, m.url})
	return nil
}

// unloadModel answers DELETE /models/NAME once the requests that use the model have finished and
// its memory is given back.
func (s *Server) unloadModel(c *gin.Context) error {
	s.allowLong(c)
	name := c.Param("name")
	s.mu.Lock()
	m := s.models[name]
	if m == nil {
		s.mu.Unlock()
		return fail(http.StatusNotFound, "no model with that name is loaded")
	}
	delete(s.models, name)
	s.mu.Unlock()
	m.release()
	err := m.wait()
	debug.FreeOSMemory()
	s.mu.Lock()
	s.memory -= m.bytes
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("serve: unloading the model: %w", err)
	}
	s.cfg.Logger.Info("model unloaded", "model", name)
	sendJSON(c, http.StatusOK, gin.H{"status": "the model is unloaded"})
	return nil
}

// invokeModel answers POST /models/NAME/invoke as /invocations does.
func (s *Server) invokeModel(c *gin.Context) error {
	s.mu.Lock()
	m := s.models[c.Param("name")]
	if m == nil {
		s.mu.Unlock()
		return fail(http.StatusNotFound, "no model with that name is loaded")
	}
	m.acquire()
	s.mu.Unlock()
	defer m.release()
	accessEntryOf(c).model = m.name
	return s.invoke(c, m)
}

// allowLong lets an answer be written later than other routes' may be. Where there is no
// connection, as in a test, there is nothing to allow.
func (s *Server) allowLong(c *gin.Context) {
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(s.cfg.loadTimeout + s.cfg.RequestTimeout))
}
