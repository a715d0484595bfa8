package shards

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/internal/atomicfile"
	"github.com/c236555e/rehead/internal/safetensors"
)

// format is the value of "format" in a shard's metadata.
const format = "rehead-bottlenecks/1"

// Sizes of a shard.
const (
	// DefaultRows is how many rows `rehead embed` puts into a shard: 64 MiB of 2,048 features. That is
	// large enough for a bucket's parts and for reading at a disk's speed, and small enough to be held
	// until it is written and to be made again after a stop; a billion rows are 61,036 of them.
	DefaultRows = 1 << 14
	// MaxRows is the most that a shard may have.
	MaxRows = 1 << 24
	// PageRows is how many rows have a checksum of their own.
	PageRows = 256
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Row is a picture's bottleneck.
type Row struct {
	Features []float32         // [F], which are rounded to float16; only read
	Sum      [sha256.Size]byte // of the picture's bytes
	Path     string            // of the picture
	// its label; none: it has no label. Several labels: all of them, in any order, none being an answer
	Labels []string
	Part   dataset.Split // where Given
	Given  bool          // the row's part is given, not dealt
}

// Writer makes a shard of rows that it holds until it is written: 2 bytes a feature. It may be used
// for the next after Reset.
type Writer struct {
	key   Key
	multi bool

	features []byte
	sums     []byte
	parts    []byte
	given    bool
	paths    []byte
	ends     []int64    // of the paths
	labels   [][]string // of each row
}

// NewWriter is a writer of shards of a key; with multi a row may have several labels.
func NewWriter(key Key, multi bool) (*Writer, error) {
	if err := key.Validate(); err != nil {
		return nil, err
	}
	return &Writer{key: key, multi: multi}, nil
}

// errNoWriter is what a writer answers that NewWriter did not make.
var errNoWriter = errors.New("dataset: shards: got no writer, want one that NewWriter returned")

// Len returns how many rows there are.
func (w *Writer) Len() int {
	if w == nil {
		return 0
	}
	return len(w.ends)
}

// Reset takes all rows out.
func (w *Writer) Reset() {
	if w == nil {
		return
	}
	w.features, w.sums, w.parts, w.given = w.features[:0], w.sums[:0], w.parts[:0], false
	w.paths, w.ends, w.labels = w.paths[:0], w.ends[:0], w.labels[:0]
}

// Add puts a row at the end. One that cannot be kept is an error and changes nothing: of another
// length, of a value that float16 cannot hold, of a path or label that is not UTF-8, of more labels
// than one where there is one.
func (w *Writer) Add(r Row) error {
	if w == nil || w.key.Features == 0 {
		return errNoWriter
	}
	bad := func(what string, args ...any) error {
		return fmt.Errorf("dataset: shards: row %s: "+what, append([]any{strconv.Quote(r.Path)}, args...)...)
	}
	switch {
	case len(w.ends) == MaxRows:
		return bad("the shard has %d rows already, want at most that many in one", MaxRows)
	case len(r.Features) != w.key.Features:
		return bad("got %d features, want %d", len(r.Features), w.key.Features)
	case !utf8.ValidString(r.Path):
		return bad("the path is not UTF-8")
	case !w.multi && len(r.Labels) > 1:
		return bad("got %d labels, want at most 1, or a writer of several", len(r.Labels))
	case r.Given && r.Part > dataset.Test:
		return bad("got part %d, which there is not", r.Part)
	}
	for _, l := range r.Labels {
		if l == "" || !utf8.ValidString(l) {
			return bad("got the label %q, want UTF-8 that is not empty", l)
		}
	}
	at := len(w.features)
	for i, v := range r.Features {
		h, ok := safetensors.Half(v)
		if !ok {
			w.features = w.features[:at]
			return bad("value %d is %g, which float16 cannot hold", i, v)
		}
		w.features = binary.LittleEndian.AppendUint16(w.features, h)
	}
	set := slices.Clone(r.Labels)
	slices.Sort(set)
	part := byte(0)
	if r.Given {
		part, w.given = byte(r.Part)+1, true
	}
	w.sums, w.parts = append(w.sums, r.Sum[:]...), append(w.parts, part)
	w.paths = append(w.paths, r.Path...)
	w.ends, w.labels = append(w.ends, int64(len(w.paths))), append(w.labels, slices.Compact(set))
	return nil
}

// Encode writes the shard. Without rows it is an error.
func (w *Writer) Encode(out io.Writer) error {
	if w == nil || out == nil || w.key.Features == 0 {
		return errNoWriter
	}
	n := len(w.ends)
	if n == 0 {
		return errors.New("dataset: shards: write: got no rows, want at least one in a shard")
	}
	key, err := json.Marshal(w.key)
	if err != nil {
		return fmt.Errorf("dataset: shards: key: %w", err)
	}
	names := w.names()
	list, err := json.Marshal(names)
	if err != nil {
		return fmt.Errorf("dataset: shards: labels: %w", err)
	}
	index := append([]safetensors.Tensor{
		{Name: "path_offsets", DType: safetensors.I64, Shape: []int{n + 1}, Data: offsets(w.ends)},
		{Name: "paths", DType: safetensors.U8, Shape: []int{len(w.paths)}, Data: w.paths},
		{Name: "sha256", DType: safetensors.U8, Shape: []int{n, sha256.Size}, Data: w.sums},
	}, w.labelled(names)...)
	if w.given {
		index = append(index, safetensors.Tensor{Name: "part", DType: safetensors.U8, Shape: []int{n}, Data: w.parts})
	}
	pages := checksums(w.features, 2*w.key.Features*PageRows)
	tensors := append([]safetensors.Tensor{
		{Name: "features", DType: safetensors.F16, Shape: []int{n, w.key.Features}, Data: w.features},
		{Name: "features_crc32c", DType: safetensors.U32, Shape: []int{len(pages) / 4}, Data: pages},
	}, index...)
	metadata := map[string]string{"format": format, "key": string(key), "labels": string(list)}
	metadata["index_crc32c"] = indexSum(metadata, index)
	return safetensors.Write(out, metadata, tensors)
}

// Save writes the shard as a file, which appears whole or not at all.
func (w *Writer) Save(path string) error {
	if err := atomicfile.Write(path, w.Encode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// names lists the labels that rows have.
func (w *Writer) names() []string {
	have := map[string]bool{}
	for _, set := range w.labels {
		for _, l := range set {
			have[l] = true
		}
	}
	return append([]string{}, slices.Sorted(maps.Keys(have))...)
}

// labelled are the tensors of the rows' labels.
func (w *Writer) labelled(names []string) []safetensors.Tensor {
	place := make(map[string]int32, len(names))
	for i, name := range names {
		place[name] = int32(i)
	}
	var data []byte
	ends := make([]int64, len(w.labels))
	for i, set := range w.labels {
		for _, l := range set {
			data = binary.LittleEndian.AppendUint32(data, uint32(place[l]))
		}
		if !w.multi && len(set) == 0 {
			data = binary.LittleEndian.AppendUint32(data, ^uint32(0))
		}
		ends[i] = int64(len(data) / 4)
	}
	if !w.multi {
		return []safetensors.Tensor{{Name: "label", DType: safetensors.I32, Shape: []int{len(ends)}, Data: data}}
	}
	return []safetensors.Tensor{
		{Name: "labels", DType: safetensors.I32, Shape: []int{len(data) / 4}, Data: data},
		{Name: "label_offsets", DType: safetensors.I64, Shape: []int{len(ends) + 1}, Data: offsets(ends)},
	}
}

// offsets is 0 and the ends.
func offsets(ends []int64) []byte {
	b := make([]byte, 8, 8*(len(ends)+1))
	for _, e := range ends {
		b = binary.LittleEndian.AppendUint64(b, uint64(e))
	}
	return b
}

// checksums are those of the pages of data.
func checksums(data []byte, page int) []byte {
	var out []byte
	for part := range slices.Chunk(data, page) {
		out = binary.LittleEndian.AppendUint32(out, crc32.Checksum(part, castagnoli))
	}
	return out
}

// headerSum is the checksum of a shard's metadata.
func headerSum(metadata map[string]string) uint32 {
	return crc32.Checksum([]byte(metadata["key"]+"\x00"+metadata["labels"]+"\x00"), castagnoli)
}

// indexSum is the checksum of what is not features.
func indexSum(metadata map[string]string, index []safetensors.Tensor) string {
	index = slices.Clone(index)
	slices.SortFunc(index, func(a, b safetensors.Tensor) int { return strings.Compare(a.Name, b.Name) })
	sum := headerSum(metadata)
	for _, t := range index {
		sum = crc32.Update(sum, castagnoli, t.Data)
	}
	return fmt.Sprintf("%08x", sum)
}
