package inception

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"

	"github.com/c236555e/rehead/internal/safetensors"
)

// MaxPictureDigests is how many pictures a model remembers at most: of a larger training it keeps
// their number alone.
const MaxPictureDigests = 200_000

const picturesFormat = "rehead-pictures/1"

// digestBytes is how much of each digest is kept: among MaxPictureDigests of them, one picture in
// 10^14 that is not there seems to be.
const digestBytes = 8

// PictureDigests remembers which pictures a model was made with, by the first 8 bytes of the
// SHA-256 of each file, big-endian, in ascending order, each once.
type PictureDigests struct {
	Images                  int      // of the training run, copies among them
	Train, Validation, Test []uint64 // all nil where there are more than MaxPictureDigests
}

// DigestPrefix is what PictureDigests keeps of a SHA-256.
func DigestPrefix(sum [32]byte) uint64 { return binary.BigEndian.Uint64(sum[:digestBytes]) }

// Complete tells whether the digests are there; never of nil.
func (d *PictureDigests) Complete() bool { return d != nil && d.Images <= MaxPictureDigests }

// parts are the lists with their names in the file.
func (d *PictureDigests) parts() [3]struct {
	name string
	list *[]uint64
} {
	return [3]struct {
		name string
		list *[]uint64
	}{{"train", &d.Train}, {"validation", &d.Validation}, {"test", &d.Test}}
}

func (d *PictureDigests) validate() error {
	if d == nil {
		return nil
	}
	n := 0
	for _, p := range d.parts() {
		n += len(*p.list)
		for i, v := range *p.list {
			if i > 0 && v <= (*p.list)[i-1] {
				return fmt.Errorf("inception: picture digests: %s: number %d is not above the one before", p.name, i)
			}
		}
	}
	if d.Images < 1 || n > d.Images || d.Complete() != (n > 0) {
		return fmt.Errorf("inception: picture digests: got %d digests of %d pictures, want 1 to %d, or none of more than %d",
			n, d.Images, min(max(d.Images, 1), MaxPictureDigests), MaxPictureDigests)
	}
	return nil
}

// files is the digests' file, if there are any.
func (d *PictureDigests) files() []outFile {
	if d == nil {
		return nil
	}
	return []outFile{{picturesFile, d.encode}}
}

func (d *PictureDigests) encode(w io.Writer) error {
	var tensors []safetensors.Tensor
	for _, p := range d.parts() {
		data := make([]byte, 0, len(*p.list)*digestBytes)
		for _, v := range *p.list {
			data = binary.BigEndian.AppendUint64(data, v)
		}
		tensors = append(tensors, safetensors.Tensor{Name: p.name, DType: safetensors.U8,
			Shape: []int{len(*p.list), digestBytes}, Data: data})
	}
	return safetensors.Write(w, map[string]string{"format": picturesFormat, "images": strconv.Itoa(d.Images)}, tensors)
}

func (m *Model) takePictures(name string, data []byte) error {
	d := new(PictureDigests)
	f, err := openTensors(name, data, picturesFormat, len(d.parts()))
	if err != nil {
		return err
	}
	if d.Images, err = strconv.Atoi(f.Metadata["images"]); err != nil {
		return &FormatError{File: name, Offset: -1, Reason: "does not say how many pictures there were: train again",
			Err: err}
	}
	for _, p := range d.parts() {
		info, ok := f.Lookup(p.name)
		if !ok || info.DType != safetensors.U8 || len(info.Shape) != 2 || info.Shape[1] != digestBytes {
			return &FormatError{File: name, Tensor: p.name, Offset: -1,
				Reason: "is missing or not of digests of " + strconv.Itoa(digestBytes) + " bytes: train again"}
		}
		raw, err := f.Bytes(info)
		if err != nil {
			return err
		}
		for ; len(raw) > 0; raw = raw[digestBytes:] {
			*p.list = append(*p.list, binary.BigEndian.Uint64(raw))
		}
	}
	m.Pictures = d
	return nil
}
