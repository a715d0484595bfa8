package serve

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/color"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
)

// Contract 60: health.
func TestContract60Health(t *testing.T) {
	s := newServer(t, nil, Config{})
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v2/health/live", nil), http.StatusOK, `{"live":true}`)
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v2/health/ready", nil), http.StatusServiceUnavailable, `{"ready":false}`)
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v2/models/model/ready", nil), http.StatusNotFound, "error")
	if err := s.Install(t.Context(), &fake{}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v2/health/ready", nil), http.StatusOK, `{"ready":true}`)
	for _, target := range []string{"/v2/models/model/ready", "/v2/models/model/versions/1/ready"} {
		wantStatus(t, do(s.Handler(), http.MethodGet, target, nil), http.StatusOK, `{"name":"model","ready":true}`)
	}
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v2/models/model/versions/2/ready", nil), http.StatusNotFound,
		"version")
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v2/models/other/ready", nil), http.StatusNotFound, "error")
}

// Contract 61: metadata.
func TestContract61Metadata(t *testing.T) {
	s := newServer(t, &fake{}, Config{ModelName: "flowers", Version: "1.2.3"})
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v2", nil), http.StatusOK, `{"extensions":["classification","binary_tensor_data","model_configuration","statistics"],"name":"rehead","version":"1.2.3"}`)
	w := do(s.Handler(), http.MethodGet, "/v2/models/flowers", nil)
	wantStatus(t, w, http.StatusOK, "")
	want := `{"name":"flowers","versions":["1"],"platform":"rehead_safetensors","inputs":[` +
		`{"name":"image","datatype":"BYTES","shape":[-1]},{"name":"rgb","datatype":"UINT8","shape":[-1,-1,-1,3]},{"name":"pixels","datatype":"FP32","shape":[-1,3,7,7]}],` +
		`"outputs":[{"name":"probabilities","datatype":"FP64","shape":[-1,3]},{"name":"label","datatype":"BYTES","shape":[-1]},{"name":"bottleneck","datatype":"FP32","shape":[-1,3]}]}`
	if w.Body.String() != want {
		t.Errorf("got %s, want %s", w.Body, want)
	}
}

// outputTensor and inferResponse are an answer as a client reads it.
type outputTensor struct {
	Name     string          `json:"name"`
	Shape    []int           `json:"shape"`
	Datatype string          `json:"datatype"`
	Data     json.RawMessage `json:"data"`
}

type inferResponse struct {
	ModelName    string         `json:"model_name"`
	ModelVersion string         `json:"model_version"`
	ID           string         `json:"id"`
	Outputs      []outputTensor `json:"outputs"`
}

// ask posts an inference request of one input.
func ask(t testing.TB, s *Server, name, datatype, shape, data, rest string) *inferResponse {
	t.Helper()
	body := fmt.Sprintf(`{"id":"7","inputs":[{"name":%q,"datatype":%q,"shape":%s,"data":%s}]%s}`, name, datatype, shape, data, rest)
	w := do(s.Handler(), http.MethodPost, "/v2/models/model/infer", []byte(body))
	wantStatus(t, w, http.StatusOK, "")
	var got inferResponse
	decode(t, w.Body.String(), &got)
	if got.ID != "7" || got.ModelName != "model" {
		t.Errorf("got id %q and model %q, want them back", got.ID, got.ModelName)
	}
	return &got
}

// Contract 62: inference, in each form that a picture can have.
func TestContract62Infer(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	first, second := colorPNG(t, 5, 4, red), colorPNG(t, 5, 4, blue)
	want := append(ordered(expect(t, first)), ordered(expect(t, second))...)
	check := func(name string, got *inferResponse) {
		t.Helper()
		var p []float64
		decode(t, string(got.Outputs[0].Data), &p)
		if !reflect.DeepEqual(p, want) || !reflect.DeepEqual(got.Outputs[0].Shape, []int{2, 3}) ||
			got.Outputs[0].Datatype != "FP64" {
			t.Errorf("%s: got %+v with %v, want %v", name, got.Outputs[0], p, want)
		}
		if string(got.Outputs[1].Data) != `["red","blue"]` {
			t.Errorf("%s: got %s, want both labels", name, got.Outputs[1].Data)
		}
	}
	encode := func(data []byte) string { return `"` + base64.StdEncoding.EncodeToString(data) + `"` }
	check("image", ask(t, s, "image", "BYTES", "[2]", "["+encode(first)+","+encode(second)+"]", ""))
	check("image [N,1]", ask(t, s, "image", "BYTES", "[2,1]", "[["+encode(first)+"],["+encode(second)+"]]", ""))

	flat, nested := rgb(5, 4, red, blue)
	check("rgb", ask(t, s, "rgb", "UINT8", "[2,4,5,3]", flat, ""))
	check("nested rgb", ask(t, s, "rgb", "UINT8", "[2,4,5,3]", nested, ""))

	pixels := make([]float32, 2*3*fakeSize*fakeSize)
	for i, data := range [][]byte{first, second} {
		if _, err := (&fake{}).Model().Recipe.Load(data, picture.Limits{},
			pixels[i*len(pixels)/2:][:len(pixels)/2]); err != nil {
			t.Fatal(err)
		}
	}
	values, err := json.Marshal(pixels)
	if err != nil {
		t.Fatal(err)
	}
	check("pixels", ask(t, s, "pixels", "FP32", "[2,3,7,7]", string(values), ""))

	got := ask(t, s, "image", "BYTES", "[1]", "["+encode(second)+"]",
		`,"outputs":[{"name":"bottleneck"},{"name":"probabilities","parameters":{"classification":2}}]`)
	var vector []float32
	decode(t, string(got.Outputs[0].Data), &vector)
	if !reflect.DeepEqual(vector, expect(t, second).Bottleneck) {
		t.Errorf("bottleneck: got %v, want %v", vector, expect(t, second).Bottleneck)
	}
	var best []string
	decode(t, string(got.Outputs[1].Data), &best)
	if len(best) != 2 || best[0] != formatFloat(ordered(expect(t, second))[2])+":2:blue" {
		t.Errorf("classification: got %q, want value:index:label of two, blue first", best)
	}
}

// rgb is the JSON of one-coloured pictures, flat and nested by rows.
func rgb(width, height int, colours ...color.RGBA) (flat, nested string) {
	var all, pictures []string
	for _, c := range colours {
		pixel := fmt.Sprintf("%d, %d,%d", c.R, c.G, c.B)
		row := strings.TrimSuffix(strings.Repeat("["+pixel+"],", width), ",")
		pictures = append(pictures, "["+strings.TrimSuffix(strings.Repeat("["+row+"],", height), ",")+"]")
		all = append(all, strings.TrimSuffix(strings.Repeat(pixel+",", width*height), ","))
	}
	return "[" + strings.Join(all, ",") + "]", "[" + strings.Join(pictures, ",") + "]"
}

func TestInferRefusals(t *testing.T) {
	s := newServer(t, &fake{}, Config{MaxRecords: 3})
	input := func(name, datatype, shape, data string) string {
		return fmt.Sprintf(`{"inputs":[{"name":%q,"datatype":%q,"shape":%s,"data":%s}]}`, name, datatype, shape, data)
	}
	good := `"` + base64.StdEncoding.EncodeToString(colorPNG(t, 3, 2, red)) + `"`
	huge := "[" + strings.TrimSuffix(strings.Repeat("3e38,", 147), ",") + "]"
	for name, c := range map[string]struct {
		body, text string
		code       int
	}{
		"not JSON":        {"{", "request", 400},
		"no input":        {`{"inputs":[]}`, "0 inputs", 400},
		"unknown input":   {input("x", "BYTES", "[1]", "["+good+"]"), "unknown", 400},
		"wrong type":      {input("image", "FP32", "[1]", "["+good+"]"), "unknown", 400},
		"no shape":        {input("image", "BYTES", "[]", "["+good+"]"), "no shape", 400},
		"negative":        {input("image", "BYTES", "[-1]", "["+good+"]"), "range", 400},
		"overflow":        {input("rgb", "UINT8", "[65536,65536,65536,3]", "[1]"), "range", 400},
		"more than sent":  {input("rgb", "UINT8", "[1,4000,4000,3]", "[1]"), "fewer", 400},
		"fewer than sent": {input("image", "BYTES", "[1]", "["+good+","+good+"]"), "1 strings", 400},
		"fewer than said": {input("image", "BYTES", "[2]", "["+good+"]"), "asks for 2", 400},
		"not strings":     {input("image", "BYTES", "[1]", "[12]"), "strings", 400},
		"many":            {input("image", "BYTES", "[4]", "[1,2,3,4,5]"), "limit of 3", 413},
		"not bytes":       {input("rgb", "UINT8", "[1,1,1,3]", "[1,2,256]"), "0..255", 400},
		"fewer bytes":     {input("rgb", "UINT8", "[1,1,1,3]", "[111,222]"), "has 2 values", 400},
		"rgb shape":       {input("rgb", "UINT8", "[1,3]", "[1,2,3]"), "[N,H,W,3]", 400},
		"pixels shape":    {input("pixels", "FP32", "[1,3,1,1]", "[1,2,3]"), "[N,3,7,7]", 400},
		"out of range": {input("pixels", "FP32", "[1,3,7,7]", strings.Replace(huge, "3e38", "3e39", 1)),
			"147 numbers", 400},
		"object":            {input("image", "BYTES", "[1]", `{"a":1}`), "not an array", 400},
		"deep":              {input("image", "BYTES", "[1]", "[[[[[[[[["+good+"]]]]]]]]]"), "deeply", 400},
		"no picture":        {input("image", "BYTES", "[1]", `["aGVsbG8="]`), "picture 1 of 1", 415},
		"unknown output":    {strings.TrimSuffix(input("image", "BYTES", "[1]", "["+good+"]"), "}") + `,"outputs":[{"name":"x"}]}`, "output", 400},
		"no classification": {strings.TrimSuffix(input("image", "BYTES", "[1]", "["+good+"]"), "}") + `,"outputs":[{"name":"probabilities","parameters":{"classification":-1}}]}`, "classification", 400},
	} {
		t.Run(name, func(t *testing.T) {
			wantStatus(t, do(s.Handler(), http.MethodPost, "/v2/models/model/infer", []byte(c.body)), c.code, c.text)
		})
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/v2/models/x/infer", nil), http.StatusNotFound, "error")
}

func FuzzInfer(f *testing.F) {
	f.Add([]byte(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["b25l"]}]}`))
	f.Add([]byte(`{"inputs":[{"name":"rgb","datatype":"UINT8","shape":[1,1,1,3],"data":[[[[1,2,3]]]]}]}`))
	f.Add([]byte(`{"inputs":[{"name":"pixels","datatype":"FP32","shape":[1,3,1,1],"data":[1,2.5,-3e1]}]}`))
	f.Add([]byte(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["\"]`))
	f.Fuzz(func(t *testing.T, body []byte) { checkInfer(t, "", bytes.Clone(body)) })
}

// checkInfer holds what is read of a request against what it says of itself.
func checkInfer(t *testing.T, header string, body []byte) {
	t.Helper()
	request, records, err := requestParser{maxRecords: 4}.infer(header, body, 1)
	if err != nil {
		if code := asStatus(err).code; code < 400 || code > 499 {
			t.Errorf("status %d for %v, want a fault of the caller", code, err)
		}
		return
	}
	want := 1 // of a body without JSON
	if len(request.Inputs) > 0 {
		want = request.Inputs[0].Shape[0]
	}
	if len(records) != want {
		t.Errorf("got %d records, want %d", len(records), want)
	}
	for i, r := range records {
		if r.err == nil && r.input.Data == nil && r.input.Image == nil && len(r.input.Pixels) != 3 {
			t.Errorf("record %d holds nothing", i)
		}
	}
}
