package head

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/c236555e/rehead/internal/atomicfile"
)

// state is what a solver needs to go on from where it was.
type state struct {
	ints    []int64
	floats  [][]float64
	singles [][]float32
}

// errState says that a state is not one of the solver that is to go on from it.
var errState = errors.New("is not of this solver")

const (
	checkpointMagic   = "REHEADCP"
	checkpointVersion = 4

	// DefaultCheckpointEvery is what a Checkpoints.Every of 0 means.
	DefaultCheckpointEvery = 5 * time.Second
)

// Checkpoints says where a solver's state is put away now and then, so that a run which was
// stopped, however it was, goes on and ends with the very bytes of one that was not. The zero value
// keeps none.
type Checkpoints struct {
	Dir string // folder, made if need be; "" for no checkpoints
	// at least so long between two; 0 means DefaultCheckpointEvery. It is longer where writing
	// takes long
	Every time.Duration
}

// checkpointer puts one run's state into one file. A nil checkpointer keeps nothing.
//
// The file: "REHEADCP", version (uint32), SHA-256 of all that the run's result depends on, number
// of ints (uint32), these (int64), numbers of vectors of float64 and of float32 (uint32), each of
// these as its length (uint32) and its numbers, SHA-256 of all before it; little-endian throughout.
type checkpointer struct {
	path  string
	key   [sha256.Size]byte
	every time.Duration
	last  time.Time
	cost  time.Duration // of the last save
	err   error         // of the last save: a run goes on without
	saved bool

	before state // of the search that comes before the solver; a part of every file
}

// newCheckpointer returns the checkpointer of a run whose result follows from settings, which are
// JSON, and examples.
func newCheckpointer(cfg Checkpoints, settings any, parts ...*Examples) (*checkpointer, error) {
	if cfg.Dir == "" {
		return nil, nil
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("train: checkpoint: %w", err)
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "rehead checkpoint %d\x00%s\x00", checkpointVersion, text) // a hash takes everything
	for _, p := range parts {
		p.digest(h)
	}
	k := &checkpointer{every: cfg.Every, last: time.Now()}
	if k.every == 0 {
		k.every = DefaultCheckpointEvery
	}
	h.Sum(k.key[:0])
	atomicfile.Sweep(cfg.Dir)
	k.path = filepath.Join(cfg.Dir, hex.EncodeToString(k.key[:16])+".checkpoint")
	return k, nil
}

// digest writes all of the examples to a hash.
func (e *Examples) digest(h io.Writer) {
	var b []byte
	_, _ = fmt.Fprintf(h, "%d rows of %d, %d classes, %t %t\x00", len(e.Rows), e.Features(), e.Classes,
		e.MultiLabel != nil, e.Weights != nil)
	for i, row := range e.Rows {
		b = binary.LittleEndian.AppendUint64(b[:0], math.Float64bits(e.weight(i)))
		b = binary.LittleEndian.AppendUint32(b, uint32(e.Labels[i]))
		if e.MultiLabel != nil {
			b = binary.LittleEndian.AppendUint32(b, uint32(len(e.MultiLabel[i])))
			for _, l := range e.MultiLabel[i] {
				b = binary.LittleEndian.AppendUint32(b, uint32(l))
			}
		}
		for _, v := range row {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		_, _ = h.Write(b)
	}
}

// due says whether it is time to save; saving takes a twentieth of a run at most.
func (k *checkpointer) due() bool {
	return k != nil && time.Since(k.last) >= max(k.every, 20*k.cost)
}

// search notes the state of the search that comes before the solver.
func (k *checkpointer) search(s state) {
	if k != nil {
		k.before = s
	}
}

// save puts the solver's state, empty before it began, in the file's place, whole or not at all.
func (k *checkpointer) save(s state) {
	if k == nil {
		return
	}
	began := time.Now()
	k.err = k.write(state{
		ints:   slices.Concat([]int64{int64(len(k.before.ints)), int64(len(k.before.floats))}, k.before.ints, s.ints),
		floats: slices.Concat(k.before.floats, s.floats), singles: s.singles,
	})
	k.saved = k.saved || k.err == nil
	k.last, k.cost = time.Now(), time.Since(began)
}

func (k *checkpointer) write(s state) error {
	if err := os.MkdirAll(filepath.Dir(k.path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(k.path, func(out io.Writer) error {
		h := sha256.New()
		w := io.MultiWriter(out, h)
		if _, err := w.Write(s.header(k.key)); err != nil {
			return err
		}
		for _, v := range s.floats {
			if err := writeVector(w, v); err != nil {
				return err
			}
		}
		for _, v := range s.singles {
			if err := writeVector(w, v); err != nil {
				return err
			}
		}
		_, err := out.Write(h.Sum(nil))
		return err
	})
}

// writeVector writes a vector's length and numbers.
func writeVector[T float32 | float64](w io.Writer, v []T) error {
	const part = 1 << 13 // numbers at a time
	if err := binary.Write(w, binary.LittleEndian, uint32(len(v))); err != nil {
		return err
	}
	for len(v) > 0 {
		n := min(part, len(v))
		if err := binary.Write(w, binary.LittleEndian, v[:n]); err != nil {
			return err
		}
		v = v[n:]
	}
	return nil
}

// header is all before the vectors.
func (s state) header(key [sha256.Size]byte) []byte {
	b := append([]byte(checkpointMagic), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(b[len(checkpointMagic):], checkpointVersion)
	b = append(b, key[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.ints)))
	for _, v := range s.ints {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.floats)))
	return binary.LittleEndian.AppendUint32(b, uint32(len(s.singles)))
}

// load returns the solver's state that was saved, nil for none, after it noted that of the search.
// A file that is damaged or of another run is as good as none: the run begins anew, and comes to
// the same result.
func (k *checkpointer) load() *state {
	if k == nil {
		return nil
	}
	data, err := os.ReadFile(k.path)
	if err != nil {
		return nil
	}
	s, err := parseState(data, k.key)
	if err != nil || len(s.ints) < 2 {
		return nil
	}
	ints, vectors, body := s.ints[0], s.ints[1], s.ints[2:]
	if ints < 0 || ints > int64(len(body)) || vectors < 0 || vectors > int64(len(s.floats)) {
		return nil
	}
	k.saved = true
	k.before = state{ints: body[:ints], floats: s.floats[:vectors]}
	if ints == int64(len(body)) {
		return nil
	}
	return &state{ints: body[ints:], floats: s.floats[vectors:], singles: s.singles}
}

// remove takes the file away when it is of no more use.
func (k *checkpointer) remove() error {
	if k == nil || !k.saved {
		return nil
	}
	if err := os.Remove(k.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("train: checkpoint: %w", err)
	}
	return nil
}

// parseState reads a checkpoint.
func parseState(data []byte, key [sha256.Size]byte) (*state, error) {
	bad := errors.New("train: checkpoint: is damaged or of another run")
	body := len(data) - sha256.Size
	if body < 0 {
		return nil, bad
	}
	if sum := sha256.Sum256(data[:body]); !bytes.Equal(sum[:], data[body:]) {
		return nil, bad
	}
	data = data[:body]
	want := binary.LittleEndian.AppendUint32([]byte(checkpointMagic), checkpointVersion)
	want = append(want, key[:]...)
	data, ok := bytes.CutPrefix(data, want)
	if !ok {
		return nil, bad
	}
	r := &reader{data: data}
	s := &state{}
	for range r.count(8) {
		s.ints = append(s.ints, int64(r.uint64()))
	}
	vectors, singles := r.count(4), r.count(4)
	for range vectors {
		v := make([]float64, r.count(8))
		for i := range v {
			v[i] = math.Float64frombits(r.uint64())
		}
		s.floats = append(s.floats, v)
	}
	for range singles {
		v := make([]float32, r.count(4))
		for i := range v {
			v[i] = math.Float32frombits(r.uint32())
		}
		s.singles = append(s.singles, v)
	}
	if r.short || len(r.data) > 0 {
		return nil, bad
	}
	return s, nil
}

// reader reads numbers; it is short after there were fewer than were to be read.
type reader struct {
	data  []byte
	short bool
}

func (r *reader) uint32() (v uint32) {
	if r.short = r.short || len(r.data) < 4; !r.short {
		v, r.data = binary.LittleEndian.Uint32(r.data), r.data[4:]
	}
	return v
}

func (r *reader) uint64() (v uint64) {
	if r.short = r.short || len(r.data) < 8; !r.short {
		v, r.data = binary.LittleEndian.Uint64(r.data), r.data[8:]
	}
	return v
}

// count reads how many things of at least size bytes follow; 0 where there is no room for them.
func (r *reader) count(size int) int {
	n := int(r.uint32())
	if r.short = r.short || int64(n)*int64(size) > int64(len(r.data)); r.short {
		return 0
	}
	return n
}
