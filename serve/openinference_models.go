package serve

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// configTensor is a tensor of a model's configuration, as Triton writes it.
type configTensor struct {
	Name string `json:"name"`
	Type string `json:"data_type"`
	Dims []int  `json:"dims"`
}

func configTensors(of []tensorMetadata) (tensors []configTensor) {
	for _, t := range of {
		kind := "TYPE_" + t.Datatype
		if t.Datatype == "BYTES" {
			kind = "TYPE_STRING"
		}
		tensors = append(tensors, configTensor{t.Name, kind, t.Shape})
	}
	return tensors
}

// modelConfig answers GET /v2/models/NAME/config. A max_batch_size of 0 says that the dims are whole
// shapes, the number of pictures the first.
func (s *Server) modelConfig(c *gin.Context) error {
	m, err := s.versionedModel(c)
	if err != nil {
		return err
	}
	defer m.release()
	inputs, outputs := m.describe()
	sendJSON(c, http.StatusOK, struct {
		Name     string         `json:"name"`
		Platform string         `json:"platform"`
		Backend  string         `json:"backend"`
		MaxBatch int            `json:"max_batch_size"`
		Input    []configTensor `json:"input"`
		Output   []configTensor `json:"output"`
	}{m.name, modelPlatform, "rehead", 0, configTensors(inputs), configTensors(outputs)})
	return nil
}

// names are those of the models that answer, in their order.
func (s *Server) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	for name, m := range s.models {
		if m != nil {
			names = append(names, name)
		}
	}
	if s.current != nil && !slices.Contains(names, s.cfg.ModelName) {
		names = append(names, s.cfg.ModelName)
	}
	slices.Sort(names)
	return names
}

// repositoryIndex answers POST /v2/repository/index: the models that answer.
func (s *Server) repositoryIndex(c *gin.Context) error {
	type entry struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		State   string `json:"state"`
		Reason  string `json:"reason"`
	}
	entries := []entry{}
	for _, name := range s.names() {
		entries = append(entries, entry{name, modelVersion, "READY", ""})
	}
	sendJSON(c, http.StatusOK, entries)
	return nil
}

// listV1 answers GET /v1/models of KServe's first protocol.
func (s *Server) listV1(c *gin.Context) error {
	sendJSON(c, http.StatusOK, gin.H{"models": s.names()})
	return nil
}

// readyV1 answers GET /v1/models/NAME.
func (s *Server) readyV1(c *gin.Context) error {
	m, err := s.modelByName(c.Param("name"))
	if err != nil {
		return err
	}
	defer m.release()
	sendJSON(c, s.readyStatus(), gin.H{"name": m.name, "ready": s.ready()})
	return nil
}

// predictV1 answers POST /v1/models/NAME:predict as POST /invocations is answered.
func (s *Server) predictV1(c *gin.Context) error {
	name, ok := strings.CutSuffix(c.Param("name"), ":predict")
	if !ok {
		return fail(http.StatusNotFound, "there is no such route; pictures go to POST /v1/models/NAME:predict")
	}
	m, err := s.modelByName(name)
	if err != nil {
		return err
	}
	defer m.release()
	return s.invoke(c, m)
}
