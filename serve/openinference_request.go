package serve

import (
	"bytes"
	"encoding/json"
	"image"
	"math"
	"strconv"

	"github.com/c236555e/rehead/inception"
)

// infer reads a request: one input of pictures in one of three forms.
func (p requestParser) infer(body []byte, size int) (*inferRequest, []record, error) {
	var request inferRequest
	if len(body) == 0 {
		return nil, nil, badRequest("the body is empty, want an inference request")
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, nil, badRequest("the body is not an inference request: %v", describeJSONError(err))
	}
	if len(request.Inputs) != 1 {
		return nil, nil, badRequest(`the request has %d inputs, want one: "image", "rgb" or "pixels"`, len(request.Inputs))
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
		err = badRequest(`unknown input; want "image" of BYTES, "rgb" of UINT8 or "pixels" of FP32`)
	}
	return &request, records, err
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
	if n > len(t.Data) { // each element takes a byte of JSON at least
		return 0, badRequest("the input's shape %v asks for %d values, and its data has fewer", t.Shape, n)
	}
	return n, nil
}

func (p requestParser) inferBytes(t *inferTensor, n int) ([]record, error) {
	if n != t.Shape[0] {
		return nil, badRequest("the input has the shape %v, want [N] or [N,1]", t.Shape)
	}
	var records []record
	err := flatten(t.Data, func(value []byte) error {
		if len(records) == n || !opens(value, '"') {
			return badRequest("the input's data is not %d strings in base64", n)
		}
		records = append(records, base64Record(value))
		return nil
	})
	if err == nil && len(records) != n {
		err = badRequest("the input's data has %d values, and its shape %v asks for %d", len(records), t.Shape, n)
	}
	return records, err
}

func inferRGB(t *inferTensor, n int) ([]record, error) {
	if len(t.Shape) != 4 || t.Shape[3] != 3 {
		return nil, badRequest("the input has the shape %v, want [N,H,W,3]", t.Shape)
	}
	values := make([]uint8, 0, n)
	err := flatten(t.Data, func(value []byte) error {
		v, err := strconv.ParseUint(string(value), 10, 8)
		if err != nil || len(values) == n {
			return badRequest("the input's data is not %d whole numbers of 0..255", n)
		}
		values = append(values, uint8(v))
		return nil
	})
	if err == nil && len(values) != n {
		err = badRequest("the input's data has %d values, and its shape %v asks for %d", len(values), t.Shape, n)
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
		records[i].input = &inception.Input{Image: img}
	}
	return records, nil
}

func inferPixels(t *inferTensor, n, size int) ([]record, error) {
	if len(t.Shape) != 4 || t.Shape[1] != 3 || t.Shape[2] != size || t.Shape[3] != size {
		return nil, badRequest("the input has the shape %v, want [N,3,%d,%d]", t.Shape, size, size)
	}
	values := make([]float32, 0, n)
	err := flatten(t.Data, func(value []byte) error {
		v, err := strconv.ParseFloat(string(value), 32)
		if err != nil || len(values) == n {
			return badRequest("the input's data is not %d numbers", n)
		}
		values = append(values, float32(v))
		return nil
	})
	if err == nil && len(values) != n {
		err = badRequest("the input's data has %d values, and its shape %v asks for %d", len(values), t.Shape, n)
	}
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

// flatten calls take with each value of a JSON array, whether its rows are nested or not, as it
// stands.
func flatten(data json.RawMessage, take func(value []byte) error) error {
	const deepest = 8
	depth := 0
	for i := 0; i < len(data); {
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
