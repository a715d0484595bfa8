package pickle

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strconv"
)

// atom reads the instructions that push a constant.
func (m *machine) atom(op byte) (any, error) {
	switch op {
	case opNone:
		return nil, nil
	case opNewTrue:
		return true, nil
	case opNewFalse:
		return false, nil
	case opBinInt:
		v, err := m.c.Uint32()
		return int64(int32(v)), err
	case opBinInt1:
		v, err := m.c.Byte()
		return int64(v), err
	case opBinInt2:
		v, err := m.c.Uint16()
		return int64(v), err
	case opInt, opLong, opFloat, opString, opUnicode:
		return m.text(op)
	case opLong1:
		n, err := m.c.Byte()
		if err != nil {
			return nil, err
		}
		return m.long(int64(n))
	case opLong4:
		n, err := m.c.Uint32()
		if err != nil {
			return nil, err
		}
		return m.long(int64(n))
	case opBinFloat:
		b, err := m.c.Bytes(8)
		if err != nil {
			return nil, err
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	}
	return m.bytes(op)
}

// bytes reads the instructions that push a counted string or counted bytes.
func (m *machine) bytes(op byte) (any, error) {
	var n uint64
	var err error
	switch op {
	case opShortBinString, opShortBinBytes, opShortBinUnicode:
		var k byte
		k, err = m.c.Byte()
		n = uint64(k)
	case opBinString, opBinBytes, opBinUnicode:
		var k uint32
		k, err = m.c.Uint32()
		n = uint64(k)
	case opBinUnicode8, opBinBytes8:
		n, err = m.c.Uint64()
	default:
		return nil, fmt.Errorf("instruction 0x%02x is not one that weight files use", op)
	}
	if err != nil {
		return nil, err
	}
	if n > uint64(m.c.Remaining()) {
		return nil, fmt.Errorf("a string of %d bytes, but only %d are left", n, m.c.Remaining())
	}
	b, err := m.c.Bytes(int64(n))
	if err != nil {
		return nil, err
	}
	switch op {
	case opBinBytes, opShortBinBytes, opBinBytes8:
		return b, nil
	}
	return string(b), nil
}

// text reads the instructions of protocol 0, whose argument is a line.
func (m *machine) text(op byte) (any, error) {
	s, err := m.c.Line(maxLine)
	if err != nil {
		return nil, err
	}
	switch op {
	case opInt, opLong:
		if op == opInt && (s == "00" || s == "01") {
			return s == "01", nil
		}
		if n := len(s); op == opLong && n > 0 && s[n-1] == 'L' {
			s = s[:n-1]
		}
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not an integer of 64 bits", s)
		}
		return v, nil
	case opFloat:
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", s)
		}
		return v, nil
	case opString:
		if n := len(s); n >= 2 && s[0] == s[n-1] && (s[0] == '\'' || s[0] == '"') {
			return s[1 : n-1], nil
		}
		return nil, fmt.Errorf("the string %q is not quoted", s)
	}
	return s, nil
}

// long reads a little-endian two's complement integer of n bytes.
func (m *machine) long(n int64) (any, error) {
	if n > maxLong {
		return nil, fmt.Errorf("an integer of %d bytes, want at most %d", n, maxLong)
	}
	b, err := m.c.Bytes(n)
	if err != nil {
		return nil, err
	}
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	v := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	if v.IsInt64() {
		return v.Int64(), nil
	}
	return v, nil
}
