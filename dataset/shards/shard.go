package shards

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/internal/safetensors"
)

// Shard is an opened shard. It holds its header; rows are read on request.
type Shard struct {
	Name       string
	Key        Key
	MultiLabel bool
	Labels     []string // that rows have, sorted by bytes
	Rows       int

	file     *safetensors.File
	r        io.ReaderAt
	features int64 // where they begin
	digest   [sha256.Size]byte
}

// Open reads and checks the header of a shard of size bytes. What is wrong with its content is an
// *safetensors.FormatError, which inception calls FormatError.
func Open(name string, r io.ReaderAt, size int64) (*Shard, error) {
	f, err := safetensors.New(name, r, size)
	if err != nil {
		return nil, err
	}
	s := &Shard{Name: name, file: f, r: r}
	if err := s.header(); err != nil {
		return nil, s.bad("%w", err)
	}
	return s, nil
}

func (s *Shard) bad(what string, args ...any) error {
	err := fmt.Errorf(what, args...)
	return &safetensors.FormatError{File: s.Name, Offset: -1, Reason: err.Error()}
}

// header reads the metadata and looks at the tensors.
func (s *Shard) header() (err error) {
	if got := s.file.Metadata["format"]; got != format {
		return fmt.Errorf("is a file of format %q, want %q: rehead embed --shards writes it", got, format)
	}
	if s.Key, err = parseKey(s.file.Metadata["key"]); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(s.file.Metadata["labels"]), &s.Labels); err != nil {
		return fmt.Errorf("its list of labels cannot be read: %w", err)
	}
	for i, l := range s.Labels {
		if l == "" || i > 0 && s.Labels[i-1] >= l {
			return fmt.Errorf("its label %d is %q, want names in ascending order that are not empty", i, l)
		}
	}
	f, ok := s.file.Lookup("features")
	if !ok || f.DType != safetensors.F16 || len(f.Shape) != 2 || f.Shape[1] != s.Key.Features {
		return fmt.Errorf("its tensor features is %s %v, want F16 [N,%d]", f.DType, f.Shape, s.Key.Features)
	}
	s.Rows, s.features = f.Shape[0], f.Offset
	if s.Rows < 1 || s.Rows > MaxRows {
		return fmt.Errorf("got %d rows, want 1 to %d", s.Rows, MaxRows)
	}
	s.digest = sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s", s.file.Metadata["key"], s.file.Metadata["labels"],
		s.file.Metadata["index_crc32c"]))
	_, s.MultiLabel = s.file.Lookup("labels")
	pages := (s.Rows + PageRows - 1) / PageRows
	for _, want := range []struct {
		name  string
		dtype safetensors.DType
		shape []int // -1: any
		must  bool
	}{
		{"sha256", safetensors.U8, []int{s.Rows, sha256.Size}, true},
		{"label", safetensors.I32, []int{s.Rows}, !s.MultiLabel},
		{"labels", safetensors.I32, []int{-1}, false},
		{"label_offsets", safetensors.I64, []int{s.Rows + 1}, s.MultiLabel},
		{"paths", safetensors.U8, []int{-1}, true},
		{"path_offsets", safetensors.I64, []int{s.Rows + 1}, true},
		{"part", safetensors.U8, []int{s.Rows}, false},
		{"features_crc32c", safetensors.U32, []int{pages}, false},
	} {
		t, ok := s.file.Lookup(want.name)
		like := len(t.Shape) == len(want.shape) && (want.shape[0] < 0 || slices.Equal(t.Shape, want.shape))
		if ok && (t.DType != want.dtype || !like) || !ok && want.must {
			return fmt.Errorf("its tensor %s is %s %v, want %s %v", want.name, t.DType, t.Shape, want.dtype, want.shape)
		}
	}
	return nil
}

// Index is what a shard says of its rows beside their features and paths.
type Index struct {
	Sums   []byte  // [N,32], SHA-256 of the pictures' bytes
	Labels []int32 // one label a row: [N], places among Shard.Labels, -1: none
	// several labels: [N], each ascending, in the place of Labels
	MultiLabel [][]int32
	Parts      []byte // [N], 0: not given, 1 and up: dataset.Split + 1; nil: none is given

	pages []byte
}

// Index reads the shard's index and checks it.
func (s *Shard) Index() (*Index, error) {
	if s == nil || s.file == nil {
		return nil, errNoShard
	}
	x, sum := &Index{}, headerSum(s.file.Metadata)
	var names []string
	for _, t := range s.file.Tensors {
		if t.Name != "features" && t.Name != "features_crc32c" {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	read := map[string][]byte{}
	for _, name := range append(names, "features_crc32c") {
		t, ok := s.file.Lookup(name)
		if !ok {
			continue
		}
		data, err := s.file.Bytes(t)
		if err != nil {
			return nil, err
		}
		switch name {
		case "features_crc32c":
			x.pages = data
			continue
		case "paths", "path_offsets": // looked at by Paths
		default:
			read[name] = data
		}
		sum = crc32.Update(sum, castagnoli, data)
	}
	if want, ok := s.file.Metadata["index_crc32c"]; ok && want != fmt.Sprintf("%08x", sum) {
		return nil, s.bad("its labels, digests or paths are damaged (checksum %08x, want %s): write the shard again",
			sum, want)
	}
	x.Sums, x.Parts = read["sha256"], read["part"]
	for i, p := range x.Parts {
		if p > byte(dataset.Test)+1 {
			return nil, s.bad("row %d has part %d, want 0 to 3", i, p)
		}
	}
	return x, s.labelsOf(x, read)
}

// labelsOf reads the rows' labels.
func (s *Shard) labelsOf(x *Index, read map[string][]byte) error {
	data := read["label"]
	if s.MultiLabel {
		data = read["labels"]
	}
	all := make([]int32, len(data)/4)
	for i := range all {
		all[i] = int32(binary.LittleEndian.Uint32(data[4*i:]))
		if l := all[i]; int(l) >= len(s.Labels) || l < 0 && (s.MultiLabel || l != -1) {
			return s.bad("label %d is %d, want a place among %d", i, l, len(s.Labels))
		}
	}
	if !s.MultiLabel {
		x.Labels = all
		return nil
	}
	at, err := s.offsets("label_offsets", read["label_offsets"], int64(len(all)))
	if err != nil {
		return err
	}
	x.MultiLabel = make([][]int32, s.Rows)
	for i := range x.MultiLabel {
		set := all[at[i]:at[i+1]:at[i+1]]
		for j := 1; j < len(set); j++ {
			if set[j-1] >= set[j] {
				return s.bad("row %d has the labels %v, want them ascending", i, set)
			}
		}
		x.MultiLabel[i] = set
	}
	return nil
}

// offsets reads N+1 offsets into something of a length.
func (s *Shard) offsets(name string, data []byte, length int64) ([]int64, error) {
	at := make([]int64, s.Rows+1)
	for i := range at {
		at[i] = int64(binary.LittleEndian.Uint64(data[8*i:]))
		if i > 0 && at[i] < at[i-1] || at[0] != 0 {
			return nil, s.bad("%s %d is %d, want offsets from 0 that do not fall", name, i, at[i])
		}
	}
	if at[s.Rows] != length {
		return nil, s.bad("%s end at %d, want %d", name, at[s.Rows], length)
	}
	return at, nil
}

// Paths reads the paths of all rows.
func (s *Shard) Paths() ([]string, error) {
	if s == nil || s.file == nil {
		return nil, errNoShard
	}
	var read [2][]byte
	for i, name := range [2]string{"path_offsets", "paths"} {
		t, _ := s.file.Lookup(name) // there is one, header says
		var err error
		if read[i], err = s.file.Bytes(t); err != nil {
			return nil, err
		}
	}
	at, err := s.offsets("path_offsets", read[0], int64(len(read[1])))
	if err != nil {
		return nil, err
	}
	out := make([]string, s.Rows)
	for i := range out {
		out[i] = string(read[1][at[i]:at[i+1]])
	}
	return out, nil
}

// Features reads the features of the rows lo to hi-1, float16 as they lie in the file, into dst
// [(hi-lo)*F*2] and checks them. lo is a multiple of PageRows, and so is hi, or all rows.
func (s *Shard) Features(dst []byte, x *Index, lo, hi int) error {
	if s == nil || s.file == nil || x == nil {
		return errNoShard
	}
	width := 2 * s.Key.Features
	whole := lo%PageRows == 0 && (hi%PageRows == 0 || hi == s.Rows)
	if lo < 0 || hi <= lo || hi > s.Rows || !whole || len(dst) != (hi-lo)*width {
		return fmt.Errorf("dataset: shards: %s: got rows %d to %d of %d and room for %d bytes, want whole pages of %d "+
			"rows and as much room", s.Name, lo, hi, s.Rows, len(dst), PageRows)
	}
	from := s.features + int64(lo)*int64(width)
	if n, err := s.r.ReadAt(dst, from); n < len(dst) {
		return fmt.Errorf("dataset: shards: %s: rows %d to %d: %w", s.Name, lo, hi, cut(err))
	}
	if x.pages == nil {
		return nil
	}
	got := checksums(dst, width*PageRows)
	if want := x.pages[4*(lo/PageRows):]; !bytes.Equal(got, want[:len(got)]) {
		i := 0
		for bytes.Equal(got[4*i:4*i+4], want[4*i:4*i+4]) {
			i++
		}
		return s.bad("rows %d to %d are damaged (their checksum does not hold): write the shard again", lo+i*PageRows,
			min(lo+(i+1)*PageRows, s.Rows)-1)
	}
	return nil
}

// cut is why fewer bytes came than there were to be.
func cut(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// errNoShard is what a shard answers that Open did not return.
var errNoShard = errors.New("dataset: shards: got no shard, want one that Open returned, with its index")
