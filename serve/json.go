package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// member is one key of a JSON object with its value as it stands.
type member struct {
	key   string
	value json.RawMessage
}

// readObject reads a JSON object one level deep, its members in order. A key that comes twice is an
// error: readers differ in which of the two they take.
func readObject(data []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("want a JSON object")
	}
	var members []member
	seen := make(map[string]bool)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, describeJSONError(err)
		}
		key, ok := t.(string)
		if !ok {
			return nil, errors.New("want a JSON object")
		}
		if seen[key] {
			return nil, errors.New("the JSON object has a key twice")
		}
		seen[key] = true
		m := member{key: key}
		if err := d.Decode(&m.value); err != nil {
			return nil, describeJSONError(err)
		}
		members = append(members, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, describeJSONError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data follows the JSON object")
	}
	return members, nil
}

// describeJSONError says where JSON ends to be JSON, or what it has another type of, and shows
// nothing of it.
func describeJSONError(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		value, _, _ := strings.Cut(kind.Value, " ") // "number 1.5" to "number"
		if kind.Field == "" {
			return fmt.Errorf("the JSON is of type %s, want an object", value)
		}
		return fmt.Errorf("%q is of type %s, want %s", kind.Field, value, jsonTypeName(kind.Type.Kind()))
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return errors.New("the JSON is malformed at byte " + strconv.FormatInt(syntax.Offset, 10))
	}
	return errors.New("the JSON is malformed, or ends early")
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
