package serve

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/strictjson"
)

// layout is how a request holds its pictures, which its answer follows.
type layout int

const (
	layoutOne       layout = iota // one picture: the answer is its record
	layoutInstances               // {"instances": [...]}: {"predictions": [record...]}
	layoutInputs                  // {"inputs": ...}: {"outputs": [record...]}
	layoutMany                    // lines or parts: a record each
)

// requestParser turns bodies into records. It looks at no picture.
type requestParser struct {
	maxRecords int
	urls       bool // whether a record may be a URL
	text       bool // whether text/plain, a URL, is taken
}

// parse reads a body of the given type, and the options in it.
func (p requestParser) parse(kind mediaType, body []byte, o *options) (records []record, l layout, err error) {
	switch {
	case kind.isPicture() && len(body) == 0:
		return []record{{err: badRequest("the picture has no bytes")}}, layoutOne, nil
	case kind.isPicture():
		return []record{{input: &inception.Input{Data: body}}}, layoutOne, nil
	}
	body = strictjson.TrimMark(body)
	switch {
	case kind.name == typeJSON:
		records, l, err = p.json(body, o)
	case kind.name == typeJSONLines:
		records, err = p.lines(body)
		l = layoutMany
	case kind.name == typeCSV:
		records, err = p.csv(body, strings.EqualFold(kind.params["header"], "present"))
		l = layoutMany
	case kind.name == typeMultipart:
		records, l, err = p.multipart(body, kind.params["boundary"], o)
	case kind.name == typeText && p.text:
		return []record{p.address(string(body))}, layoutOne, nil
	default:
		return nil, 0, fail(http.StatusUnsupportedMediaType,
			"the content type %.80q is not supported; send a picture's bytes as image/jpeg, image/png, %s or "+
				"%s, or %s, %s, %s or %s",
			kind.name, typeImage, typeBytes, typeJSON, typeJSONLines, typeCSV, typeMultipart)
	}
	if err == nil && len(records) == 0 {
		err = fail(http.StatusBadRequest, "the body has no pictures")
	}
	return records, l, err
}

func (p requestParser) tooMany() error {
	return fail(http.StatusRequestEntityTooLarge, "the body has more than the limit of %d pictures; send it in parts",
		p.maxRecords)
}

func badRequest(format string, args ...any) error {
	return fail(http.StatusBadRequest, format, args...)
}

// json reads {"instances": [...]}, {"inputs": ...}, or one instance, each with optional
// "parameters".
func (p requestParser) json(body []byte, o *options) (records []record, l layout, err error) {
	members, err := readObject(body)
	if err != nil {
		return nil, 0, badRequest(`%v: send {"instances": [{"b64": "..."}]}, or one object a line as %s`, err, typeJSONLines)
	}
	var rest []member
	for _, m := range members {
		switch m.key {
		case "parameters":
			if err := o.parameters(m.value); err != nil {
				return nil, 0, err
			}
		case "signature_name": // TensorFlow Serving's clients send it
		default:
			rest = append(rest, m)
		}
	}
	if len(rest) != 1 {
		return nil, 0, badRequest(`the JSON has %d keys that could hold pictures, want one: "instances", "inputs" or "b64"`,
			len(rest))
	}
	switch m := rest[0]; m.key {
	case "instances":
		records, err = p.list(m.value)
		return records, layoutInstances, err
	case "inputs":
		if !opens(m.value, '[') {
			return []record{p.instance(m.value)}, layoutInputs, nil
		}
		records, err = p.list(m.value)
		return records, layoutInputs, err
	default:
		return []record{p.instanceMember(m)}, layoutOne, nil
	}
}

func opens(data json.RawMessage, with byte) bool {
	data = bytes.TrimSpace(data)
	return len(data) > 0 && data[0] == with
}

// list reads a JSON array of instances.
func (p requestParser) list(data json.RawMessage) ([]record, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, badRequest("the instances are not an array")
	}
	var records []record
	for d.More() {
		if len(records) == p.maxRecords {
			return nil, p.tooMany()
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, badRequest("%v", describeJSONError(err))
		}
		records = append(records, p.instance(value))
	}
	return records, nil
}

// instance reads one picture: a base64 string, {"b64": "..."}, {"url": "..."}, or an input by name,
// {"any name": a base64 string or {"b64": "..."}}.
func (p requestParser) instance(data json.RawMessage) record {
	if opens(data, '"') {
		return base64Record(data)
	}
	members, err := readObject(data)
	if err != nil {
		return record{err: badRequest(`an instance is neither a base64 string nor an object such as {"b64": "..."}: %v`, err)}
	}
	if len(members) != 1 {
		return record{err: badRequest(`an instance has %d keys, want one, such as {"b64": "..."}`, len(members))}
	}
	return p.instanceMember(members[0])
}

// instanceMember reads the one member of an instance.
func (p requestParser) instanceMember(m member) record {
	switch {
	case m.key == "url":
		var address string
		if err := json.Unmarshal(m.value, &address); err != nil {
			return record{err: badRequest(`"url" is not a string`)}
		}
		return p.address(address)
	case opens(m.value, '"'):
		return base64Record(m.value)
	case m.key != "b64":
		inner, err := readObject(m.value)
		if err == nil && len(inner) == 1 && inner[0].key == "b64" && opens(inner[0].value, '"') {
			return base64Record(inner[0].value)
		}
	}
	return record{err: badRequest(`an instance is neither a base64 string nor an object such as {"b64": "..."}`)}
}

// address is a record to be fetched.
func (p requestParser) address(text string) record {
	if !p.urls {
		return record{err: badRequest("this server does not fetch pictures; send the picture's bytes")}
	}
	if text = strings.TrimSpace(text); text == "" {
		return record{err: badRequest("the picture's URL is empty")}
	}
	return record{url: text}
}

func base64Record(data json.RawMessage) record {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return record{err: badRequest("%v", describeJSONError(err))}
	}
	return encodedRecord(decodeBase64(text))
}

func encodedRecord(picture []byte, err error) record {
	return record{input: &inception.Input{Data: picture}, err: err}
}

// decodeBase64 takes the standard and the URL alphabet, with and without padding, line breaks, and
// a leading "data:image/...;base64,".
func decodeBase64(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "data:") {
		_, encoded, ok := strings.Cut(text, ";base64,")
		if !ok {
			return nil, badRequest("a data URL is not base64")
		}
		text = encoded
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	picture, err := encoding.DecodeString(strings.TrimRight(text, "=\r\n"))
	if err != nil {
		return nil, badRequest("a picture is not base64")
	}
	if len(picture) == 0 {
		return nil, badRequest("a picture has no bytes")
	}
	return picture, nil
}

// lines reads JSON Lines: an instance a line; blank lines are none.
func (p requestParser) lines(body []byte) ([]record, error) {
	var records []record
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(records) == p.maxRecords {
			return nil, p.tooMany()
		}
		if !json.Valid(line) {
			records = append(records, record{err: badRequest("the line is not JSON")})
			continue
		}
		records = append(records, p.instance(line))
	}
	return records, nil
}

// csv reads a picture a row, base64 or a URL in its one column.
func (p requestParser) csv(body []byte, header bool) ([]record, error) {
	r := csv.NewReader(bytes.NewReader(body))
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	var records []record
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		var syntax *csv.ParseError
		if errors.As(err, &syntax) {
			return nil, badRequest("the CSV is malformed at line %d", syntax.Line)
		}
		if err != nil {
			return nil, badRequest("the CSV is malformed")
		}
		if header {
			header = false
			continue
		}
		if len(records) == p.maxRecords {
			return nil, p.tooMany()
		}
		records = append(records, p.cell(row))
	}
}

func (p requestParser) cell(row []string) record {
	if len(row) != 1 {
		return record{err: badRequest("the row has %d columns, want one: a picture in base64", len(row))}
	}
	text := strings.TrimSpace(row[0])
	if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
		return p.address(text)
	}
	return encodedRecord(decodeBase64(text))
}

// multipart reads a form: each file is a picture, each other field an option.
func (p requestParser) multipart(body []byte, boundary string, o *options) (records []record, l layout, err error) {
	if boundary == "" {
		return nil, 0, badRequest("the content type %s has no boundary", typeMultipart)
	}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, badRequest("the form is malformed, or ends early")
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, 0, badRequest("a part of the form is malformed, or ends early")
		}
		kind := parseMediaType(part.Header.Get("Content-Type"))
		if part.FileName() == "" && !kind.isPicture() {
			if err := o.set(part.FormName(), strings.TrimSpace(string(data))); err != nil {
				return nil, 0, err
			}
			continue
		}
		if len(records) == p.maxRecords {
			return nil, 0, p.tooMany()
		}
		records = append(records, filePart(part, data))
	}
	l = layoutMany
	if len(records) == 1 {
		l = layoutOne
	}
	return records, l, nil
}

// filePart decodes a file that says that it is base64; NextRawPart has already left every other
// encoding as it stands.
func filePart(part *multipart.Part, data []byte) record {
	if len(data) == 0 {
		return record{err: badRequest("a file of the form is empty")}
	}
	if !strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "base64") {
		return encodedRecord(data, nil)
	}
	return encodedRecord(decodeBase64(string(data)))
}
