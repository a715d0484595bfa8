package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"math"
	"slices"
	"strconv"

	"github.com/c236555e/rehead/inception"
)

// infer reads a request: one input of pictures in one of three forms. header says how much of the
// body is JSON, "" that all is.
func (p requestParser) infer(header string, body []byte, size int) (*inferRequest, []record, error) {
	text, tensors, err := splitInfer(header, body)
	if err != nil {
		return nil, nil, err
	}
	if header != "" && len(text) == 0 {
		return p.rawInfer(tensors)
	}
	if len(text) == 0 {
		return nil, nil, badRequest("the body is empty, want an inference request")
	}
	var request inferRequest
	err = request.read(newScanner(p.context(), text))
	if ended := p.ended(); ended != nil {
		return nil, nil, ended
	}
	var status *statusError
	if err != nil && !errors.As(err, &status) {
		err = badRequest("the body is not an inference request: %v", err)
	}
	if err != nil {
		return nil, nil, err
	}
	if len(request.Inputs) != 1 {
		return nil, nil, badRequest(`the request has %d inputs, want one: "image", "rgb" or "pixels"`, len(request.Inputs))
	}
	in := &request.Inputs[0]
	if err := in.attach(tensors); err != nil {
		return nil, nil, err
	}
	records, err := p.pictures(in, size)
	return &request, records, err
}

// pictures reads the records of an input.
func (p requestParser) pictures(in *inferTensor, size int) ([]record, error) {
	n, err := in.elements()
	if err != nil {
		return nil, err
	}
	if in.Shape[0] > p.maxRecords {
		return nil, p.tooMany()
	}
	if err := p.held.take(int64(in.Shape[0]) * recordBytes); err != nil {
		return nil, err
	}
	switch {
	case in.Name == inputImage && in.Datatype == "BYTES":
		return p.inferBytes(in, n)
	case in.Name == inputRGB && in.Datatype == "UINT8":
		return p.inferRGB(in, n)
	case in.Name == inputPixels && in.Datatype == "FP32":
		return p.inferPixels(in, n, size)
	}
	return nil, badRequest(`unknown input; want "image" of BYTES, "rgb" of UINT8 or "pixels" of FP32`)
}

// Bounds on what a request says beside its pictures, in bytes as they stand.
const (
	longestID     = 6 << 10 // a thousand characters, however they are escaped
	longestName   = 1 << 10
	longestShape  = 256
	longestOutput = 4 << 10 // and the parameters of a request or an input
)

// read reads the request's JSON. It stops at the second input and at an output that is named twice.
func (r *inferRequest) read(s *jsonScanner) error {
	if c := s.peek(); c != '{' && c != 0 {
		if _, err := s.value(); err != nil {
			return err
		}
		return errors.New("the JSON is of type " + typeOf(c) + ", want an object")
	}
	return s.object(func(raw []byte) error {
		switch string(keyText(raw)) {
		case "id":
			return s.small("id", longestID, &r.ID)
		case "parameters":
			return s.small("parameters", longestOutput, &r.Parameters)
		case "inputs":
			return s.list("inputs", func() error {
				if len(r.Inputs) == 1 {
					return badRequest(`the request has 2 inputs or more, want one: "image", "rgb" or "pixels"`)
				}
				r.Inputs = append(r.Inputs, inferTensor{})
				return r.Inputs[0].read(s)
			})
		case "outputs":
			return s.list("outputs", func() error {
				var w wantedOutput
				if err := s.small("outputs", longestOutput, &w); err != nil {
					return err
				}
				if slices.ContainsFunc(r.Outputs, func(o wantedOutput) bool { return o.Name == w.Name }) {
					return badRequest("the request names an output twice")
				}
				if len(r.Outputs) == len(outputNames) {
					return errUnknownOutput
				}
				r.Outputs = append(r.Outputs, w)
				return nil
			})
		}
		_, err := s.value()
		return err
	})
}

func (t *inferTensor) read(s *jsonScanner) error {
	if c := s.peek(); c != '{' {
		if _, err := s.value(); err != nil {
			return err
		}
		return wrongType("inputs", typeOf(c), "an object")
	}
	return s.items(func(raw []byte) (err error) {
		switch string(keyText(raw)) {
		case "name":
			return s.small("inputs.name", longestName, &t.Name)
		case "datatype":
			return s.small("inputs.datatype", longestName, &t.Datatype)
		case "shape":
			return s.small("inputs.shape", longestShape, &t.Shape)
		case "parameters":
			return s.small("inputs.parameters", longestOutput, &t.Parameters)
		case "data":
			t.Data, err = s.value()
			return err
		}
		_, err = s.value()
		return err
	})
}

// small decodes the value that comes next, of at most so many bytes.
func (s *jsonScanner) small(field string, most int, v any) error {
	raw, err := s.value()
	if err != nil {
		return err
	}
	if len(raw) > most {
		return badRequest("%q takes %d bytes, want at most %d", field, len(raw), most)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fieldError(field, err)
	}
	return nil
}

// list calls item for each value of the array that comes next; null is none.
func (s *jsonScanner) list(field string, item func() error) error {
	c := s.peek()
	if c == '[' {
		return s.items(func([]byte) error { return item() })
	}
	if _, err := s.value(); err != nil {
		return err
	}
	if c == 'n' {
		return nil
	}
	return wrongType(field, typeOf(c), "an array")
}

// elements multiplies the shape out, within the bounds of a request.
func (t *inferTensor) elements() (int, error) {
	if len(t.Shape) == 0 {
		return 0, badRequest("the input has no shape")
	}
	n := 1
	for _, d := range t.Shape {
		if d < 1 || d > math.MaxInt32/n {
			return 0, badRequest("the input's shape %v is out of range", t.Shape)
		}
		n *= d
	}
	if n > len(t.Data) { // each element takes a byte at least
		return 0, badRequest("the input's shape %v asks for %d values, and its data has fewer", t.Shape, n)
	}
	return n, nil
}

func (p requestParser) inferBytes(t *inferTensor, n int) ([]record, error) {
	if n != t.Shape[0] {
		return nil, badRequest("the input has the shape %v, want [N] or [N,1]", t.Shape)
	}
	if t.binary() {
		return t.binaryBytes(n)
	}
	var records []record
	err := p.flatten(t.Data, func(value []byte) error {
		if len(records) == n || !opens(value, '"') {
			return badRequest("the input's data is not %d strings in base64", n)
		}
		records = append(records, base64Record(value))
		return nil
	})
	return records, t.filled(err, len(records), n)
}

// filled adds to err that the data has fewer values than the shape says.
func (t *inferTensor) filled(err error, got, want int) error {
	if err == nil && got != want {
		err = badRequest("the input's data has %d values, and its shape %v asks for %d", got, t.Shape, want)
	}
	return err
}

func (p requestParser) inferRGB(t *inferTensor, n int) ([]record, error) {
	if len(t.Shape) != 4 || t.Shape[3] != 3 {
		return nil, badRequest("the input has the shape %v, want [N,H,W,3]", t.Shape)
	}
	if err := p.held.take(int64(n) / 3 * 4); err != nil {
		return nil, err
	}
	if t.binary() {
		return p.binaryRGB(t, n)
	}
	records, pictures := make([]record, t.Shape[0]), make([]*image.NRGBA, t.Shape[0])
	for i := range records {
		pictures[i] = image.NewNRGBA(image.Rect(0, 0, t.Shape[2], t.Shape[1]))
		records[i].input = &inception.Input{Image: pictures[i]}
	}
	each, at := t.Shape[1]*t.Shape[2]*3, 0
	err := p.flatten(t.Data, func(value []byte) error {
		v, err := strconv.ParseUint(string(value), 10, 8)
		if err != nil || at == n {
			return badRequest("the input's data is not %d whole numbers of 0..255", n)
		}
		pixel := pictures[at/each].Pix[at%each/3*4:]
		pixel[at%3], pixel[3] = uint8(v), 0xff
		at++
		return nil
	})
	return records, t.filled(err, at, n)
}

func (p requestParser) inferPixels(t *inferTensor, n, size int) ([]record, error) {
	if len(t.Shape) != 4 || t.Shape[1] != 3 || t.Shape[2] != size || t.Shape[3] != size {
		return nil, badRequest("the input has the shape %v, want [N,3,%d,%d]", t.Shape, size, size)
	}
	if err := p.held.take(4 * int64(n)); err != nil {
		return nil, err
	}
	read := p.jsonFloats
	if t.binary() {
		read = p.binaryFloats
	}
	values, err := read(t, n)
	if err != nil {
		return nil, err
	}
	records := make([]record, t.Shape[0])
	each := 3 * size * size
	for i := range records {
		records[i].input = &inception.Input{Pixels: values[i*each : (i+1)*each]}
	}
	return records, nil
}

func (p requestParser) jsonFloats(t *inferTensor, n int) ([]float32, error) {
	values := make([]float32, 0, n)
	err := p.flatten(t.Data, func(value []byte) error {
		v, err := strconv.ParseFloat(string(value), 32)
		if err != nil || len(values) == n {
			return badRequest("the input's data is not %d numbers", n)
		}
		values = append(values, float32(v))
		return nil
	})
	return values, t.filled(err, len(values), n)
}

// flatten calls take with each value of a JSON array, whether its rows are nested or not, as it
// stands.
func (p requestParser) flatten(data []byte, take func(value []byte) error) error {
	const deepest = 8
	depth := 0
	for i, look := 0, 0; i < len(data); {
		if i >= look {
			if err := p.ended(); err != nil {
				return err
			}
			look = i + readUnlooked
		}
		switch c := data[i]; {
		case c == '[':
			if depth++; depth > deepest {
				return badRequest("the input's data is nested too deeply")
			}
			i++
		case c == ']':
			depth--
			i++
		case c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
		case c == '{' || depth == 0:
			return badRequest("the input's data is not an array")
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

// scalar is the length of the string, number or word at the start of data, which is known to be
// JSON.
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
