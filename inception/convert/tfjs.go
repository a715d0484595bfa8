package convert

import (
	"bytes"
	"io"
	"path/filepath"
	"regexp"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/hdf5"
	"github.com/c236555e/rehead/inception/convert/internal/tfjs"
	"github.com/c236555e/rehead/inception/internal/files"
)

// tfjsModel is what TensorFlow.js calls a model's description, and rehead as well.
const tfjsModel = "model.json"

// isTFJS reports whether a path is the folder of a model of TensorFlow.js.
func isTFJS(path string) bool {
	f, _, err := files.Open(filepath.Join(path, tfjsModel))
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // only read from
	head := make([]byte, 4096)
	n, _ := io.ReadFull(f, head)
	return bytes.Contains(head[:n], []byte(`"modelTopology"`)) || graphModel.Match(head[:n])
}

// graphModel is how the description of a model begins whose signature is long.
var graphModel = regexp.MustCompile(`^\s*{\s*"format"\s*:\s*"(graph|layers)-model"`)

// tfjsSource reads a model of TensorFlow.js.
func tfjsSource(m *tfjs.Model) (src *source, err error) {
	if len(m.ModelConfig) > 0 {
		src, err = kerasModel(m.ModelConfig, newByName(&hdf5.File{Tensors: m.Tensors}))
	} else {
		var g *graph.Graph
		if g, err = m.Graph(); err == nil {
			src, err = tfSource(g)
		}
	}
	if err != nil {
		return nil, err
	}
	src.what = "TensorFlow.js"
	return src, nil
}
