// Package tfproto reads what TensorFlow's graphs and checkpoints have in common: element types and
// shapes. Sources: tensorflow/core/framework/types.proto, tensor_shape.proto.
package tfproto

import (
	"fmt"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

// maxAxes bounds a shape.
const maxAxes = 8

// DType is the element type that a DataType of types.proto names, raw.Invalid for those that
// weights never have.
func DType(n int64) raw.DType {
	switch n {
	case 1:
		return raw.F32
	case 2:
		return raw.F64
	case 3:
		return raw.I32
	case 4:
		return raw.U8
	case 5:
		return raw.I16
	case 6:
		return raw.I8
	case 9:
		return raw.I64
	case 10:
		return raw.Bool
	case 14:
		return raw.BF16
	case 19:
		return raw.F16
	}
	return raw.Invalid
}

// Shape reads the TensorShapeProto in a field; its product is at most raw.MaxElements.
func Shape(x wire.Field) ([]int, error) {
	var out []int
	err := x.Each(func(x wire.Field) error {
		if x.Num != 2 {
			return nil
		}
		n, err := axis(x)
		if err == nil && (n < 0 || n > raw.MaxElements || len(out) >= maxAxes) {
			err = fmt.Errorf("axis %d has length %d, want at most %d axes of 0..%d", len(out), n, maxAxes, raw.MaxElements)
		}
		out = append(out, int(n))
		return err
	})
	if err == nil {
		_, err = raw.Elements(out)
	}
	return out, err
}

// Sides reads the TensorShapeProto in a field as it is: a length that is not known is -1.
func Sides(x wire.Field) (out []int64, err error) {
	err = x.Each(func(x wire.Field) error {
		if x.Num != 2 {
			return nil
		}
		n, err := axis(x)
		if out = append(out, n); err == nil && len(out) > maxAxes {
			err = fmt.Errorf("a shape of more than %d axes", maxAxes)
		}
		return err
	})
	return out, err
}

// axis reads the length in a TensorShapeProto.Dim.
func axis(x wire.Field) (n int64, err error) {
	err = x.Each(func(x wire.Field) (err error) {
		if x.Num == 1 {
			n, err = x.Int()
		}
		return err
	})
	return n, err
}
