package serve

import (
	"context"
	"encoding/binary"
	"image"
	"math"
	"strconv"

	"github.com/c236555e/rehead/inception"
)

// headerInferLength is how many bytes of a body are its JSON; the tensors' own bytes follow, in the
// order of the JSON, little-endian. It is the binary tensor extension of the Open Inference Protocol.
const headerInferLength = "Inference-Header-Content-Length"

// bytesLength is what stands before each element of a BYTES tensor: its length.
const bytesLength = 4

// splitInfer cuts a body into its JSON and the bytes of its tensors, by the header that says where.
// Without the header all is JSON.
func splitInfer(header string, body []byte) (text, tensors []byte, err error) {
	if header == "" {
		return body, nil, nil
	}
	n, err := strconv.ParseUint(header, 10, 31)
	if err != nil {
		return nil, nil, badRequest("the header %s is not a number, want how many bytes of the body are JSON",
			headerInferLength)
	}
	if n > uint64(len(body)) {
		return nil, nil, badRequest("the header %s is %d, and the body has %d bytes", headerInferLength, n, len(body))
	}
	return body[:n:n], body[n:], nil
}

// attach gives the input its bytes, where its parameters say how many there are. All bytes belong to
// it, since a request has one input.
func (t *inferTensor) attach(tensors []byte) error {
	size := t.Parameters.BinarySize
	if size == nil {
		if len(tensors) > 0 {
			return badRequest(`%d bytes follow the JSON, and its input has no parameter "binary_data_size"`, len(tensors))
		}
		return nil
	}
	switch {
	case t.Data != nil:
		return badRequest(`the input has "data" and the parameter "binary_data_size", want one of them`)
	case *size < 0 || *size != int64(len(tensors)):
		return badRequest(`the parameter "binary_data_size" is %d, and %d bytes follow the JSON (the header %s says where)`,
			*size, len(tensors), headerInferLength)
	}
	t.Data = tensors
	return nil
}

// binary reports whether the input's data are its own bytes rather than JSON.
func (t *inferTensor) binary() bool { return t.Parameters.BinarySize != nil }

// binaryBytes reads [N] pictures, each behind its length. They stay where they stand.
func (t *inferTensor) binaryBytes(n int) ([]record, error) {
	var records []record
	rest := t.Data
	for len(rest) > 0 {
		if len(records) == n {
			return nil, badRequest("%d bytes follow the last of the input's %d elements", len(rest), n)
		}
		if len(rest) < bytesLength {
			return nil, badRequest("element %d of the input ends within its length", len(records)+1)
		}
		size := binary.LittleEndian.Uint32(rest)
		rest = rest[bytesLength:]
		if uint64(size) > uint64(len(rest)) {
			return nil, badRequest("element %d of the input says that it has %d bytes, and %d are left", len(records)+1, size,
				len(rest))
		}
		records = append(records, binaryRecord(rest[:size:size]))
		rest = rest[size:]
	}
	return records, t.filled(nil, len(records), n)
}

// binaryRecord is a picture's own bytes.
func binaryRecord(data []byte) record {
	if len(data) == 0 {
		return record{err: badRequest("a picture has no bytes")}
	}
	return encodedRecord(data, nil)
}

// wantBytes says that the data are not as many bytes as the shape asks for.
func (t *inferTensor) wantBytes(each, n int) error {
	if int64(len(t.Data)) != int64(each)*int64(n) {
		return badRequest("the input has %d bytes, and its shape %v of %s asks for %d", len(t.Data), t.Shape, t.Datatype,
			int64(each)*int64(n))
	}
	return nil
}

// rgbPicture makes an upright picture of width*height times red, green, blue.
func rgbPicture(width, height int, rgb []byte) *image.NRGBA {
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	for from, to := 0, 0; from < len(rgb); from, to = from+3, to+4 {
		pixel := picture.Pix[to : to+4 : to+4]
		pixel[0], pixel[1], pixel[2], pixel[3] = rgb[from], rgb[from+1], rgb[from+2], 0xff
	}
	return picture
}

// binaryRGB reads [N,H,W,3].
func (p requestParser) binaryRGB(t *inferTensor, n int) ([]record, error) {
	if err := t.wantBytes(1, n); err != nil {
		return nil, err
	}
	records, each := make([]record, t.Shape[0]), n/t.Shape[0]
	for i := range records {
		if err := p.ended(); err != nil {
			return nil, err
		}
		records[i].input = &inception.Input{Image: rgbPicture(t.Shape[2], t.Shape[1], t.Data[i*each:(i+1)*each])}
	}
	return records, nil
}

// binaryFloats reads FP32 values, which JSON cannot spell unless they are finite.
func (p requestParser) binaryFloats(t *inferTensor, n int) ([]float32, error) {
	if err := t.wantBytes(4, n); err != nil {
		return nil, err
	}
	values := make([]float32, n)
	for i := range values {
		if i%readUnlooked == 0 && p.ended() != nil {
			return nil, p.ended()
		}
		v := math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
		if v-v != 0 {
			return nil, badRequest("value %d of the input is %v, want a finite number", i, v)
		}
		values[i] = v
	}
	return values, nil
}

// rawInfer is a request of no JSON: the body is one picture, as Triton takes it.
func (p requestParser) rawInfer(body []byte) (*inferRequest, []record, error) {
	if len(body) == 0 {
		return nil, nil, badRequest("the body is empty, want a picture's bytes")
	}
	records, err := p.add(nil, binaryRecord(body))
	return &inferRequest{}, records, err
}

// asBytes reports whether the request wants an output as bytes: by the output's own parameter, else
// by the request's.
func (r *inferRequest) asBytes(w wantedOutput) bool {
	if own := w.Parameters.BinaryData; own != nil {
		return *own
	}
	return r.Parameters.BinaryOutput
}

// outputBytes appends one picture's part of an output to b, as the tensor's own bytes.
func (m *model) outputBytes(b []byte, w wantedOutput, r *inception.Result) []byte {
	switch {
	case w.Name == outputProbs && w.Parameters.Classification > 0:
		for _, text := range m.classification(r, w.Parameters.Classification) {
			b = appendText(b, text)
		}
	case w.Name == outputProbs:
		b = m.probabilityBytes(b, r)
	case w.Name == outputLabel:
		b = appendText(b, r.Predictions[0].Label)
	default:
		for _, v := range r.Bottleneck {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...) //nolint:gosec // labels are short
}

// binaryTensor is an output's bytes over all pictures. It ends with ctx.
func (m *model) binaryTensor(ctx context.Context, w wantedOutput,
	results []inception.Result) (pieces answer, size int64, err error) {
	for i := range results {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		piece := m.outputBytes(nil, w, &results[i])
		pieces, size = append(pieces, piece), size+int64(len(piece))
	}
	return pieces, size, nil
}
