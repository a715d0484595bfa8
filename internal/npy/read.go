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

// maxHeader, maxValues and maxAxes bound what a header may say, before anything is allocated for it; the file's
// length bounds the rest.
const (
	maxHeader = 1 << 16
	maxValues = 1 << 40
	maxAxes   = 64 // NumPy's own
)

// header is what an .npy says of its values.
type header struct {
	kind    byte // f, i, u, b or U
	size    int  // bytes of a value
	order   binary.ByteOrder
	columns bool // column by column
	shape   Shape
}

// Shape is an array's lengths, the slowest axis first.
type Shape []int

// String is the shape as errors show it: of many axes the first ones.
func (s Shape) String() string {
	const shown = 8
	if len(s) <= shown {
		return fmt.Sprint([]int(s))
	}
	return fmt.Sprintf("[%s and %d more]", strings.Trim(fmt.Sprint([]int(s[:shown])), "[]"), len(s)-shown)
}

var (
	descrPattern = regexp.MustCompile(`'descr':\s*'([<>|=]?)([fiubU])(\d{1,6})'`)
	orderPattern = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	shapePattern = regexp.MustCompile(`'shape':\s*\(([0-9, ]*)\)`)
)

// Array is an .npy whose header has been read and whose values are still to come.
type Array struct {
	header
	values int
	r      io.Reader
}

// NewArray reads an .npy's header from r, which holds length bytes in all, and holds it against that.
func NewArray(r io.Reader, length int64) (*Array, error) {
	h, start, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	values := int64(1)
	for _, d := range h.shape {
		if d > 0 && values > min(maxValues, math.MaxInt)/int64(d) {
			return nil, fmt.Errorf("got an array %v, which no file holds", h.shape)
		}
		values *= int64(d)
	}
	if want := int64(start) + values*int64(h.size); length != want {
		return nil, fmt.Errorf("got %d bytes, want %d for an array %v of %s: fetch or write it again", length, want, h.shape,
			h.describe())
	}
	return &Array{header: *h, values: int(values), r: r}, nil
}

// Shape is the array's. The caller must not change it.
func (a *Array) Shape() Shape { return a.shape }

// Numbers passes every value once, rounded to float32, in runs that stand one behind the other row by row:
// at is the place of the first, and the slice is used again for the next run. It ends with the first error;
// texts are one.
func (a *Array) Numbers(run func(at int, values []float32) error) error {
	if a.kind == 'U' {
		return fmt.Errorf("got an array %v of texts, want numbers", a.shape)
	}
	values := make([]float32, min(someValues, a.values))
	return a.some(func(i int, raw []byte) error {
		these := values[:len(raw)/a.size]
		a.numbers(these, raw)
		if !a.columns {
			return run(i, these)
		}
		for k := range these {
			if err := run(a.place(i+k), these[k:k+1]); err != nil {
				return err
			}
		}
		return nil
	})
}

// numbers are stored values as float32.
func (a *Array) numbers(values []float32, raw []byte) {
	switch {
	case a.kind == 'u' && a.size == 1: // pictures
		for i, v := range raw {
			values[i] = float32(v)
		}
	case a.kind == 'f' && a.size == 4 && a.order == binary.LittleEndian:
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	default:
		for i := range values {
			values[i] = a.number(raw[i*a.size:][:a.size])
		}
	}
}

// place is where the i-th value of an array that is stored column by column stands row by row.
func (a *Array) place(i int) int {
	at, stride := 0, a.values
	for _, d := range a.shape {
		stride /= d
		at += i % d * stride
		i /= d
	}
	return at
}

// someValues are held at a time.
const someValues = 1 << 12

// some passes the bytes of some values at a time, in the order of the file; i is the first one's place there.
func (a *Array) some(pass func(i int, raw []byte) error) error {
	chunk := make([]byte, min(someValues, a.values)*a.size)
	for i := 0; i < a.values; i += someValues {
		raw := chunk[:min(someValues, a.values-i)*a.size]
		if _, err := io.ReadFull(a.r, raw); err != nil {
			return fmt.Errorf("value %d and on: %w", i, err)
		}
		if err := pass(i, raw); err != nil {
			return err
		}
	}
	return nil
}

// ReadRows reads a two-dimensional array of numbers (floats of 2, 4 or 8 bytes, integers, booleans; row
// by row or column by column) as rows of float32, which share one slice.
func ReadRows(path string) ([][]float32, error) {
	var rows [][]float32
	err := read(path, func(a *Array) error {
		if len(a.shape) != 2 || a.kind == 'U' || a.shape[1] == 0 {
			return fmt.Errorf("got an array %v of %s, want numbers in two dimensions: a row for each example",
				a.shape, a.describe())
		}
		n, f := a.shape[0], a.shape[1]
		all := make([]float32, n*f)
		err := a.Numbers(func(at int, values []float32) error {
			copy(all[at:], values)
			return nil
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
	err := read(path, func(a *Array) error {
		if len(a.shape) != 1 || a.kind == 'f' {
			return fmt.Errorf("got an array %v of %s, want texts or integers in one dimension", a.shape, a.describe())
		}
		return a.some(func(_ int, raw []byte) error {
			for ; len(raw) > 0; raw = raw[a.size:] {
				texts = append(texts, a.text(raw[:a.size]))
			}
			return nil
		})
	})
	return texts, err
}

// read opens a file and hands on its array.
func read(path string, use func(a *Array) error) (err error) {
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
	a, err := NewArray(bufio.NewReaderSize(f, 1<<18), info.Size())
	if err != nil {
		return err
	}
	return use(a)
}

// readHeader reads all before the values, and how long that is. Source: numpy/lib/format.py.
func readHeader(r io.Reader) (h *header, length int, err error) {
	var start [12]byte
	if _, err := io.ReadFull(r, start[:10]); err != nil || string(start[:6]) != Mark {
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
		return nil, fmt.Errorf("has the header %.80q, want one that says descr, fortran_order and shape of an array of "+
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
		if err != nil || len(h.shape) == maxAxes {
			return nil, fmt.Errorf("has the shape (%.100s), which no file holds", shape[1])
		}
		h.shape = append(h.shape, n)
	}
	return h, nil
}

func (h *header) describe() string {
	return map[byte]string{'f': "floats", 'i': "integers", 'u': "integers", 'b': "booleans", 'U': "texts"}[h.kind]
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
