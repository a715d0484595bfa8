package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/c236555e/rehead/inception"
)

// The Open Inference Protocol's tensors, by name. A request gives one of the
// inputs; its answer has the outputs that the request names, or those of
// defaultOutputs.
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

type inferAnswer struct {
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
	c.JSON(s.readyStatus(), gin.H{"ready": s.Ready()})
	return nil
}

func (s *Server) serverMetadata(c *gin.Context) error {
	c.JSON(http.StatusOK, gin.H{"name": "rehead", "version": s.cfg.Version, "extensions": []string{"classification"}})
	return nil
}

// version returns the model that a route under /v2/models names.
func (s *Server) version(c *gin.Context) (*model, error) {
	m, err := s.named(c.Param("name"))
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
	m, err := s.version(c)
	if err != nil {
		return err
	}
	defer m.release()
	c.JSON(http.StatusOK, gin.H{"name": m.name, "ready": true})
	return nil
}

func (s *Server) modelMetadata(c *gin.Context) error {
	m, err := s.version(c)
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
		[]tensorMetadata{{inputImage, "BYTES", []int{-1}}, {inputRGB, "UINT8", []int{-1, -1, -1, 3}}, {inputPixels, "FP32", []int{-1, 3, size, size}}},
		[]tensorMetadata{{outputProbs, "FP64", []int{-1, len(m.Model().Labels)}}, {outputLabel, "BYTES", []int{-1}}, {outputVector, "FP32", []int{-1, head.Features}}},
	})
	return nil
}

// infer answers POST /v2/models/NAME/infer.
func (s *Server) infer(c *gin.Context) error {
	m, err := s.version(c)
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
		return busy("the server holds as many bytes of requests as it may; try again")
	}
	defer s.bodies.release(int64(len(body)))
	request, records, err := s.parser().infer(body, m.Model().Recipe.Size)
	if err != nil {
		return err
	}
	results, err := s.pipeline.classify(c.Request.Context(), m, records, trimmer(request.Outputs))
	if err != nil {
		return err
	}
	note(c).count(results)
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
	c.JSON(http.StatusOK, inferAnswer{ModelName: m.name, ModelVersion: modelVersion, ID: request.ID, Outputs: outputs})
	return nil
}

// infer reads a request: one input of pictures in one of three forms.
func (p parser) infer(body []byte, size int) (*inferRequest, []record, error) {
	var request inferRequest
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, nil, bad("the body is not an inference request: %v", badJSON(err))
	}
	if len(request.Inputs) != 1 {
		return nil, nil, bad(`the request has %d inputs, want one: "image", "rgb" or "pixels"`, len(request.Inputs))
	}
	in := &request.Inputs[0]
	n, err := in.elements()
	if err != nil {
		return nil, nil, err
	}
	if in.Shape[0] > p.maxRecords {
		return nil, nil, p.tooMany()
	}
	var records []record
	switch {
	case in.Name == inputImage && in.Datatype == "BYTES":
		records, err = p.inferBytes(in, n)
	case in.Name == inputRGB && in.Datatype == "UINT8":
		records, err = inferRGB(in, n)
	case in.Name == inputPixels && in.Datatype == "FP32":
		records, err = inferPixels(in, n, size)
	default:
		err = bad(`the input is not known; want "image" of BYTES, "rgb" of UINT8 or "pixels" of FP32`)
	}
	return &request, records, err
}

// elements multiplies the shape out, within the bounds of a request.
func (t *inferTensor) elements() (int, error) {
	if len(t.Shape) == 0 {
		return 0, bad("the input has no shape")
	}
	n := 1
	for _, d := range t.Shape {
		if d < 1 || d > math.MaxInt32/n {
			return 0, bad("the input's shape %v is out of range", t.Shape)
		}
		n *= d
	}
	if n > len(t.Data) { // each element takes a byte of JSON at least
		return 0, bad("the input's shape %v asks for %d values, and its data has fewer", t.Shape, n)
	}
	return n, nil
}

func (p parser) inferBytes(t *inferTensor, n int) ([]record, error) {
	if n != t.Shape[0] {
		return nil, bad("the input has the shape %v, want [N] or [N,1]", t.Shape)
	}
	var records []record
	err := flatten(t.Data, func(value []byte) error {
		if len(records) == n || !opens(value, '"') {
			return bad("the input's data is not %d strings in base64", n)
		}
		records = append(records, base64Record(value))
		return nil
	})
	if err == nil && len(records) != n {
		err = bad("the input's data has %d values, and its shape %v asks for %d", len(records), t.Shape, n)
	}
	return records, err
}

func inferRGB(t *inferTensor, n int) ([]record, error) {
	if len(t.Shape) != 4 || t.Shape[3] != 3 {
		return nil, bad("the input has the shape %v, want [N,H,W,3]", t.Shape)
	}
	values := make([]uint8, 0, n)
	err := flatten(t.Data, func(value []byte) error {
		v, err := strconv.ParseUint(string(value), 10, 8)
		if err != nil || len(values) == n {
			return bad("the input's data is not %d whole numbers of 0..255", n)
		}
		values = append(values, uint8(v))
		return nil
	})
	if err == nil && len(values) != n {
		err = bad("the input's data has %d values, and its shape %v asks for %d", len(values), t.Shape, n)
	}
	if err != nil {
		return nil, err
	}
	height, width := t.Shape[1], t.Shape[2]
	records := make([]record, t.Shape[0])
	for i := range records {
		img := image.NewNRGBA(image.Rect(0, 0, width, height))
		rgb := values[i*height*width*3:]
		for at := range height * width {
			copy(img.Pix[4*at:], rgb[3*at:3*at+3])
			img.Pix[4*at+3] = 0xff
		}
		records[i].img = img
	}
	return records, nil
}

func inferPixels(t *inferTensor, n, size int) ([]record, error) {
	if len(t.Shape) != 4 || t.Shape[1] != 3 || t.Shape[2] != size || t.Shape[3] != size {
		return nil, bad("the input has the shape %v, want [N,3,%d,%d]", t.Shape, size, size)
	}
	values := make([]float32, 0, n)
	err := flatten(t.Data, func(value []byte) error {
		v, err := strconv.ParseFloat(string(value), 32)
		if err != nil || len(values) == n {
			return bad("the input's data is not %d numbers", n)
		}
		values = append(values, float32(v))
		return nil
	})
	if err == nil && len(values) != n {
		err = bad("the input's data has %d values, and its shape %v asks for %d", len(values), t.Shape, n)
	}
	if err != nil {
		return nil, err
	}
	records := make([]record, t.Shape[0])
	each := 3 * size * size
	for i := range records {
		records[i].tensor = values[i*each : (i+1)*each]
	}
	return records, nil
}

// flatten calls take with each value of a JSON array, whether its rows are
// nested or not, as it stands.
func flatten(data json.RawMessage, take func(value []byte) error) error {
	const deepest = 8
	depth := 0
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '[':
			if depth++; depth > deepest {
				return bad("the input's data is nested too deeply")
			}
			i++
		case c == ']':
			depth--
			i++
		case c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
		case c == '{' || depth == 0:
			return bad("the input's data is not an array")
		default:
			end := i + scalar(data[i:])
			if err := take(data[i:end]); err != nil {
				return err
			}
			i = end
		}
	}
	return nil
}

// scalar is the length of the string, number or word at the start of data,
// which is known to be JSON.
func scalar(data []byte) int {
	if data[0] != '"' {
		if end := bytes.IndexAny(data, ",] \t\r\n"); end > 0 {
			return end
		}
		return len(data)
	}
	for i := 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
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
		return t, bad("classification is not a count of classes")
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
		return t, bad("the output is not known; want %s", strings.Join([]string{outputProbs, outputLabel, outputVector}, ", "))
	}
	return t, err
}

// classification is Triton's form of the k best: "value:index:label".
func (m *model) classification(results []inception.Result, k int) []string {
	var best []string
	for i := range results {
		for _, p := range first(results[i].Predictions, k) {
			best = append(best, formatFloat(p.Probability)+":"+itoa(m.index[p.Label])+":"+p.Label)
		}
	}
	return best
}
