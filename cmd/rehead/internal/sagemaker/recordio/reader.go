// Package recordio unpacks streams of pictures in MXNet's RecordIO format.
package recordio

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// RecordIO, as MXNet writes it and as the service wraps objects in it: parts of
//
//	uint32 magic · uint32 flag<<29 | length · length bytes · padding to four bytes
//
// little-endian. Flag 0 is a whole record; 1, 2 and 3 are the first, a middle and the last part of
// one that had the magic number in it at a place that four divides: there it was cut, and the magic
// number was taken out.
const (
	recordMagic  = 0xced7230a
	recordWhole  = 0
	recordFirst  = 1
	recordMiddle = 2
	recordLast   = 3
)

// recordReader reads the records of a stream.
type recordReader struct {
	r    *bufio.Reader
	most int   // bytes in a record
	at   int64 // bytes read
}

func newRecordReader(r io.Reader, most int) *recordReader {
	return &recordReader{r: bufio.NewReaderSize(r, 1<<20), most: most}
}

// next returns the next record in a slice of its own; io.EOF at the end of the stream.
func (r *recordReader) next() ([]byte, error) {
	start := r.at
	bad := func(format string, args ...any) error {
		return fmt.Errorf("record at byte %d: %w", start, fmt.Errorf(format, args...))
	}
	var record []byte
	for part := 0; ; part++ {
		var head [8]byte
		n, err := io.ReadFull(r.r, head[:])
		r.at += int64(n)
		switch {
		case errors.Is(err, io.EOF) && part == 0:
			return nil, io.EOF
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil, bad("the stream ends in the middle of it")
		case err != nil:
			return nil, err
		}
		if magic := binary.LittleEndian.Uint32(head[:]); magic != recordMagic {
			return nil, bad("got %#x, want RecordIO's %#x: is this a RecordIO file?", magic, uint32(recordMagic))
		}
		word := binary.LittleEndian.Uint32(head[4:])
		flag, length := word>>29, int(word&(1<<29-1))
		if inside := flag == recordMiddle || flag == recordLast; flag > recordLast || inside != (part > 0) {
			return nil, bad("part %d has flag %d, which is not valid there", part, flag)
		}
		if part > 0 {
			record = binary.LittleEndian.AppendUint32(record, recordMagic)
		}
		if len(record)+length > r.most {
			return nil, bad("more than %d bytes", r.most)
		}
		if record, err = r.data(record, length); err != nil {
			return nil, bad("%w", err)
		}
		if flag == recordWhole || flag == recordLast {
			return record, nil
		}
	}
}

// data appends the next length bytes to record and passes over the padding.
func (r *recordReader) data(record []byte, length int) ([]byte, error) {
	const step = 1 << 20 // memory grows with what arrives, not with what a damaged length promises
	for left := length; left > 0; {
		n := min(left, step)
		at := len(record)
		record = append(record, make([]byte, n)...)
		got, err := io.ReadFull(r.r, record[at:])
		r.at += int64(got)
		if err != nil {
			return nil, errors.New("the stream ends in the middle of it")
		}
		left -= n
	}
	pad, err := r.r.Discard(-length & 3)
	r.at += int64(pad)
	if err != nil {
		return nil, errors.New("the stream ends in the middle of it")
	}
	return record, nil
}

// imageHeader is the length of what MXNet puts before a picture: uint32 count of labels, float32
// label, two uint64 of identity; then, where the count is not zero, as many float32 labels.
const imageHeader = 24

// unpackImage takes an image record apart into its class and the picture's bytes.
func unpackImage(record []byte) (class int, picture []byte, err error) {
	if len(record) < imageHeader {
		return 0, nil, fmt.Errorf("got %d bytes, want an image record of %d and more", len(record), imageHeader)
	}
	count := binary.LittleEndian.Uint32(record)
	label, picture := record[4:8], record[imageHeader:]
	switch {
	case count > 1:
		return 0, nil, fmt.Errorf("got %d labels for one picture, want one: a head gives a picture one label", count)
	case count == 1 && len(picture) < 4:
		return 0, nil, errors.New("the record ends before its label")
	case count == 1:
		label, picture = picture[:4], picture[4:]
	}
	v := float64(math.Float32frombits(binary.LittleEndian.Uint32(label)))
	if !(v >= 0 && v < 1e6) || v != math.Trunc(v) {
		return 0, nil, fmt.Errorf("got class %g, want a whole number from 0", v)
	}
	return int(v), picture, nil
}
