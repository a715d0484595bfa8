package onnx

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// IsJSON tells a model that is protobuf's JSON by its first bytes: the version comes first.
func IsJSON(head []byte) bool {
	return len(head) > 0 && head[0] == '{' && (bytes.Contains(head, []byte(`"ir_version"`)) ||
		bytes.Contains(head, []byte(`"irVersion"`)))
}

// ReadJSON reads a model that is protobuf's JSON, its fields named as in onnx.proto or in camel case.
func ReadJSON(r io.ReaderAt, size int64, open Open) (*graph.Graph, error) {
	d := json.NewDecoder(io.NewSectionReader(r, 0, size))
	d.UseNumber()
	t, err := d.Token()
	if err == nil && t != json.Delim('{') {
		err = errors.New("is no object")
	}
	var b []byte
	if err == nil {
		b, err = object(d, modelProto, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("ONNX as JSON: offset %d: %w", d.InputOffset(), err)
	}
	return Read(bytes.NewReader(b), int64(len(b)), open)
}

// object reads an object behind its brace, and returns it in protobuf's encoding.
func object(d *json.Decoder, m message, depth int) ([]byte, error) {
	if depth > maxNesting {
		return nil, errDeep
	}
	var b body
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		f, known := m[name]
		if !known {
			f, known = m[snake(name)]
		}
		if err := member(d, &b, f, known, depth); err != nil {
			return nil, inField(name, err)
		}
	}
	_, err := d.Token()
	return b.end(), err
}

// snake is a name in camel case as onnx.proto has it.
func snake(name string) string {
	var b strings.Builder
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// member reads the value of a field, or each of a list.
func member(d *json.Decoder, b *body, f field, known bool, depth int) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		return element(d, t, b, f, known, depth)
	}
	for d.More() {
		if t, err = d.Token(); err == nil {
			err = element(d, t, b, f, known, depth)
		}
		if err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// element keeps one value, which begins with t, where the field is known.
func element(d *json.Decoder, t json.Token, b *body, f field, known bool, depth int) error {
	var v []byte
	var err error
	is := aNumber
	switch x := t.(type) {
	case json.Delim:
		if x == '[' {
			return errors.New("is a list in a list")
		}
		is = aMessage
		v, err = object(d, f.of, depth+1)
	case string:
		if v = []byte(x); known && f.kind == aText {
			is = aText
		}
		if known && f.bytes {
			v, err = base64.StdEncoding.AppendDecode(nil, v)
		}
	case json.Number:
		v = []byte(x)
	default:
		return nil // null, or a truth that no field is
	}
	if err != nil || !known {
		return err
	}
	if f.kind != is && (f.kind == aMessage || f.kind == aText || is != aNumber) {
		return errors.New("has a value of another kind")
	}
	return b.put(f, v)
}
