package tensorboard

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// clock ticks half a second a call.
func clock() func() time.Time {
	at := time.Unix(1700000000, 0)
	return func() time.Time {
		now := at
		at = at.Add(500 * time.Millisecond)
		return now
	}
}

// crc is CRC-32C bit by bit, as its definition has it.
func crc(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c ^= uint32(v)
		for range 8 {
			if c&1 == 1 {
				c = c>>1 ^ 0x82f63b78
			} else {
				c >>= 1
			}
		}
	}
	return ^c
}

// checked takes a masked checksum back and compares it.
func checked(t *testing.T, what string, data []byte, stored uint32) {
	t.Helper()
	rotated := stored - 0xa282ead8
	if got := rotated>>17 | rotated<<15; got != crc(data) {
		t.Errorf("CRC of %s: got %08x, want %08x", what, got, crc(data))
	}
}

// records splits a file and checks both sums of each record.
func records(t *testing.T, path string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for len(b) > 0 {
		if len(b) < 16 {
			t.Fatalf("%d bytes are left over", len(b))
		}
		n := binary.LittleEndian.Uint64(b)
		checked(t, "a length", b[:8], binary.LittleEndian.Uint32(b[8:]))
		if uint64(len(b)) < n+16 {
			t.Fatalf("a record of %d bytes in %d", n, len(b))
		}
		checked(t, "data", b[12:12+n], binary.LittleEndian.Uint32(b[12+n:]))
		out = append(out, b[12:12+n])
		b = b[16+n:]
	}
	return out
}

// message is a decoded protobuf message: field, then its values in their order as bytes or fixed or
// variable numbers.
type message map[uint64][]any

func decode(t *testing.T, b []byte) message {
	t.Helper()
	m := message{}
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			t.Fatal("a key is cut")
		}
		b = b[n:]
		var v any
		switch key & 7 {
		case 0:
			u, n := binary.Uvarint(b)
			v, b = u, b[n:]
		case 1:
			v, b = math.Float64frombits(binary.LittleEndian.Uint64(b)), b[8:]
		case 2:
			u, n := binary.Uvarint(b)
			v, b = b[n:n+int(u)], b[n+int(u):]
		case 5:
			v, b = math.Float32frombits(binary.LittleEndian.Uint32(b)), b[4:]
		default:
			t.Fatalf("wire type %d", key&7)
		}
		m[key>>3] = append(m[key>>3], v)
	}
	return m
}

// unpack is a packed repeated double.
func unpack(b []byte) (out []float64) {
	for ; len(b) > 0; b = b[8:] {
		out = append(out, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return out
}

func written(t *testing.T) string {
	t.Helper()
	w, err := Create(Config{Dir: filepath.Join(t.TempDir(), "runs", "one"), Host: "a/b", Now: clock()})
	if err != nil {
		t.Fatal(err)
	}
	w.Scalars(0, Scalar{"train/loss", 1.609}, Scalar{"train/accuracy", 0})
	w.Scalars(300, Scalar{"train/loss", 0.25})
	w.Scalars(300)
	w.Histogram(300, "head/weights", []float32{-1, -1, 0.5, 2})
	w.Histogram(300, "head/biases", []float32{3, 3})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Path()
}

func TestEvents(t *testing.T) {
	path := written(t)
	if got, want := filepath.Base(path), "events.out.tfevents.1700000000.a-b"; got != want {
		t.Errorf("file name: got %s, want %s", got, want)
	}
	all := records(t, path)
	if len(all) != 5 {
		t.Fatalf("got %d records, want 5", len(all))
	}
	first := decode(t, all[0])
	if got := string(first[3][0].([]byte)); got != "brain.Event:2" || len(first[5]) > 0 {
		t.Errorf("the first event: version %q and %d summaries, want brain.Event:2 and none", got, len(first[5]))
	}
	type point struct {
		step  uint64
		tag   string
		value float32
	}
	var points []point
	histograms := map[string]message{}
	for i, r := range all {
		e := decode(t, r)
		if got, want := e[1][0].(float64), 1700000000.5+0.5*float64(i); got != want {
			t.Errorf("event %d: time %.1f, want %.1f", i, got, want)
		}
		for _, s := range e[5] {
			for _, v := range decode(t, s.([]byte))[1] {
				value := decode(t, v.([]byte))
				tag := string(value[1][0].([]byte))
				if len(value[5]) > 0 {
					histograms[tag] = decode(t, value[5][0].([]byte))
					continue
				}
				p := point{tag: tag, value: value[2][0].(float32)}
				if len(e[2]) > 0 {
					p.step = e[2][0].(uint64)
				}
				points = append(points, p)
			}
		}
	}
	if want := []point{{0, "train/loss", 1.609}, {0, "train/accuracy", 0},
		{300, "train/loss", 0.25}}; !slices.Equal(points, want) {
		t.Errorf("scalars: got %v, want %v", points, want)
	}
	h := histograms["head/weights"]
	for field, want := range map[uint64]float64{1: -1, 2: 2, 3: 4, 4: 0.5, 5: 6.25} {
		if got := h[field][0].(float64); got != want {
			t.Errorf("histogram: field %d is %g, want %g", field, got, want)
		}
	}
	limits, counts := unpack(h[6][0].([]byte)), unpack(h[7][0].([]byte))
	if len(limits) != 30 || len(counts) != 30 || limits[29] != 2 || math.Abs(limits[0]+0.9) > 1e-12 {
		t.Fatalf("histogram: limits %v of %d buckets, want 30 of width 0.1 up to 2", limits, len(counts))
	}
	if counts[0] != 2 || counts[15] != 1 || counts[29] != 1 {
		t.Errorf("histogram: got %v, want 2 in the first bucket, 1 in the middle and 1 in the last", counts)
	}
	if h := histograms["head/biases"]; !slices.Equal(unpack(h[7][0].([]byte)), []float64{2}) ||
		!slices.Equal(unpack(h[6][0].([]byte)), []float64{3}) {
		t.Errorf("histogram of equal values: got %v", h)
	}
}

// A known pair: 32 bytes of zero have the CRC-32C 8a9136aa (RFC 3720, B.4).
func TestMask(t *testing.T) {
	zero := make([]byte, 32)
	if got := crc(zero); got != 0x8a9136aa {
		t.Fatalf("the test's own CRC-32C is wrong: %08x", got)
	}
	checked(t, "zeros", zero, masked(zero))
}

func TestFails(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Dir: dir, Now: func() time.Time { return time.Unix(5, 0) }}
	w, err := Create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := filepath.Base(w.Path()); got != "events.out.tfevents.0000000005.localhost" {
		t.Errorf("file name: got %s", got)
	}
	if _, err := Create(cfg); err == nil || !strings.Contains(err.Error(), "same second") {
		t.Errorf("a second file in the same second: got %v, want an error that says so", err)
	}
	if err := w.file.Close(); err != nil { // as if the disk went away
		t.Fatal(err)
	}
	w.Scalars(1, Scalar{"a", 1})
	w.Scalars(2, Scalar{"a", 1})
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), w.Path()) {
		t.Errorf("events that could not be written: got %v, want an error that names the file", err)
	}
	cfg.Dir = w.Path()
	if _, err := Create(cfg); err == nil || !strings.Contains(err.Error(), w.Path()) {
		t.Errorf("a file in place of the folder: got %v, want an error that names it", err)
	}
}

// TensorBoard's own reader has to see the same.
func TestTensorBoardReads(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 to run TensorBoard's reader with")
	}
	if exec.Command(python, "-c", "import tensorboard").Run() != nil {
		t.Skip("python3 has no tensorboard to read the file with")
	}
	script := `import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1]).Reload()
print(sorted(a.Tags()["scalars"]), sorted(a.Tags()["histograms"]), [(e.step, e.value) for e in a.Scalars("train/loss")], a.Histograms("head/weights")[0].histogram_value.num)`
	out, err := exec.Command(python, "-c", script, filepath.Dir(written(t))).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "['train/accuracy', 'train/loss'] ['head/biases', 'head/weights'] [(0, 1.6089999675750732), (300, 0.25)] 4.0"
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("TensorBoard read %s, want %s", got, want)
	}
}
