package convert

import (
	"fmt"
	"io"
	"strings"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/internal/files"
)

// Info is what weights are, for people and for `rehead weights info --json`. Weights that come from
// no file have nothing of what is said of the file.
type Info struct {
	File   string `json:"file,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`  // of the file
	SHA256 string `json:"sha256,omitempty"` // of the file
	Format string `json:"format,omitempty"` // "safetensors", "pth", "pth-stream", "hdf5", "onnx", "graphdef", "checkpoint"

	Flavor     inception.Flavor `json:"flavor"`
	Reason     string           `json:"reason,omitempty"` // why this flavour
	Width      float64          `json:"width"`
	Features   int              `json:"features"`       // length of a bottleneck
	Classes    int              `json:"classes"`        // 0 without a classifier
	Head       string           `json:"head,omitempty"` // of one that is more than a linear classifier
	Tensors    int              `json:"tensors"`        // once converted
	Parameters int64            `json:"parameters"`
	// multiplications and additions of the trunk at the recipe's size, in 1e9
	GFLOP   float64           `json:"gflop_per_image"`
	Ignored int               `json:"ignored"` // tensors of the file that inference does not use
	Digest  string            `json:"digest"`  // of the converted trunk: inception.Weights.Digest
	Source  string            `json:"source,omitempty"`
	Recipe  picture.Recipe    `json:"recipe"`
	Notes   map[string]string `json:"notes,omitempty"`
	Labels  []string          `json:"labels,omitempty"`
}

// InfoOf describes weights, wherever they come from.
func InfoOf(w *inception.Weights) *Info {
	if w == nil {
		return &Info{}
	}
	info := &Info{
		Flavor: w.Flavor, Width: w.Width, Features: w.Features(), Classes: w.Classes, Tensors: len(w.Tensors),
		Digest: w.Digest, Source: w.Source, Recipe: w.Recipe, Notes: w.Notes, Labels: w.Labels,
	}
	if w.Head != nil {
		info.Classes, info.Head = w.Head.Classes, w.Head.Describe()
		info.Parameters += int64(w.Head.Parameters())
	}
	for _, t := range w.Tensors {
		info.Parameters += int64(len(t.Data))
	}
	if flops, err := inception.TrunkFLOPs(w.Width, w.Recipe.Size); err == nil {
		info.GFLOP = float64(flops) / 1e9
	}
	return info
}

// Describe reads a weight file of any supported kind, checks it as Load does, and says what it
// is.
func Describe(path string, o Options) (*Info, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w, src, err := load(f, o)
	if err != nil {
		return nil, fileError(path, err)
	}
	sum, err := f.digest()
	if err != nil {
		return nil, fileError(path, err)
	}
	info := InfoOf(w)
	info.File, info.Bytes, info.SHA256, info.Format = f.path, f.length, sum, f.format
	if src != nil {
		info.Reason, info.Ignored = src.reason, len(src.ignored)
	}
	return info, nil
}

// digest is the hex SHA-256 of the whole file, computed once.
func (f *file) digest() (string, error) {
	if f.sha256 != "" {
		return f.sha256, nil
	}
	var err error
	f.sha256, err = files.SHA256(io.NewSectionReader(f.File, 0, f.length))
	return f.sha256, err
}

// facts are the notes about a converted network that its file carries beside the numbers: where it
// came from, and how its flavour differs from the others.
func (src *source) facts() map[string]string {
	n := map[string]string{
		"source_format":       src.what,
		"source_sha256":       src.sha256,
		"flavor_reason":       src.reason,
		"average_pool_border": "not counted",
		"last_pool":           "average",
		"batch_norm":          fmt.Sprintf("folded in float64, eps %g", bnEps),
	}
	if len(src.doubts) > 0 {
		n["doubt"] = strings.Join(src.doubts, "; ")
	}
	if src.headErr != nil {
		n["head"] = "not read: " + src.headErr.Error()
	}
	if src.flavor.CountBorder() {
		n["average_pool_border"] = "counted"
	}
	if src.flavor.MaxIn7c() {
		n["last_pool"] = "maximum"
	}
	return n
}
