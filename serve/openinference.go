package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/c236555e/rehead/inception"
)

// The Open Inference Protocol's tensors, by name. A request gives one of the inputs; its answer has
// the outputs that the request names, or those of defaultOutputs.
const (
	inputImage   = "image"  // BYTES [N]: encoded pictures in base64
	inputRGB     = "rgb"    // UINT8 [N,H,W,3]: decoded pictures, upright
	inputPixels  = "pixels" // FP32 [N,3,Size,Size]: tensors that the model's recipe has made
	outputProbs  = "probabilities"
	outputLabel  = "label"
	outputVector = "bottleneck"
)

// modelVersion is the one version that every model has.
const modelVersion = "1"

var defaultOutputs = []string{outputProbs, outputLabel}

// tensorMetadata describes an input or an output.
type tensorMetadata struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    []int  `json:"shape"`
}

// inferTensor is an input of a request or an output of an answer.
type inferTensor struct {
	Name       string          `json:"name"`
	Shape      []int           `json:"shape"`
	Datatype   string          `json:"datatype"`
	Parameters json.RawMessage `json:"parameters,omitempty"`
	Data       json.RawMessage `json:"data"`
}

// wantedOutput is an output that a request names.
type wantedOutput struct {
	Name       string `json:"name"`
	Parameters struct {
		Classification int `json:"classification"` // Triton's extension: "value:index:label" of the best
	} `json:"parameters"`
}

type inferRequest struct {
	ID         string          `json:"id"`
	Parameters json.RawMessage `json:"parameters"`
	Inputs     []inferTensor   `json:"inputs"`
	Outputs    []wantedOutput  `json:"outputs"`
}

type inferResponse struct {
	ModelName    string        `json:"model_name"`
	ModelVersion string        `json:"model_version"`
	ID           string        `json:"id,omitempty"`
	Outputs      []inferTensor `json:"outputs"`
}

func (s *Server) healthLive(c *gin.Context) error {
	c.JSON(http.StatusOK, gin.H{"live": true})
	return nil
}

func (s *Server) healthReady(c *gin.Context) error {
	c.JSON(s.readyStatus(), gin.H{"ready": s.ready()})
	return nil
}

func (s *Server) serverMetadata(c *gin.Context) error {
	c.JSON(http.StatusOK, gin.H{"name": "rehead", "version": s.cfg.Version, "extensions": []string{"classification"}})
	return nil
}

// versionedModel returns the model that a route under /v2/models names.
func (s *Server) versionedModel(c *gin.Context) (*model, error) {
	m, err := s.modelByName(c.Param("name"))
	if err != nil {
		return nil, err
	}
	if v := c.Param("version"); v != "" && v != modelVersion {
		m.release()
		return nil, fail(http.StatusNotFound, "the model has no such version, only %s", modelVersion)
	}
	return m, nil
}

func (s *Server) modelReady(c *gin.Context) error {
	m, err := s.versionedModel(c)
	if err != nil {
		return err
	}
	defer m.release()
	// a stopping server asks to be left alone by every check
	c.JSON(s.readyStatus(), gin.H{"name": m.name, "ready": s.ready()})
	return nil
}

func (s *Server) modelMetadata(c *gin.Context) error {
	m, err := s.versionedModel(c)
	if err != nil {
		return err
	}
	defer m.release()
	size, head := m.Model().Recipe.Size, m.Model().Head
	c.JSON(http.StatusOK, struct {
		Name     string           `json:"name"`
		Versions []string         `json:"versions"`
		Platform string           `json:"platform"`
		Inputs   []tensorMetadata `json:"inputs"`
		Outputs  []tensorMetadata `json:"outputs"`
	}{
		m.name, []string{modelVersion}, "rehead_safetensors",
		[]tensorMetadata{{inputImage, "BYTES", []int{-1}}, {inputRGB, "UINT8", []int{-1, -1, -1, 3}},
			{inputPixels, "FP32", []int{-1, 3, size, size}}},
		[]tensorMetadata{{outputProbs, "FP64", []int{-1, len(m.Model().Labels)}}, {outputLabel, "BYTES", []int{-1}},
			{outputVector, "FP32", []int{-1, head.Features}}},
	})
	return nil
}

// infer answers POST /v2/models/NAME/infer.
func (s *Server) infer(c *gin.Context) error {
	m, err := s.versionedModel(c)
	if err != nil {
		return err
	}
	defer m.release()
	if c.GetHeader("Inference-Header-Content-Length") != "" {
		return fail(http.StatusNotImplemented, "the binary tensor extension is not supported; send the tensors as JSON")
	}
	body, release, err := s.body(c)
	defer release()
	if err != nil {
		return err
	}
	if !s.bodies.acquire(int64(len(body))) {
		return busy("the server holds the most bytes of requests that it may; try again")
	}
	defer s.bodies.release(int64(len(body)))
	request, records, err := s.requestParser().infer(body, m.Model().Recipe.Size)
	if err != nil {
		return err
	}
	results, err := s.pipeline.classify(c.Request.Context(), m, records, trimmer(request.Outputs))
	if err != nil {
		return err
	}
	accessEntryOf(c).count(results)
	for i := range results {
		if results[i].Err != nil {
			status := *asStatus(results[i].Err)
			status.msg = fmt.Sprintf("picture %d of %d: %s", i+1, len(results), status.msg)
			return &status
		}
	}
	outputs, err := m.outputs(request.Outputs, results)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, inferResponse{ModelName: m.name, ModelVersion: modelVersion, ID: request.ID, Outputs: outputs})
	return nil
}

// trimmer drops the bottleneck where no output shows it.
func trimmer(wanted []wantedOutput) func(*inception.Result) {
	if slices.ContainsFunc(wanted, func(w wantedOutput) bool { return w.Name == outputVector }) {
		return func(*inception.Result) {}
	}
	return func(r *inception.Result) { r.Bottleneck = nil }
}

// outputs makes the tensors that were asked for.
func (m *model) outputs(wanted []wantedOutput, results []inception.Result) ([]inferTensor, error) {
	if len(wanted) == 0 {
		for _, name := range defaultOutputs {
			wanted = append(wanted, wantedOutput{Name: name})
		}
	}
	outputs := make([]inferTensor, len(wanted))
	for i, w := range wanted {
		t, err := m.output(w, results)
		if err != nil {
			return nil, err
		}
		outputs[i] = t
	}
	return outputs, nil
}

func (m *model) output(w wantedOutput, results []inception.Result) (inferTensor, error) {
	n, classes := len(results), len(m.index)
	t := inferTensor{Name: w.Name}
	var err error
	switch {
	case w.Parameters.Classification < 0:
		return t, badRequest("classification must not be negative")
	case w.Name == outputProbs && w.Parameters.Classification > 0:
		k := min(w.Parameters.Classification, classes)
		t.Datatype, t.Shape = "BYTES", []int{n, k}
		t.Data, err = json.Marshal(m.classification(results, k))
	case w.Name == outputProbs:
		t.Datatype, t.Shape = "FP64", []int{n, classes}
		values := make([]float64, 0, n*classes)
		for i := range results {
			values = append(values, m.probabilities(&results[i])...)
		}
		t.Data, err = json.Marshal(values)
	case w.Name == outputLabel:
		t.Datatype, t.Shape = "BYTES", []int{n}
		labels := make([]string, n)
		for i := range results {
			labels[i] = results[i].Predictions[0].Label
		}
		t.Data, err = json.Marshal(labels)
	case w.Name == outputVector:
		var values []float32
		for i := range results {
			values = append(values, results[i].Bottleneck...)
		}
		t.Datatype, t.Shape = "FP32", []int{n, len(values) / n}
		t.Data, err = json.Marshal(values)
	default:
		return t, badRequest("unknown output; want %s",
			strings.Join([]string{outputProbs, outputLabel, outputVector}, ", "))
	}
	return t, err
}

// classification is Triton's form of the k best: "value:index:label".
func (m *model) classification(results []inception.Result, k int) []string {
	var best []string
	for i := range results {
		for _, p := range topK(results[i].Predictions, k) {
			best = append(best, formatFloat(p.Probability)+":"+strconv.Itoa(m.index[p.Label])+":"+p.Label)
		}
	}
	return best
}
