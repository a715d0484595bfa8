// Package strictjson decodes JSON that must say one thing only: encoding/json keeps the last of two
// equal keys and passes over what it does not know, this package refuses both. A byte order mark,
// with which some editors begin a text, is passed over.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Unmarshal decodes the one JSON value in data into v. Keys that v has no field for, keys given
// twice, invalid UTF-8 and anything behind the value are errors.
func Unmarshal(data []byte, v any) error {
	data = TrimMark(data)
	if err := Check(data); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

// Check reports whether data is one JSON value in valid UTF-8 without duplicate keys.
func Check(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("the JSON is not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(TrimMark(data)))
	dec.UseNumber()
	type level struct {
		keys map[string]bool // nil in an array
		key  bool            // a key comes next
	}
	var stack []level
	for first := true; first || len(stack) > 0; first = false {
		token, err := dec.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("the JSON breaks off or is damaged at byte %d: %w", dec.InputOffset(), err)
		}
		if n := len(stack); n > 0 && stack[n-1].key {
			if key, ok := token.(string); ok {
				if stack[n-1].keys[key] {
					return fmt.Errorf("the JSON has the key %q twice, at byte %d", key, dec.InputOffset())
				}
				stack[n-1].keys[key] = true
				stack[n-1].key = false
				continue
			}
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, level{keys: map[string]bool{}, key: true})
			continue
		case json.Delim('['):
			stack = append(stack, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
		if n := len(stack); n > 0 && stack[n-1].keys != nil {
			stack[n-1].key = true
		}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the JSON value ends at byte %d and something follows it", dec.InputOffset())
	}
	return nil
}

// What Members refuses, beside JSON that is damaged.
var (
	ErrNotObject = errors.New("want a JSON object")
	ErrTwice     = errors.New("is given twice") // a key
	ErrFollows   = errors.New("something follows the JSON object")
)

// Members calls do with each key of the JSON object that data is and its value, in their order; it
// looks at the keys of the object only, not at those of the values.
func Members(data []byte, do func(key string, value json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(TrimMark(data)))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return ErrNotObject
	}
	met := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return damaged(err)
		}
		key, ok := t.(string)
		if !ok {
			return ErrNotObject
		}
		if met[key] {
			return fmt.Errorf("the key %.40q %w", key, ErrTwice)
		}
		met[key] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("damaged JSON at %.40q: %w", key, err)
		}
		if err := do(key, value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return damaged(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return ErrFollows
	}
	return nil
}

func damaged(err error) error { return fmt.Errorf("damaged JSON: %w", err) }

// TrimMark cuts off the byte order mark.
func TrimMark(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) }
