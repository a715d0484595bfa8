package npy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/internal/safetensors"
)

// maxHeader and maxValues bound what a header may say, before anything is allocated for it; the file's
// length bounds the rest.
const (
	maxHeader = 1 << 16
	maxValues = 1 << 40
)

// header is what an .npy says of its values.
type header struct {
	kind    byte // f, i, u, b or U
	size    int  // bytes of a value
	order   binary.ByteOrder
	columns bool // column by column
	shape   []int
}

var (
	descrPattern = regexp.MustCompile(`'descr':\s*'([<>|=]?)([fiubU])(\d{1,6})'`)
	orderPattern = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	shapePattern = regexp.MustCompile(`'shape':\s*\(([0-9, ]*)\)`)
)

// ReadRows reads a two-dimensional array of numbers (floats of 2, 4 or 8 bytes, integers, booleans; row
// by row or column by column) as rows of float32, which share one slice.
func ReadRows(path string) ([][]float32, error) {
	var rows [][]float32
	err := read(path, func(h *header, r io.Reader) error {
		if len(h.shape) != 2 || h.kind == 'U' || h.shape[1] == 0 {
			return fmt.Errorf("got an array %v of %s, want numbers in two dimensions: a row for each example",
				h.shape, h.describe())
		}
		n, f := h.shape[0], h.shape[1]
		all := make([]float32, n*f)
		err := h.each(r, func(i int, raw []byte) {
			if h.columns {
				i = i%n*f + i/n
			}
			all[i] = h.number(raw)
		})
		for i := range n {
			rows = append(rows, all[i*f:(i+1)*f:(i+1)*f])
		}
		return err
	})
	return rows, err
}

// ReadTexts reads a one-dimensional array of texts, or of integers as their digits.
func ReadTexts(path string) ([]string, error) {
	var texts []string
	err := read(path, func(h *header, r io.Reader) error {
		if len(h.shape) != 1 || h.kind == 'f' {
			return fmt.Errorf("got an array %v of %s, want texts or integers in one dimension", h.shape, h.describe())
		}
		return h.each(r, func(_ int, raw []byte) { texts = append(texts, h.text(raw)) })
	})
	return texts, err
}

// read opens a file, reads its header, holds it against the file's length and hands on the rest.
func read(path string, use func(h *header, r io.Reader) error) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close() // only read
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(f, 1<<18)
	h, length, err := readHeader(r)
	if err != nil {
		return err
	}
	values := int64(1)
	for _, d := range h.shape {
		if d > 0 && values > min(maxValues, math.MaxInt)/int64(d) {
			return fmt.Errorf("got an array %v, which no file holds", h.shape)
		}
		values *= int64(d)
	}
	if want := int64(length) + values*int64(h.size); info.Size() != want {
		return fmt.Errorf("got %d bytes, want %d for an array %v of %s: fetch or write it again", info.Size(), want, h.shape,
			h.describe())
	}
	return use(h, r)
}

// readHeader reads all before the values, and how long that is. Source: numpy/lib/format.py.
func readHeader(r io.Reader) (h *header, length int, err error) {
	var start [12]byte
	if _, err := io.ReadFull(r, start[:10]); err != nil || string(start[:6]) != "\x93NUMPY" {
		return nil, 0, errors.New("is not an .npy file, as numpy.save writes it")
	}
	n := int(binary.LittleEndian.Uint16(start[8:]))
	length = 10 + n
	if version := start[6]; version == 2 || version == 3 {
		if _, err := io.ReadFull(r, start[10:]); err != nil {
			return nil, 0, errors.New("ends within its header")
		}
		n = int(min(binary.LittleEndian.Uint32(start[8:]), maxHeader+1))
		length = 12 + n
	} else if version != 1 {
		return nil, 0, fmt.Errorf("is an .npy file of version %d, want 1 to 3", version)
	}
	if n > maxHeader {
		return nil, 0, fmt.Errorf("has a header of more than %d bytes", maxHeader)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, 0, errors.New("ends within its header")
	}
	h, err = parse(string(text))
	return h, length, err
}

// parse reads the dictionary of a header.
func parse(text string) (*header, error) {
	descr, order, shape := descrPattern.FindStringSubmatch(text), orderPattern.FindStringSubmatch(text),
		shapePattern.FindStringSubmatch(text)
	if descr == nil || order == nil || shape == nil {
		return nil, fmt.Errorf("has the header %.200q, want one that says descr, fortran_order and shape of an array of "+
			"floats, integers, booleans or texts", text)
	}
	h := &header{kind: descr[2][0], order: binary.LittleEndian, columns: order[1] == "True"}
	if descr[1] == ">" {
		h.order = binary.BigEndian
	}
	h.size, _ = strconv.Atoi(descr[3]) // six digits
	good := h.size == 1 || h.size == 2 || h.size == 4 || h.size == 8
	if h.kind == 'f' {
		good = h.size == 2 || h.size == 4 || h.size == 8
	} else if h.kind == 'b' {
		good = h.size == 1
	} else if h.kind == 'U' {
		good, h.size = 1 <= h.size && h.size <= 4096, 4*h.size
	}
	if !good {
		return nil, fmt.Errorf("has values of type %s%s, want f2, f4, f8, integers of 1 to 8 bytes, b1 or U1 to U4096",
			descr[2], descr[3])
	}
	for d := range strings.SplitSeq(shape[1], ",") {
		if d = strings.TrimSpace(d); d == "" {
			continue
		}
		n, err := strconv.Atoi(d)
		if err != nil {
			return nil, fmt.Errorf("has the shape (%.100s), which no file holds", shape[1])
		}
		h.shape = append(h.shape, n)
	}
	return h, nil
}

func (h *header) describe() string {
	return map[byte]string{'f': "floats", 'i': "integers", 'u': "integers", 'b': "booleans", 'U': "texts"}[h.kind]
}

// each passes the bytes of every value, in the order of the file.
func (h *header) each(r io.Reader, value func(i int, raw []byte)) error {
	values := 1
	for _, d := range h.shape {
		values *= d
	}
	raw := make([]byte, h.size)
	for i := range values {
		if _, err := io.ReadFull(r, raw); err != nil {
			return fmt.Errorf("value %d: %w", i, err)
		}
		value(i, raw)
	}
	return nil
}

// number is a value as float32, rounded to the nearest.
func (h *header) number(raw []byte) float32 {
	switch {
	case h.kind == 'f' && h.size == 2:
		return safetensors.FromHalf(h.order.Uint16(raw))
	case h.kind == 'f' && h.size == 4:
		return math.Float32frombits(h.order.Uint32(raw))
	case h.kind == 'f':
		return float32(math.Float64frombits(h.order.Uint64(raw)))
	case h.kind == 'i':
		return float32(h.signed(raw))
	}
	return float32(h.unsigned(raw))
}

func (h *header) unsigned(raw []byte) uint64 {
	switch h.size {
	case 1:
		return uint64(raw[0])
	case 2:
		return uint64(h.order.Uint16(raw))
	case 4:
		return uint64(h.order.Uint32(raw))
	}
	return h.order.Uint64(raw)
}

func (h *header) signed(raw []byte) int64 {
	shift := 64 - 8*h.size
	return int64(h.unsigned(raw)<<shift) >> shift
}

// text is a value as people write it; texts are filled up with zeros.
func (h *header) text(raw []byte) string {
	switch h.kind {
	case 'i':
		return strconv.FormatInt(h.signed(raw), 10)
	case 'U':
		var b strings.Builder
		for ; len(raw) > 0; raw = raw[4:] {
			b.WriteRune(rune(h.order.Uint32(raw)))
		}
		return strings.TrimRight(b.String(), "\x00")
	}
	return strconv.FormatUint(h.unsigned(raw), 10)
}
