package serve

import (
	"context"
	"encoding/json"
	"errors"
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

// modelPlatform is what models are kept in.
const modelPlatform = "rehead_safetensors"

// outputNames are the outputs that there are; the first two are given where a request names none.
var outputNames = [...]string{outputProbs, outputLabel, outputVector}

// extensions are those of Triton that are answered.
var extensions = [...]string{"classification", "binary_tensor_data", "model_configuration", "statistics"}

var errUnknownOutput = badRequest("unknown output; want %s", strings.Join(outputNames[:], ", "))

// tensorMetadata describes an input or an output.
type tensorMetadata struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    []int  `json:"shape"`
}

// inferTensor is an input of a request or an output of an answer, whose data follows.
type inferTensor struct {
	Name       string           `json:"name"`
	Shape      []int            `json:"shape"`
	Datatype   string           `json:"datatype"`
	Parameters tensorParameters `json:"parameters,omitzero"`
	Data       []byte           `json:"-"` // as it stands in the request
}

// tensorParameters say how many bytes of a tensor follow the JSON; nil where its data are in it.
type tensorParameters struct {
	BinarySize *int64 `json:"binary_data_size,omitempty"`
}

// wantedOutput is an output that a request names.
type wantedOutput struct {
	Name       string `json:"name"`
	Parameters struct {
		Classification int   `json:"classification"` // Triton's extension: "value:index:label" of the best
		BinaryData     *bool `json:"binary_data"`    // the tensor's own bytes; nil: as the request says
	} `json:"parameters"`
}

type inferRequest struct {
	ID      string
	Inputs  []inferTensor // one
	Outputs []wantedOutput

	Parameters struct {
		BinaryOutput bool `json:"binary_data_output"` // of the outputs that do not say
	}
}

func (s *Server) healthLive(c *gin.Context) error {
	sendJSON(c, http.StatusOK, gin.H{"live": true})
	return nil
}

func (s *Server) healthReady(c *gin.Context) error {
	sendJSON(c, s.readyStatus(), gin.H{"ready": s.ready()})
	return nil
}

func (s *Server) serverMetadata(c *gin.Context) error {
	sendJSON(c, http.StatusOK, gin.H{"name": "rehead", "version": s.cfg.Version, "extensions": extensions})
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
	sendJSON(c, s.readyStatus(), gin.H{"name": m.name, "ready": s.ready()})
	return nil
}

func (s *Server) modelMetadata(c *gin.Context) error {
	m, err := s.versionedModel(c)
	if err != nil {
		return err
	}
	defer m.release()
	inputs, outputs := m.describe()
	sendJSON(c, http.StatusOK, struct {
		Name     string           `json:"name"`
		Versions []string         `json:"versions"`
		Platform string           `json:"platform"`
		Inputs   []tensorMetadata `json:"inputs"`
		Outputs  []tensorMetadata `json:"outputs"`
	}{m.name, []string{modelVersion}, modelPlatform, inputs, outputs})
	return nil
}

// describe names the tensors that the model takes and gives; -1 is any size.
func (m *model) describe() (inputs, outputs []tensorMetadata) {
	size, head := m.Model().Recipe.Size, m.Model().Head
	inputs = []tensorMetadata{{inputImage, "BYTES", []int{-1}}, {inputRGB, "UINT8", []int{-1, -1, -1, 3}},
		{inputPixels, "FP32", []int{-1, 3, size, size}}}
	outputs = []tensorMetadata{{outputProbs, "FP64", []int{-1, len(m.Model().Labels)}}, {outputLabel, "BYTES", []int{-1}},
		{outputVector, "FP32", []int{-1, head.Features}}}
	return inputs, outputs
}

// infer answers POST /v2/models/NAME/infer.
func (s *Server) infer(c *gin.Context) error {
	m, err := s.versionedModel(c)
	if err != nil {
		return err
	}
	defer m.release()
	held := &ledger{budget: s.bodies}
	defer held.release()
	body, err := s.body(c, held)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	request, records, err := s.requestParser(ctx, held).infer(c.GetHeader(headerInferLength), body, m.Model().Recipe.Size)
	if err != nil {
		return err
	}
	if len(request.Outputs) == 0 {
		request.Outputs = []wantedOutput{{Name: outputProbs}, {Name: outputLabel}}
	}
	tensors, size, err := m.tensors(request.Outputs, len(records))
	if err != nil {
		return err
	}
	if err := s.reserveAnswer(held, len(records), size); err != nil {
		return err
	}
	results, err := s.pipeline.classify(ctx, m, records, held, trimmer(request.Outputs))
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
	answer, header, err := m.inferAnswer(ctx, request, tensors, results)
	if err != nil {
		return err
	}
	form := typeJSON
	if header > 0 {
		form = typeBytes
		c.Header(headerInferLength, strconv.Itoa(header))
	}
	answer.send(c, form)
	return nil
}

// trimmer drops the bottleneck where no output shows it.
func trimmer(wanted []wantedOutput) func(*inception.Result) {
	if slices.ContainsFunc(wanted, func(w wantedOutput) bool { return w.Name == outputVector }) {
		return func(*inception.Result) {}
	}
	return func(r *inception.Result) { r.Bottleneck = nil }
}

// tensors are the outputs that n pictures are answered by, and the most that one picture's part of
// them takes.
func (m *model) tensors(wanted []wantedOutput, n int) ([]inferTensor, answerSize, error) {
	classes := len(m.index)
	tensors := make([]inferTensor, len(wanted))
	size := answerSize{answerFrame, 24 * int64(classes)} // whole rankings are kept
	for i, w := range wanted {
		t := inferTensor{Name: w.Name}
		switch k := w.Parameters.Classification; {
		case k < 0:
			return nil, size, badRequest("classification must not be negative")
		case w.Name == outputProbs && k > 0:
			t.Datatype, t.Shape = "BYTES", []int{n, min(k, classes)}
			size = size.plus(m.labelsSize(min(k, classes)))
		case w.Name == outputProbs:
			t.Datatype, t.Shape = "FP64", []int{n, classes}
			size = size.plus(m.valuesSize())
		case w.Name == outputLabel:
			t.Datatype, t.Shape = "BYTES", []int{n}
			size = size.plus(m.labelsSize(1))
		case w.Name == outputVector:
			t.Datatype, t.Shape = "FP32", []int{n, m.Model().Head.Features}
			size = size.plus(m.embeddingSize())
		default:
			return nil, size, errUnknownOutput
		}
		tensors[i] = t
	}
	return tensors, size, nil
}

// inferAnswer writes the answer, a picture's values at a time. Where outputs are bytes they follow
// the JSON, whose length is header, else 0. It ends with ctx.
func (m *model) inferAnswer(ctx context.Context, request *inferRequest, tensors []inferTensor,
	results []inception.Result) (pieces answer, header int, err error) {
	head, err := json.Marshal(struct {
		Name    string `json:"model_name"`
		Version string `json:"model_version"`
		ID      string `json:"id,omitempty"`
	}{m.name, modelVersion, request.ID})
	if err != nil {
		return nil, 0, err
	}
	pieces = answer{head[:len(head)-1], []byte(`,"outputs":[`)}
	var binaries answer
	followed := false
	for i, t := range tensors {
		wanted, data := request.Outputs[i], answer(nil)
		if request.asBytes(wanted) {
			bytes, size, err := m.binaryTensor(ctx, wanted, results)
			if err != nil {
				return nil, 0, err
			}
			binaries, followed, t.Parameters.BinarySize = append(binaries, bytes...), true, &size
		} else if data, err = m.jsonData(ctx, wanted, results); err != nil {
			return nil, 0, err
		}
		frame, err := json.Marshal(t)
		if err != nil {
			return nil, 0, err
		}
		if i > 0 {
			pieces = append(pieces, []byte(","))
		}
		pieces = append(append(append(pieces, frame[:len(frame)-1]), data...), []byte("}"))
	}
	pieces = append(pieces, []byte("]}"))
	if followed {
		header = pieces.size()
	}
	return append(pieces, binaries...), header, nil
}

// jsonData is an output's member "data" over all pictures.
func (m *model) jsonData(ctx context.Context, w wantedOutput, results []inception.Result) (answer, error) {
	pieces := answer{[]byte(`,"data":[`)}
	for k := range results {
		values, err := m.outputValues(w, &results[k])
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
		if k > 0 {
			pieces = append(pieces, []byte(","))
		}
		pieces = append(pieces, values[1:len(values)-1]) // without the brackets
	}
	return append(pieces, []byte("]")), nil
}

// outputValues is one picture's part of an output, as a JSON array.
func (m *model) outputValues(w wantedOutput, r *inception.Result) ([]byte, error) {
	switch {
	case w.Name == outputProbs && w.Parameters.Classification > 0:
		return json.Marshal(m.classification(r, w.Parameters.Classification))
	case w.Name == outputProbs:
		return json.Marshal(m.probabilities(r))
	case w.Name == outputLabel:
		return json.Marshal([]string{r.Predictions[0].Label})
	}
	return json.Marshal(r.Bottleneck)
}

// classification is Triton's form of the k best: "value:index:label".
func (m *model) classification(r *inception.Result, k int) []string {
	var best []string
	for _, p := range topK(r.Predictions, k) {
		best = append(best, formatFloat(p.Probability)+":"+strconv.Itoa(m.index[p.Label])+":"+p.Label)
	}
	return best
}
