package onnx

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// lexer reads protobuf's text (protobuf.dev, "Text Format Language Specification").
type lexer struct {
	r    *bufio.Reader
	at   int64 // offset in the file
	kept byte  // a byte that was read too far, 0 without one
}

func newLexer(r io.Reader) *lexer { return &lexer{r: bufio.NewReaderSize(r, 1<<16)} }

// next is the next byte behind white space and comments, 0 at the end.
func (t *lexer) next() (byte, error) {
	comment := false
	for {
		c, err := t.byte()
		switch {
		case err != nil || c == 0:
			return 0, err
		case comment || c == '#':
			comment = c != '\n'
		case c > ' ':
			return c, nil
		}
	}
}

// byte is the next byte, 0 at the end.
func (t *lexer) byte() (byte, error) {
	if c := t.kept; c != 0 {
		t.kept = 0
		return c, nil
	}
	c, err := t.r.ReadByte()
	if errors.Is(err, io.EOF) {
		return 0, nil
	}
	if err == nil && c == 0 {
		err = errors.New("has a byte of zero outside a text")
	}
	t.at++
	return c, err
}

// word reads on from a word's first byte.
func (t *lexer) word(c byte) ([]byte, error) {
	word := []byte{c}
	for {
		c, err := t.byte()
		if err != nil {
			return nil, err
		}
		if c != '_' && c != '.' && c != '-' && c != '+' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			t.kept = c
			return word, nil
		}
		if word = append(word, c); len(word) > maxName {
			return nil, fmt.Errorf("a word has more than %d letters", maxName)
		}
	}
}

// text reads a text whose opening quote is c, and those right behind it, which belong to it.
func (t *lexer) text(c byte) ([]byte, error) {
	var out []byte
	for c == '"' || c == '\'' {
		for quote := c; ; {
			c, err := t.r.ReadByte()
			t.at++
			if err != nil || c == '\n' {
				return nil, errors.New("a text is not closed")
			}
			if c == quote {
				break
			}
			if c == '\\' {
				if out, err = t.escape(out); err != nil {
					return nil, err
				}
				continue
			}
			out = append(out, c)
		}
		var err error
		if c, err = t.next(); err != nil {
			return nil, err
		}
	}
	t.kept = c
	return out, nil
}

// escapes are the bytes that a letter stands for behind a backslash.
var escapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\',
	'\'': '\'', '"': '"', '?': '?'}

// escape reads what follows a backslash.
func (t *lexer) escape(out []byte) ([]byte, error) {
	head, _ := t.r.Peek(9)
	if len(head) == 0 {
		return nil, errors.New("a text is not closed")
	}
	digits := func(from, most int, base int) (string, int) {
		n := from
		for n < min(len(head), from+most) {
			if _, err := strconv.ParseUint(string(head[n]), base, 8); err != nil {
				break
			}
			n++
		}
		return string(head[from:n]), n
	}
	word, used := "", 1
	base := 16
	switch head[0] {
	case 'x', 'X':
		word, used = digits(1, 2, 16)
	case 'u':
		word, used = digits(1, 4, 16)
	case 'U':
		word, used = digits(1, 8, 16)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		word, used = digits(0, 3, 8)
		base = 8
	default:
		c, ok := escapes[head[0]]
		if !ok {
			return nil, fmt.Errorf("a text has \\%c, which stands for nothing", head[0])
		}
		out = append(out, c)
	}
	if word != "" || base == 16 && strings.ContainsRune("xXuU", rune(head[0])) {
		x, err := strconv.ParseUint(word, base, 32)
		if err != nil || base == 8 && x > 255 {
			return nil, fmt.Errorf("a text has \\%s, which stands for nothing", head[:used])
		}
		if head[0] == 'u' || head[0] == 'U' {
			out = append(out, string(rune(x))...)
		} else {
			out = append(out, byte(x))
		}
	}
	n, err := t.r.Discard(used)
	t.at += int64(n)
	return out, err
}

// message reads the fields of a message up to the byte that ends it, and returns it in protobuf's encoding.
func (t *lexer) message(m message, end byte, depth int) ([]byte, error) {
	if depth > maxNesting {
		return nil, errDeep
	}
	var b body
	for {
		c, err := t.next()
		if err != nil {
			return nil, err
		}
		if c == end {
			return b.end(), nil
		}
		if c == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		if c == ',' || c == ';' {
			continue
		}
		name, known := "", false
		if c == '[' { // an extension's
			if err := t.until(']'); err != nil {
				return nil, err
			}
		} else {
			word, err := t.word(c)
			if err != nil {
				return nil, err
			}
			name = string(word)
		}
		f := field{kind: aMessage, of: message{}}
		if g, ok := m[name]; ok {
			f, known = g, true
		}
		if err := t.values(&b, f, known, depth); err != nil {
			return nil, inField(name, err)
		}
	}
}

func (t *lexer) until(end byte) error {
	for {
		if c, err := t.next(); err != nil || c == end {
			return err
		} else if c == 0 {
			return fmt.Errorf("ends without %q", end)
		}
	}
}

// values reads what follows a field's name: one value, or a list of them.
func (t *lexer) values(b *body, f field, known bool, depth int) error {
	c, err := t.next()
	if err == nil && c == ':' {
		c, err = t.next()
	}
	if err != nil {
		return err
	}
	if c != '[' {
		return t.value(c, b, f, known, depth)
	}
	for {
		switch c, err := t.next(); {
		case err != nil || c == ']':
			return err
		case c == ',':
		default:
			if err := t.value(c, b, f, known, depth); err != nil {
				return err
			}
		}
	}
}

// value reads one value, which begins with c, and keeps it where the field is known.
func (t *lexer) value(c byte, b *body, f field, known bool, depth int) error {
	var v []byte
	var err error
	is := aNumber
	switch c {
	case 0:
		return io.ErrUnexpectedEOF
	case '{', '<':
		is = aMessage
		v, err = t.message(f.of, c+2, depth+1) // '}' and '>' come two behind
	case '"', '\'':
		is = aText
		v, err = t.text(c)
	default:
		v, err = t.word(c)
	}
	if err != nil || !known {
		return err
	}
	if f.kind != is && (f.kind == aMessage || f.kind == aText || is != aNumber) {
		return errors.New("has a value of another kind")
	}
	return b.put(f, v)
}
