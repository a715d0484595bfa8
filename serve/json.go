package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/internal/strictjson"
)

// member is one key of a JSON object with its value as it stands.
type member struct {
	key   string
	value json.RawMessage
}

// readObject reads a JSON object one level deep, its members in order. A key that comes twice is an
// error: readers differ in which of the two they take.
func readObject(data []byte) (members []member, err error) {
	err = strictjson.Members(data, func(key string, value json.RawMessage) error {
		members = append(members, member{key, value})
		return nil
	})
	switch {
	case errors.Is(err, strictjson.ErrTwice): // without the key
		return nil, errors.New("the JSON object has a key twice")
	case err != nil && !errors.Is(err, strictjson.ErrNotObject) && !errors.Is(err, strictjson.ErrFollows):
		return nil, describeJSONError(err)
	}
	return members, err
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
