package serve

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
)

// elements are texts as a BYTES tensor has them.
func elements(texts ...[]byte) []byte {
	var b []byte
	for _, text := range texts {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
	}
	return b
}

// binaryInput is the JSON of an input whose data follow.
func binaryInput(name, datatype, shape string, size int, rest string) string {
	return fmt.Sprintf(`{"id":"7","inputs":[{"name":%q,"datatype":%q,"shape":%s,"parameters":{"binary_data_size":%d}}]%s}`,
		name, datatype, shape, size, rest)
}

func postBinary(s *Server, text string, tensors []byte, headers ...string) *httptest.ResponseRecorder {
	return do(s.Handler(), http.MethodPost, "/v2/models/model/infer", append([]byte(text), tensors...),
		append([]string{headerInferLength, strconv.Itoa(len(text))}, headers...)...)
}

// binaryOutputs cuts an answer into its outputs' bytes.
func binaryOutputs(t *testing.T, w *httptest.ResponseRecorder) (tensors []inferTensor) {
	t.Helper()
	wantStatus(t, w, http.StatusOK, "")
	n, err := strconv.Atoi(w.Header().Get(headerInferLength))
	if err != nil || w.Header().Get("Content-Type") != typeBytes {
		t.Fatalf("got %v and the type %q, want a length and %s", err, w.Header().Get("Content-Type"), typeBytes)
	}
	var got struct{ Outputs []inferTensor }
	if err := json.Unmarshal(w.Body.Bytes()[:n], &got); err != nil {
		t.Fatal(err)
	}
	rest := w.Body.Bytes()[n:]
	for _, o := range got.Outputs {
		if size := o.Parameters.BinarySize; size != nil {
			o.Data, rest = rest[:*size], rest[*size:]
		}
		tensors = append(tensors, o)
	}
	if len(rest) != 0 {
		t.Errorf("%d bytes follow the outputs", len(rest))
	}
	return tensors
}

// Contract 66: binary tensors, in each form that a picture can have, and out in each type.
func TestContract66BinaryTensors(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	first, second := colorPNG(t, 5, 4, red), colorPNG(t, 5, 4, blue)
	want := append(ordered(expect(t, first)), ordered(expect(t, second))...)
	vector := slices.Concat(expect(t, first).Bottleneck, expect(t, second).Bottleneck)
	pixels, rgb := make([]float32, 2*3*fakeSize*fakeSize), []byte(nil)
	for i, data := range [][]byte{first, second} {
		if _, err := (&fake{}).Model().Recipe.Load(data, picture.Limits{}, pixels[i*len(pixels)/2:][:len(pixels)/2]); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 * 5 {
		rgb = append(rgb, red.R, red.G, red.B)
	}
	for range 4 * 5 {
		rgb = append(rgb, blue.R, blue.G, blue.B)
	}
	floats, err := binary.Append(nil, binary.LittleEndian, pixels)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		datatype, shape string
		data            []byte
	}{
		"image": {"BYTES", "[2]", elements(first, second)}, "rgb": {"UINT8", "[2,4,5,3]", rgb},
		"pixels": {"FP32", "[2,3,7,7]", floats},
	} {
		rest := `,"parameters":{"binary_data_output":true,"priority":3},"outputs":[{"name":"probabilities"},{"name":"label"},{"name":"bottleneck"}]`
		got := binaryOutputs(t, postBinary(s, binaryInput(name, c.datatype, c.shape, len(c.data), rest), c.data,
			"Content-Type", typeBytes))
		p, v := make([]float64, len(want)), make([]float32, len(vector))
		for _, err := range []error{binary.Read(bytes.NewReader(got[0].Data), binary.LittleEndian, p),
			binary.Read(bytes.NewReader(got[2].Data), binary.LittleEndian, v)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(p, want) || len(got[0].Data) != 8*len(want) || !reflect.DeepEqual(v, vector) ||
			!bytes.Equal(got[1].Data, elements([]byte("red"), []byte("blue"))) {
			t.Errorf("%s: got %v, %q and %v, want %v and %v", name, p, got[1].Data, v, want, vector)
		}
	}
}

// An output's own parameter holds against the request's; bytes and JSON stand in one answer.
func TestBinaryOutputsAsAsked(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	data := elements(colorPNG(t, 5, 4, blue))
	ask := func(rest string) *httptest.ResponseRecorder {
		return postBinary(s, binaryInput("image", "BYTES", "[1,1]", len(data), rest), data)
	}
	w := ask("")
	wantStatus(t, w, http.StatusOK, `"data":["blue"]`)
	if got := w.Header().Get("Content-Type"); got != typeJSON || w.Header().Get(headerInferLength) != "" {
		t.Errorf("got the type %q, want %s where nothing asks for bytes", got, typeJSON)
	}
	got := binaryOutputs(t, ask(`,"outputs":[{"name":"probabilities","parameters":{"classification":1,"binary_data":true}},{"name":"label"}]`))
	if !strings.HasSuffix(string(got[0].Data), ":2:blue") || got[1].Parameters.BinarySize != nil {
		t.Errorf("got %+v, want the classification as bytes and the label as JSON", got)
	}
	got = binaryOutputs(t, ask(`,"parameters":{"binary_data_output":true},"outputs":[{"name":"label","parameters":{"binary_data":false}},{"name":"bottleneck"}]`))
	if got[0].Parameters.BinarySize != nil || len(got[1].Data) != 12 {
		t.Errorf("got %+v, want the label as JSON and the bottleneck as bytes", got)
	}
	w = do(s.Handler(), http.MethodPost, "/v2/models/model/infer", colorPNG(t, 5, 4, blue), headerInferLength, "0")
	wantStatus(t, w, http.StatusOK, `"data":["blue"]`)
	wantStatus(t, do(s.Handler(), http.MethodPost, "/v2/models/model/infer", []byte("{")), http.StatusBadRequest, "")
}

func TestBinaryRefusals(t *testing.T) {
	s := newServer(t, &fake{}, Config{MaxRecords: 3})
	good := elements(colorPNG(t, 3, 2, red))
	bad, err := binary.Append(nil, binary.LittleEndian, slices.Repeat([]float32{1}, 147))
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint32(bad[8:], math.Float32bits(float32(math.NaN())))
	image := func(size int) string { return binaryInput("image", "BYTES", "[1]", size, "") }
	for name, c := range map[string]struct {
		text   string
		data   []byte
		length string // "": the text's
		code   int
		want   string
	}{
		"length not a number":   {image(len(good)), good, "x", 400, "how many bytes"},
		"length negative":       {image(len(good)), good, "-1", 400, "how many bytes"},
		"length huge":           {image(len(good)), good, "99999999999999999999", 400, "how many bytes"},
		"length beyond":         {image(len(good)), good, "99999", 400, "the body has"},
		"length within":         {image(len(good)), good, "9", 400, "not an inference request"},
		"size beyond":           {image(len(good) + 1), good, "", 400, "bytes follow the JSON"},
		"size below":            {image(len(good) - 1), good, "", 400, "bytes follow the JSON"},
		"size negative":         {image(-1), good, "", 400, "bytes follow the JSON"},
		"size huge":             {strings.Replace(image(1), ":1}", ":9e99}", 1), good, "", 400, "binary_data_size"},
		"no size":               {`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1]}]}`, good, "", 400, "no parameter"},
		"both":                  {strings.Replace(image(len(good)), `"shape"`, `"data":[""],"shape"`, 1), good, "", 400, "one of them"},
		"nothing":               {image(0), nil, "", 400, "fewer"},
		"raw of nothing":        {"", nil, "0", 400, "empty"},
		"raw of no picture":     {"", []byte("hello"), "0", 415, "picture 1 of 1"},
		"element's length":      {image(6), []byte{1, 0, 0, 0, 7, 1}, "", 400, "follow the last"},
		"element without":       {binaryInput("image", "BYTES", "[2]", 6, ""), []byte{1, 0, 0, 0, 7, 1}, "", 400, "ends within"},
		"element beyond":        {image(5), []byte{255, 255, 255, 255, 7}, "", 400, "4294967295 bytes, and 1 are left"},
		"fewer elements":        {binaryInput("image", "BYTES", "[2]", len(good), ""), good, "", 400, "asks for 2"},
		"more elements":         {image(2 * len(good)), append(slices.Clone(good), good...), "", 400, "follow the last"},
		"empty element":         {image(4), make([]byte, 4), "", 400, "no bytes"},
		"many":                  {binaryInput("image", "BYTES", "[4]", len(good), ""), good, "", 413, "limit of 3"},
		"rgb too short":         {binaryInput("rgb", "UINT8", "[1,2,2,3]", 11, ""), make([]byte, 11), "", 400, "fewer"},
		"rgb too long":          {binaryInput("rgb", "UINT8", "[1,2,2,3]", 13, ""), make([]byte, 13), "", 400, "asks for 12"},
		"pixels too short":      {binaryInput("pixels", "FP32", "[1,3,7,7]", 587, ""), bad[:587], "", 400, "asks for 588"},
		"pixels of another":     {binaryInput("pixels", "FP32", "[1,147,1,1]", 588, ""), bad, "", 400, "[N,3,7,7]"},
		"pixels not finite":     {binaryInput("pixels", "FP32", "[1,3,7,7]", 588, ""), bad, "", 400, "value 2 of the input is NaN"},
		"outputs not a boolean": {binaryInput("image", "BYTES", "[1]", len(good), `,"parameters":{"binary_data_output":3}`), good, "", 400, "parameters"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.length == "" {
				c.length = strconv.Itoa(len(c.text))
			}
			w := do(s.Handler(), http.MethodPost, "/v2/models/model/infer", append([]byte(c.text), c.data...),
				headerInferLength, c.length)
			wantStatus(t, w, c.code, c.want)
			if got := w.Header().Get("Content-Type"); got != typeJSON || !json.Valid(w.Body.Bytes()) {
				t.Errorf("got the type %q, want %s", got, typeJSON)
			}
		})
	}
	if used := s.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}

func FuzzBinaryInfer(f *testing.F) {
	for _, input := range []string{binaryInput("image", "BYTES", "[1]", 6, ""), binaryInput("rgb", "UINT8", "[1,1,2,3]", 6, ""),
		binaryInput("pixels", "FP32", "[1,3,1,1]", 12, "")} {
		f.Add(strconv.Itoa(len(input)), []byte(input+"\x02\x00\x00\x00ab"))
		f.Add(strconv.Itoa(len(input)), []byte(input+strings.Repeat("a", 12)))
	}
	f.Add("0", []byte("picture"))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		checkInfer(t, header, bytes.Clone(body))
	})
}
