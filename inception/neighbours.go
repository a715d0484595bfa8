package inception

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/internal/strictjson"
)

// MaxNeighbours is how many training pictures a model keeps at most.
const MaxNeighbours = 10000

// More bounds on them.
const (
	maxThumbnail     = 64 << 10 // bytes
	nearestCount     = 3
	neighboursFormat = "rehead-neighbours/1"
)

// Neighbours is a sample of the training pictures, for explanations: what each was, and its
// direction among the bottlenecks.
type Neighbours struct {
	Pictures []TrainingPicture
	Vectors  []float32 // [P,F]: bottlenecks divided by their length (see Unit), rounded to float16 when saved
}

// TrainingPicture is one picture that the head was trained on.
type TrainingPicture struct {
	Path      string // slash path below the folder of the training pictures
	Label     string //
	Thumbnail []byte // JPEG, at most 64 KiB; may be empty
}

// Neighbour is a training picture that is like another picture.
type Neighbour struct {
	Path       string  `json:"path"`
	Label      string  `json:"label"`
	Similarity float64 `json:"similarity"`          // the cosine between the bottlenecks, -1..1
	Thumbnail  []byte  `json:"thumbnail,omitempty"` // JPEG
	// the share, 0..1, of the kept training pictures that are less like their own nearest other one;
	// nil where there is no other
	Rank *float64 `json:"rank,omitempty"`
}

// Unit writes the bottleneck divided by its length to dst, in float16's precision. One of length 0
// stays 0. The two have the same length.
func Unit(dst, bottleneck []float32) error {
	if len(dst) != len(bottleneck) {
		return fmt.Errorf("inception: unit: got room for %d values, want %d", len(dst), len(bottleneck))
	}
	sum := 0.0
	for _, v := range bottleneck {
		sum += float64(v) * float64(v)
	}
	scale := 0.0
	if sum > 0 {
		scale = 1 / math.Sqrt(sum)
	}
	for i, v := range bottleneck {
		h, _ := safetensors.Half(float32(float64(v) * scale)) // at most 1
		dst[i] = safetensors.FromHalf(h)
	}
	return nil
}

// nearest ranks the pictures by the cosine between bottlenecks, ties in their order, and returns
// the first few.
func (n *Neighbours) nearest(bottleneck []float32, count int) []Neighbour {
	if n == nil {
		return nil
	}
	unit := make([]float32, len(bottleneck))
	_ = Unit(unit, bottleneck) // of one length
	best := numeric.TopK(len(n.Pictures), count, func(i int) (float64, bool) {
		dot := 0.0
		for f, v := range n.Vectors[i*len(unit) : (i+1)*len(unit)] {
			dot += float64(v) * float64(unit[f])
		}
		return dot, true
	})
	out := make([]Neighbour, len(best))
	for i, b := range best {
		p := &n.Pictures[b.Index]
		out[i] = Neighbour{Path: p.Path, Label: p.Label, Similarity: min(max(b.Score, -1), 1), Thumbnail: p.Thumbnail}
	}
	return out
}

func (n *Neighbours) validate(m *Model) error {
	if p := len(n.Pictures); p < 1 || p > MaxNeighbours || len(n.Vectors) != p*m.Head.Features {
		return fmt.Errorf("inception: neighbours: got %d pictures and %d values, want 1 to %d pictures of %d values each", p,
			len(n.Vectors), MaxNeighbours, m.Head.Features)
	}
	if i := safetensors.NotFinite(n.Vectors); i >= 0 {
		return fmt.Errorf("inception: neighbours: value %d is not finite", i)
	}
	for i, p := range n.Pictures {
		switch {
		case !m.MultiLabel() && !slices.Contains(m.Labels, p.Label):
			return fmt.Errorf("inception: neighbours: picture %d has the label %q, which the model does not have", i, p.Label)
		case p.Path == "":
			return fmt.Errorf("inception: neighbours: picture %d has no path", i)
		case len(p.Thumbnail) > maxThumbnail:
			return fmt.Errorf("inception: neighbours: the thumbnail of picture %d has %d bytes, want at most %d", i,
				len(p.Thumbnail), maxThumbnail)
		case len(p.Thumbnail) > 0 && !bytes.HasPrefix(p.Thumbnail, []byte{0xff, 0xd8, 0xff}):
			return fmt.Errorf("inception: neighbours: the thumbnail of picture %d is not a JPEG", i)
		}
	}
	return nil
}

// neighbourEntry is a picture in the tensor "pictures", which is a JSON list; its thumbnail is the
// next Bytes of the tensor "thumbnails".
type neighbourEntry struct {
	Path  string `json:"path"`
	Label string `json:"label"`
	Bytes int    `json:"bytes"`
}

// parts is the neighbours' file, if there are any.
func (n *Neighbours) files() []outFile {
	if n == nil {
		return nil
	}
	return []outFile{{neighboursFile, n.encode}}
}

func (n *Neighbours) encode(w io.Writer) error {
	list := make([]neighbourEntry, len(n.Pictures))
	thumbnails := []byte{}
	for i, p := range n.Pictures {
		list[i] = neighbourEntry{p.Path, p.Label, len(p.Thumbnail)}
		thumbnails = append(thumbnails, p.Thumbnail...)
	}
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return safetensors.Write(w, map[string]string{"format": neighboursFormat}, []safetensors.Tensor{
		{Name: "vectors", DType: safetensors.F16, Shape: []int{len(list), len(n.Vectors) / len(list)}, Values: n.Vectors},
		{Name: "pictures", DType: safetensors.U8, Shape: []int{len(data)}, Data: data},
		{Name: "thumbnails", DType: safetensors.U8, Shape: []int{len(thumbnails)}, Data: thumbnails},
	})
}

func (m *Model) takeNeighbours(name string, data []byte) error {
	f, err := openTensors(name, data, neighboursFormat, 3)
	if err != nil {
		return err
	}
	text, err := bytesOf(f, "pictures")
	if err != nil {
		return err
	}
	var list []neighbourEntry
	if err := strictjson.Unmarshal(text, &list); err != nil {
		return &FormatError{File: name, Tensor: "pictures", Offset: -1, Reason: "is not a list of pictures: train again",
			Err: err}
	}
	thumbnails, err := bytesOf(f, "thumbnails")
	if err != nil {
		return err
	}
	n := &Neighbours{Pictures: make([]TrainingPicture, len(list))}
	for i, e := range list {
		if e.Bytes < 0 || e.Bytes > len(thumbnails) {
			return &FormatError{File: name, Tensor: "thumbnails", Offset: -1,
				Reason: "does not have the length of its pictures: got " + strconv.Itoa(e.Bytes) + " bytes for number " +
					strconv.Itoa(i) + ": train again"}
		}
		n.Pictures[i] = TrainingPicture{e.Path, e.Label, thumbnails[:e.Bytes:e.Bytes]}
		thumbnails = thumbnails[e.Bytes:]
	}
	if len(thumbnails) > 0 {
		return &FormatError{File: name, Tensor: "thumbnails", Offset: -1,
			Reason: "has more bytes than its pictures: train again"}
	}
	info, ok := f.Lookup("vectors")
	if !ok || info.DType != safetensors.F16 || !slices.Equal(info.Shape, []int{len(list), m.Head.Features}) {
		return &FormatError{File: name, Tensor: "vectors", Offset: -1,
			Reason: fmt.Sprintf("got %s %v, want F16 [%d %d]: train again", info.DType, info.Shape, len(list), m.Head.Features)}
	}
	n.Vectors = make([]float32, len(list)*m.Head.Features)
	if err := f.Float32(info, n.Vectors, nil); err != nil {
		return err
	}
	m.Neighbours = n
	return nil
}
