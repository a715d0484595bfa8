// Package tensorboard writes event files that TensorBoard shows: scalars and histograms by step. It
// knows nothing of training.
//
// An event file is a sequence of records, each a length, the masked CRC-32C of the length, that
// many bytes and their masked CRC-32C; the bytes are an Event message of TensorFlow's event.proto.
package tensorboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Config says where an event file comes to lie, and what it says of its making.
type Config struct {
	Dir  string           // folder of the run, made if need be; TensorBoard shows each folder as a run of its own
	Host string           // part of the file's name; "" means localhost
	Now  func() time.Time // of every event; nil means time.Now
}

// Writer adds events to a file. Each is there for TensorBoard to see once its method has returned,
// so that a run can be watched; what was written stays when the run fails. After a failure nothing
// more is written, and Close tells of it. A Writer is not safe for concurrent use.
type Writer struct {
	file *os.File
	now  func() time.Time
	err  error // the first failure
}

// Scalar is a value of a chart. TensorBoard groups charts by what their tags have before the first
// slash.
type Scalar struct {
	Tag   string
	Value float64 // stored as a float32
}

// fileVersion is what the first event of every file says.
const fileVersion = "brain.Event:2"

// Create makes a new file events.out.tfevents.SECONDS.HOST in the folder.
func Create(cfg Config) (*Writer, error) {
	w := &Writer{now: cfg.Now}
	if w.now == nil {
		w.now = time.Now
	}
	if err := os.MkdirAll(cfg.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("tensorboard: folder of events: %w", err)
	}
	var err error
	w.file, err = os.OpenFile(filepath.Join(cfg.Dir, fileName(w.now(), cfg.Host)), os.O_WRONLY|os.O_CREATE|os.O_EXCL,
		0o666)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("tensorboard: another run began its events here in the same second: %w; "+
			"name a folder for each run", err)
	}
	if err != nil {
		return nil, fmt.Errorf("tensorboard: %w", err)
	}
	if w.add(event{version: fileVersion}); w.err != nil {
		return nil, errors.Join(w.err, w.file.Close(), os.Remove(w.file.Name()))
	}
	return w, nil
}

// fileName follows TensorFlow's, which TensorBoard knows event files by.
func fileName(now time.Time, host string) string {
	host = strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '-'
		}
		return r
	}, host)
	if host == "" {
		host = "localhost"
	}
	return fmt.Sprintf("events.out.tfevents.%010d.%s", now.Unix(), host)
}

// Path is where the file lies.
func (w *Writer) Path() string { return w.file.Name() }

// Scalars adds values of one step; without any it does nothing.
func (w *Writer) Scalars(step int, values ...Scalar) {
	e := event{step: step}
	for _, v := range values {
		e.values = append(e.values, scalarValue(v.Tag, float32(v.Value)))
	}
	if len(values) > 0 {
		w.add(e)
	}
}

// Histogram adds how values are spread. They must be finite; without any it does nothing.
func (w *Writer) Histogram(step int, tag string, values []float32) {
	if len(values) > 0 {
		w.add(event{step: step, values: [][]byte{histogramValue(tag, values)}})
	}
}

// Close ends the file and returns the first failure since it was made.
func (w *Writer) Close() error {
	err := w.file.Close()
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("tensorboard: %w", err)
	}
	return w.err
}

// add writes a record in one piece.
func (w *Writer) add(e event) {
	if w.err != nil {
		return
	}
	now := w.now()
	e.wall = float64(now.Unix()) + float64(now.Nanosecond())/1e9
	if _, err := w.file.Write(record(e.encode())); err != nil {
		w.err = fmt.Errorf("tensorboard: %w", err)
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum of TFRecord files: rotated and shifted, so that the sum of data with sums
// in it stays a good one.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// record frames data.
func record(data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, len(data)+16), uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, masked(b))
	b = append(b, data...)
	return binary.LittleEndian.AppendUint32(b, masked(data))
}
