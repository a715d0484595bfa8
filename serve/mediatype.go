package serve

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/internal/npy"
)

// Media types that the server reads or writes.
const (
	typeJSON        = "application/json"
	typeVerboseJSON = "application/json;verbose"
	typeJSONLines   = "application/jsonlines"
	typeCSV         = "text/csv"
	typeText        = "text/plain"
	typeMultipart   = "multipart/form-data"
	typeImage       = "application/x-image"
	typeBytes       = "application/octet-stream"
	typeNPY         = "application/x-npy"   // an array of NumPy's
	typeRawBytes    = "file-path/raw-bytes" // a file's own bytes, as SageMaker's DataSerializer calls them
)

// mediaType is a content type or one range of an Accept header, in lower case.
type mediaType struct {
	name   string            // "image/jpeg", "*/*"
	params map[string]string // values as sent; a bare parameter ("verbose") maps to ""
	q      float64
}

// parseMediaType reads one content type. Unlike mime.ParseMediaType it takes a bare parameter, as
// in SageMaker's "application/json;verbose".
func parseMediaType(s string) mediaType {
	m := mediaType{q: 1}
	for i, part := range splitQuoted(s, ';') {
		part = strings.TrimSpace(part)
		if i == 0 {
			m.name = strings.ToLower(part)
			continue
		}
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		key, value = strings.ToLower(strings.TrimSpace(key)), unquote(strings.TrimSpace(value))
		if key == "q" {
			q, err := strconv.ParseFloat(value, 64)
			if err == nil && q >= 0 && q <= 1 {
				m.q = q
			}
			continue
		}
		if m.params == nil {
			m.params = make(map[string]string)
		}
		m.params[key] = value
	}
	return m
}

func (m mediaType) has(param string) bool {
	_, ok := m.params[param]
	return ok
}

// splitQuoted splits s at sep, except inside double quotes.
func splitQuoted(s string, sep byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// aliases maps the other spellings of the types that the server knows.
var aliases = map[string]string{
	"text/json":               typeJSON,
	"application/x-jsonlines": typeJSONLines,
	"application/jsonl":       typeJSONLines,
	"application/x-ndjson":    typeJSONLines,
	"application/ndjson":      typeJSONLines,
	"application/csv":         typeCSV,
}

func canonical(name string) string {
	if known, ok := aliases[name]; ok {
		return known
	}
	return name
}

// canonicalType is the type of an answer in the one spelling that the server offers it by.
func canonicalType(s string) string {
	m := parseMediaType(s)
	m.name = canonical(m.name)
	if m.name == typeJSON && m.has("verbose") {
		return typeVerboseJSON
	}
	return m.name
}

// contentType returns the body's type. Where the request names none, the first bytes decide: JSON
// opens with a brace, an array of NumPy's with its own mark, anything else is taken for a picture, which
// the decoder accepts or refuses by its magic bytes.
func contentType(r *http.Request, body []byte) mediaType {
	m := parseMediaType(r.Header.Get("Content-Type"))
	m.name = canonical(m.name)
	if (m.name == "" || m.name == typeBytes) && bytes.HasPrefix(body, []byte(npy.Mark)) {
		m.name = typeNPY
	}
	if m.name != "" {
		return m
	}
	for _, c := range body {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '{':
			m.name = typeJSON
			return m
		}
		break
	}
	m.name = typeBytes
	return m
}

// isPicture reports whether a body of this type is one picture's own bytes.
func (m mediaType) isPicture() bool {
	return m.name == typeImage || m.name == typeBytes || m.name == typeRawBytes || strings.HasPrefix(m.name, "image/")
}

// negotiate chooses among the offered types the one that the Accept headers like best, the earlier
// of two equals; ok is false when none will do. With no Accept header, or where a wildcard is as
// good as any, it is the first offer.
func negotiate(accept []string, offers ...string) (choice string, ok bool) {
	var ranges []mediaType
	for _, line := range accept {
		for _, part := range splitQuoted(line, ',') {
			if m := parseMediaType(part); m.name != "" {
				m.name = canonical(m.name)
				ranges = append(ranges, m)
			}
		}
	}
	if len(ranges) == 0 {
		return offers[0], true
	}
	best := 0.0
	for _, offer := range offers {
		if q := quality(ranges, parseMediaType(offer)); q > best {
			choice, best = offer, q
		}
	}
	return choice, best > 0
}

// quality is the weight that the most specific matching range gives an offer. The parameter
// "verbose" is part of a type here; other parameters are not.
func quality(ranges []mediaType, offer mediaType) float64 {
	kind, _, _ := strings.Cut(offer.name, "/")
	q, specific := 0.0, 0
	for _, r := range ranges {
		level := 0
		switch {
		case r.name == offer.name && r.has("verbose") == offer.has("verbose"):
			level = 3
		case r.name == kind+"/*":
			level = 2
		case r.name == "*/*" || r.name == "*":
			level = 1
		}
		if level > specific {
			q, specific = r.q, level
		}
	}
	return q
}
