package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/internal/strictjson"
)

// member is one key of a JSON object with its value as it stands.
type member struct {
	key   string
	value []byte
}

// How much is read between two looks at the request's context, in bytes, and how deep JSON may be
// nested.
const (
	readUnlooked = 1 << 20
	deepestJSON  = 100
)

// jsonScanner reads JSON where it stands: it copies nothing and holds nothing, whatever the text
// is, and ends with its context.
type jsonScanner struct {
	ctx  context.Context
	data []byte
	at   int
	look int // where ctx is looked at next
}

func newScanner(ctx context.Context, data []byte) *jsonScanner {
	return &jsonScanner{ctx: ctx, data: strictjson.TrimMark(data)}
}

func (s *jsonScanner) malformed() error {
	if s.at >= len(s.data) {
		return errors.New("the JSON is malformed, or ends early")
	}
	return errors.New("the JSON is malformed at byte " + strconv.Itoa(s.at+1))
}

// peek passes over white space and returns what comes next, 0 at the end.
func (s *jsonScanner) peek() byte {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return s.data[s.at]
		}
	}
	return 0
}

// value passes over the value that comes next, which must be JSON, and returns it as it stands.
func (s *jsonScanner) value() ([]byte, error) {
	s.peek()
	start := s.at
	err := s.skip(0)
	return s.data[start:s.at], err
}

func (s *jsonScanner) skip(depth int) error {
	if depth > deepestJSON {
		return errors.New("the JSON is nested too deeply")
	}
	switch c := s.peek(); {
	case c == '{' || c == '[':
		return s.items(func([]byte) error { return s.skip(depth + 1) })
	case c == '"':
		return s.text()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	}
	return s.malformed()
}

// items passes over an object or an array, which comes next, and calls item before each value, with
// its key in an object; item passes over the value.
func (s *jsonScanner) items(item func(key []byte) error) error {
	open := s.data[s.at]
	end := open + 2 // '{' and '}', '[' and ']'
	s.at++
	if s.peek() == end {
		s.at++
		return nil
	}
	for {
		if s.at >= s.look {
			if err := s.ctx.Err(); err != nil {
				return err
			}
			s.look = s.at + readUnlooked
		}
		var key []byte
		if open == '{' {
			start := s.at
			if s.peek() != '"' || s.text() != nil {
				return s.malformed()
			}
			key = s.data[start:s.at]
			if s.peek() != ':' {
				return s.malformed()
			}
			s.at++
			s.peek()
		}
		if err := item(key); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
			s.peek()
		case end:
			s.at++
			return nil
		default:
			return s.malformed()
		}
	}
}

// text passes over a string.
func (s *jsonScanner) text() error {
	for s.at++; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return nil
		case c < ' ':
			return s.malformed()
		case c == '\\':
			s.at++
			if s.at < len(s.data) && s.data[s.at] == 'u' {
				for range 4 {
					if s.at++; s.at >= len(s.data) || hexDigit(s.data[s.at]) < 0 {
						return s.malformed()
					}
				}
			} else if s.at >= len(s.data) || strings.IndexByte(`"\/bfnrt`, s.data[s.at]) < 0 {
				return s.malformed()
			}
		}
	}
	return s.malformed()
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

func (s *jsonScanner) word(w string) error {
	for i := range len(w) {
		if s.at >= len(s.data) || s.data[s.at] != w[i] {
			return s.malformed()
		}
		s.at++
	}
	return nil
}

// number passes over -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?.
func (s *jsonScanner) number() error {
	s.oneOf("-")
	if !s.oneOf("0") && !s.digits() {
		return s.malformed()
	}
	if s.oneOf(".") && !s.digits() {
		return s.malformed()
	}
	if s.oneOf("eE") {
		s.oneOf("+-")
		if !s.digits() {
			return s.malformed()
		}
	}
	return nil
}

func (s *jsonScanner) oneOf(set string) bool {
	if s.at < len(s.data) && strings.IndexByte(set, s.data[s.at]) >= 0 {
		s.at++
		return true
	}
	return false
}

func (s *jsonScanner) digits() bool {
	start := s.at
	for s.at < len(s.data) && '0' <= s.data[s.at] && s.data[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// object passes over the object that the whole text is, as items does, and refuses what follows it.
func (s *jsonScanner) object(item func(key []byte) error) error {
	if s.peek() != '{' {
		return strictjson.ErrNotObject
	}
	if err := s.items(item); err != nil {
		return err
	}
	if s.peek(); s.at < len(s.data) {
		return strictjson.ErrFollows
	}
	return nil
}

// longestKey is more than any key that means something has, in bytes as it stands.
const longestKey = 256

// keyText is a key as text; one that is too long to mean something stays as it stands.
func keyText(raw []byte) []byte {
	if len(raw) > longestKey {
		return raw[:longestKey]
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return raw
	}
	return []byte(text)
}

// errTooManyKeys ends the reading of an object.
var errTooManyKeys = errors.New("the JSON object has too many keys")

// readObject reads a JSON object one level deep, its members in order; more than most of them are
// errTooManyKeys. A key that comes twice is an error: readers differ in which of the two they take.
func readObject(ctx context.Context, data []byte, most int) (members []member, err error) {
	s := newScanner(ctx, data)
	err = s.object(func(raw []byte) error {
		key := keyText(raw)
		for _, m := range members {
			if m.key == string(key) {
				return errors.New("the JSON object has a key twice")
			}
		}
		if len(members) == most {
			return errTooManyKeys
		}
		value, err := s.value()
		members = append(members, member{string(key), value})
		return err
	})
	return members, err
}

// fieldError says which field of a request is of another type than it should be, and shows nothing
// of it.
func fieldError(field string, err error) error {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return badRequest("%q is malformed", field)
	}
	if kind.Field != "" {
		field += "." + kind.Field
	}
	value, _, _ := strings.Cut(kind.Value, " ") // "number 1.5" to "number"
	return wrongType(field, value, jsonTypeName(kind.Type.Kind()))
}

func wrongType(field, got, want string) error {
	return badRequest("the body is not an inference request: %q is of type %s, want %s", field, got, want)
}

// jsonTypeName names a Go type as JSON knows it.
func jsonTypeName(kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "a string"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}

// typeOf names the type of a JSON value by how it begins.
func typeOf(first byte) string {
	switch first {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "bool"
	case 'n':
		return "null"
	}
	return "number"
}

// unescape undoes the escapes of a JSON string, its quotes included, where it stands. What no
// base64 has, a character beyond ASCII, becomes a byte that no base64 has either.
func unescape(quoted []byte) []byte {
	text := quoted[1 : len(quoted)-1]
	n := bytes.IndexByte(text, '\\')
	if n < 0 {
		return text
	}
	for i := n; i < len(text); i++ {
		c := text[i]
		if c == '\\' {
			i++
			switch c = text[i]; c {
			case 'n', 'r', 't', 'b', 'f':
				c = "\n\r\t\b\f"[strings.IndexByte("nrtbf", c)]
			case 'u':
				code := 0
				for range 4 {
					i++
					code = code<<4 | hexDigit(text[i])
				}
				c = byte(min(code, 0xff))
			}
		}
		text[n] = c
		n++
	}
	return text[:n]
}
