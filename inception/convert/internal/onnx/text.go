package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// A model may be written as protobuf's text or JSON: onnx.save(model, path, format="textproto") and "json". Both
// are turned into the bytes of a model, field by field, and read as that.

// kind is how a field is written.
type kind uint8

const (
	aMessage kind = iota
	aText         // and bytes
	aNumber
	aFloat
	aDouble
	aPlace // DataLocation
)

// field is one of a message; repeated numbers are written as one packed field.
type field struct {
	num      int
	kind     kind
	repeated bool
	bytes    bool // JSON has base64 of it
	of       message
}

// message has the fields that are read, by name; others are passed over.
type message map[string]field

// modelProto are the fields of onnx.proto that Read looks at.
var modelProto = func() message {
	pair := message{"key": {num: 1, kind: aText}, "value": {num: 2, kind: aText}}
	tensor := message{"dims": {num: 1, kind: aNumber, repeated: true}, "data_type": {num: 2, kind: aNumber},
		"float_data": {num: 4, kind: aFloat, repeated: true}, "int32_data": {num: 5, kind: aNumber, repeated: true},
		"int64_data": {num: 7, kind: aNumber, repeated: true}, "name": {num: 8, kind: aText},
		"raw_data": {num: 9, kind: aText, bytes: true}, "double_data": {num: 10, kind: aDouble, repeated: true},
		"external_data": {num: 13, of: pair}, "data_location": {num: 14, kind: aPlace}}
	attribute := message{"name": {num: 1, kind: aText}, "f": {num: 2, kind: aFloat}, "i": {num: 3, kind: aNumber},
		"s": {num: 4, kind: aText, bytes: true}, "t": {num: 5, of: tensor}, "ints": {num: 8, kind: aNumber, repeated: true}}
	node := message{"input": {num: 1, kind: aText}, "output": {num: 2, kind: aText}, "name": {num: 3, kind: aText},
		"op_type": {num: 4, kind: aText}, "attribute": {num: 5, of: attribute}, "domain": {num: 7, kind: aText},
		"metadata_props": {num: 9, of: pair}}
	shape := message{"dim": {num: 1, of: message{"dim_value": {num: 1, kind: aNumber}}}}
	input := message{"name": {num: 1, kind: aText}, "type": {num: 2, of: message{"tensor_type": {num: 1,
		of: message{"elem_type": {num: 1, kind: aNumber}, "shape": {num: 2, of: shape}}}}}}
	return message{"metadata_props": {num: 14, of: pair}, "graph": {num: 7, of: message{"node": {num: 1, of: node},
		"initializer": {num: 5, of: tensor}, "input": {num: 11, of: input}, "sparse_initializer": {num: 15, of: message{}}}}}
}()

// maxNesting bounds how deep messages lie in each other; those of modelProto lie seven deep.
const maxNesting = 64

// IsText tells a model that is protobuf's text by its first bytes: the version comes first.
func IsText(head []byte) bool {
	return strings.HasPrefix(strings.TrimLeft(string(head), " \t\r\n"), "ir_version:")
}

// ReadText reads a model that is protobuf's text. open is as of Read.
func ReadText(r io.ReaderAt, size int64, open Open) (*graph.Graph, error) {
	t := newLexer(io.NewSectionReader(r, 0, size))
	b, err := t.message(modelProto, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("ONNX as text: offset %d: %w", t.at, err)
	}
	return Read(bytes.NewReader(b), int64(len(b)), open)
}

// body are the fields of a message so far.
type body struct {
	bytes  []byte
	packed map[int][]byte
}

// put adds a field's value, a number as it is spelled.
func (b *body) put(f field, v []byte) error {
	number := func(x uint64, fixed func([]byte) []byte) {
		add := fixed
		if add == nil {
			add = func(p []byte) []byte { return protowire.AppendVarint(p, x) }
		}
		if f.repeated {
			if b.packed == nil {
				b.packed = map[int][]byte{}
			}
			b.packed[f.num] = add(b.packed[f.num])
			return
		}
		how := map[kind]protowire.Type{aFloat: protowire.Fixed32Type, aDouble: protowire.Fixed64Type}[f.kind]
		b.bytes = add(protowire.AppendTag(b.bytes, protowire.Number(f.num), how))
	}
	switch f.kind {
	case aMessage, aText:
		b.bytes = protowire.AppendBytes(protowire.AppendTag(b.bytes, protowire.Number(f.num), protowire.BytesType), v)
	case aFloat, aDouble:
		x, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			x, err = strconv.ParseFloat(strings.TrimRight(string(v), "fF"), 64)
		}
		if err != nil {
			return fmt.Errorf("%.20q is not a number", v)
		}
		number(0, func(p []byte) []byte {
			if f.kind == aFloat {
				return protowire.AppendFixed32(p, math.Float32bits(float32(x)))
			}
			return protowire.AppendFixed64(p, math.Float64bits(x))
		})
	default:
		x, err := strconv.ParseInt(string(v), 0, 64)
		switch {
		case f.kind == aPlace && string(v) == "EXTERNAL":
			x, err = 1, nil
		case f.kind == aPlace && string(v) == "DEFAULT":
			x, err = 0, nil
		}
		if err != nil {
			return fmt.Errorf("%.20q is not a whole number", v)
		}
		number(uint64(x), nil)
	}
	return nil
}

// end is the whole message.
func (b *body) end() []byte {
	for num, p := range b.packed {
		b.bytes = protowire.AppendBytes(protowire.AppendTag(b.bytes, protowire.Number(num), protowire.BytesType), p)
	}
	return b.bytes
}

var errDeep = errors.New("messages lie more than 64 deep in each other")
