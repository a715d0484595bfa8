package serve

import (
	"bytes"
	"context"
	"encoding/base64"
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

// requestParser turns bodies into records. It looks at no picture, and decodes base64 where it
// stands in the body, so that whatever a body is, parsing it holds its records and no more.
type requestParser struct {
	maxRecords int
	urls       bool            // whether a record may be a URL
	text       bool            // whether text/plain, a URL, is taken
	ctx        context.Context // ends the parsing; nil means never
	held       *ledger         // what records hold is taken from here; nil means nowhere
}

// recordBytes is about what a record holds besides its picture, its answer's frame included.
const recordBytes = 1 << 10

// add appends a record for which there is room.
func (p requestParser) add(records []record, r record) ([]record, error) {
	if len(records) == p.maxRecords {
		return nil, p.tooMany()
	}
	if err := p.ended(); err != nil {
		return nil, err
	}
	if err := p.held.take(recordBytes); err != nil {
		return nil, err
	}
	return append(records, r), nil
}

func (p requestParser) context() context.Context {
	if p.ctx == nil {
		return context.Background()
	}
	return p.ctx
}

// ended is the error of a request that has ended meanwhile.
func (p requestParser) ended() error { return p.context().Err() }

// parse reads a body of the given type, which it may overwrite, and the options in it.
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
	case kind.name == typeNPY:
		records, l, err = p.npy(body)
	case kind.name == typeText && p.text:
		return []record{p.address(body)}, layoutOne, nil
	default:
		return nil, 0, fail(http.StatusUnsupportedMediaType,
			"the content type %.80q is not supported; send a picture's bytes as image/jpeg, image/png, %s or "+
				"%s, or %s, %s, %s, %s or %s",
			kind.name, typeImage, typeBytes, typeJSON, typeJSONLines, typeCSV, typeMultipart, typeNPY)
	}
	if ended := p.ended(); ended != nil {
		return nil, 0, ended
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
	members, err := readObject(p.context(), body, 4)
	if errors.Is(err, errTooManyKeys) {
		return nil, 0, badRequest(`the JSON has more keys than one that could hold pictures, want one: "instances", ` +
			`"inputs" or "b64"`)
	}
	if err != nil {
		return nil, 0, badRequest(`%v: send {"instances": [{"b64": "..."}]}, or one object a line as %s`, err, typeJSONLines)
	}
	var rest []member
	for _, m := range members {
		switch m.key {
		case "parameters":
			if err := o.parameters(p.context(), m.value); err != nil {
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
	switch m := rest[0]; {
	case m.key == "instances":
		records, err = p.list(m.value)
		return records, layoutInstances, err
	case m.key == "inputs" && opens(m.value, '['):
		records, err = p.list(m.value)
		return records, layoutInputs, err
	case m.key == "inputs":
		records, err = p.add(nil, p.instance(m.value))
		return records, layoutInputs, err
	default:
		records, err = p.add(nil, p.instanceMember(m))
		return records, layoutOne, err
	}
}

func opens(data []byte, with byte) bool { return len(data) > 0 && data[0] == with }

// list reads a JSON array of instances.
func (p requestParser) list(data []byte) (records []record, err error) {
	if !opens(data, '[') {
		return nil, badRequest("the instances are not an array")
	}
	s := newScanner(p.context(), data)
	err = s.items(func([]byte) error {
		value, err := s.value()
		if err != nil {
			return badRequest("%v", err)
		}
		if len(records) == p.maxRecords {
			return p.tooMany()
		}
		records, err = p.add(records, p.instance(value))
		return err
	})
	return records, err
}

const notAnInstance = `an instance is neither a base64 string nor an object such as {"b64": "..."}`

// instance reads one picture: a base64 string, {"b64": "..."}, {"url": "..."}, or an input by name,
// {"any name": a base64 string or {"b64": "..."}}.
func (p requestParser) instance(data []byte) record {
	if opens(data, '"') {
		return base64Record(data)
	}
	members, err := readObject(p.context(), data, 1)
	switch {
	case errors.Is(err, errTooManyKeys):
		return record{err: badRequest(`an instance has 2 keys or more, want one, such as {"b64": "..."}`)}
	case err != nil:
		return record{err: badRequest(notAnInstance+": %v", err)}
	case len(members) == 0:
		return record{err: badRequest(`an instance has 0 keys, want one, such as {"b64": "..."}`)}
	}
	return p.instanceMember(members[0])
}

// instanceMember reads the one member of an instance.
func (p requestParser) instanceMember(m member) record {
	switch {
	case m.key == "url":
		var address string
		if len(m.value) > 6*longestURL || json.Unmarshal(m.value, &address) != nil {
			return record{err: badRequest(`"url" is not a string, or too long`)}
		}
		return p.address([]byte(address))
	case opens(m.value, '"'):
		return base64Record(m.value)
	case m.key != "b64":
		inner, err := readObject(p.context(), m.value, 1)
		if err == nil && len(inner) == 1 && inner[0].key == "b64" && opens(inner[0].value, '"') {
			return base64Record(inner[0].value)
		}
	}
	return record{err: badRequest(notAnInstance)}
}

// longestURL bounds a picture's URL, in bytes; signed ones of cloud stores have up to some two
// thousand.
const longestURL = 8 << 10

// address is a record to be fetched.
func (p requestParser) address(text []byte) record {
	text = bytes.TrimSpace(text)
	switch {
	case !p.urls:
		return record{err: badRequest("this server does not fetch pictures; send the picture's bytes")}
	case len(text) == 0:
		return record{err: badRequest("the picture's URL is empty")}
	case len(text) > longestURL:
		return record{err: badRequest("the picture's URL has %d bytes, want at most %d", len(text), longestURL)}
	}
	return record{url: string(text)}
}

func base64Record(quoted []byte) record { return encodedRecord(decodeBase64(unescape(quoted))) }

func encodedRecord(picture []byte, err error) record {
	return record{input: &inception.Input{Data: picture}, err: err}
}

// decodeBase64 takes the standard and the URL alphabet, with and without padding, line breaks, and
// a leading "data:image/...;base64,". The picture stands where the text stood.
func decodeBase64(text []byte) ([]byte, error) {
	text = bytes.TrimSpace(text)
	if bytes.HasPrefix(text, []byte("data:")) {
		_, encoded, ok := bytes.Cut(text, []byte(";base64,"))
		if !ok {
			return nil, badRequest("a data URL is not base64")
		}
		text = encoded
	}
	encoding := base64.RawStdEncoding
	if bytes.IndexByte(text, '-') >= 0 || bytes.IndexByte(text, '_') >= 0 {
		encoding = base64.RawURLEncoding
	}
	text = bytes.TrimRight(text, "=\r\n")
	var quads [4096]byte
	var plain [len(quads) / 4 * 3]byte
	n := 0
	for rest := text; len(rest) > 0; {
		k := 0
		for k < len(quads) && len(rest) > 0 {
			if c := rest[0]; c != '\r' && c != '\n' {
				quads[k] = c
				k++
			}
			rest = rest[1:]
		}
		m, err := encoding.Decode(plain[:], quads[:k])
		if err != nil {
			return nil, badRequest("a picture is not base64")
		}
		n += copy(text[n:], plain[:m]) // up to 3 bytes for 4 that have been read
	}
	if n == 0 {
		return nil, badRequest("a picture has no bytes")
	}
	return text[:n:n], nil
}

// lines reads JSON Lines: an instance a line; blank lines are none.
func (p requestParser) lines(body []byte) (records []record, err error) {
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(records) == p.maxRecords {
			return nil, p.tooMany()
		}
		r := record{err: badRequest("the line is not JSON")}
		s := newScanner(p.context(), line)
		if value, err := s.value(); err == nil && s.peek() == 0 && s.at == len(s.data) {
			r = p.instance(value)
		}
		if records, err = p.add(records, r); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// csv reads a picture a row, base64 or a URL in its one column.
func (p requestParser) csv(body []byte, header bool) (records []record, err error) {
	for rest, line := body, 1; len(rest) > 0; {
		var row csvRow
		row, rest, err = cutRow(p.context(), rest)
		if err != nil {
			return nil, err
		}
		if row.malformed {
			return nil, badRequest("the CSV is malformed at line %d", line)
		}
		line += row.lines
		switch {
		case row.blank:
			continue
		case header:
			header = false
			continue
		case len(records) == p.maxRecords:
			return nil, p.tooMany()
		}
		if records, err = p.add(records, p.cell(row)); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func (p requestParser) cell(row csvRow) record {
	if row.wide {
		return record{err: badRequest("the row has 2 columns or more, want one: a picture in base64")}
	}
	text := bytes.TrimSpace(row.cell)
	if bytes.HasPrefix(text, []byte("http://")) || bytes.HasPrefix(text, []byte("https://")) {
		return p.address(text)
	}
	return encodedRecord(decodeBase64(text))
}

// multipart reads a form: each file is a picture, each other field an option. What a part holds is
// written over what of the body has been read, which is longer.
func (p requestParser) multipart(body []byte, boundary string, o *options) (records []record, l layout, err error) {
	if boundary == "" {
		return nil, 0, badRequest("the content type %s has no boundary", typeMultipart)
	}
	if err := p.held.take(min(int64(len(body)), mostPartHeader)); err != nil {
		return nil, 0, err
	}
	defer p.held.give(min(int64(len(body)), mostPartHeader))
	unread := bytes.NewReader(body)
	r := multipart.NewReader(unread, boundary)
	written, fields := 0, 0
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, badRequest("the form is malformed, or ends early")
		}
		data := body[written:written]
		for err == nil {
			var n int
			n, err = part.Read(body[written : len(body)-unread.Len()])
			written += n
			data = data[:len(data)+n]
			if ended := p.ended(); ended != nil {
				return nil, 0, ended
			}
		}
		if !errors.Is(err, io.EOF) {
			return nil, 0, badRequest("a part of the form is malformed, or ends early")
		}
		kind := parseMediaType(part.Header.Get("Content-Type"))
		if part.FileName() == "" && !kind.isPicture() {
			if fields++; fields > mostFields {
				return nil, 0, badRequest("the form has more than %d fields besides its files", mostFields)
			}
			value := bytes.TrimSpace(data)
			if err := o.set(part.FormName(), string(value[:min(len(value), longestKey)])); err != nil {
				return nil, 0, err
			}
			continue
		}
		if records, err = p.add(records, filePart(part, data[:len(data):len(data)])); err != nil {
			return nil, 0, err
		}
	}
	l = layoutMany
	if len(records) == 1 {
		l = layoutOne
	}
	return records, l, nil
}

// How many fields a form may have, each an option, and what mime/multipart reads at most of the
// header of a part, in bytes.
const (
	mostFields     = 16
	mostPartHeader = 11 << 20
)

// filePart decodes a file that says that it is base64; NextRawPart has already left every other
// encoding as it stands.
func filePart(part *multipart.Part, data []byte) record {
	if len(data) == 0 {
		return record{err: badRequest("a file of the form is empty")}
	}
	if !strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "base64") {
		return encodedRecord(data, nil)
	}
	return encodedRecord(decodeBase64(data))
}
