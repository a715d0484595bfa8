package convert

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/ckpt"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/graphdef"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// The files of a SavedModel.
const (
	savedModelFile = "saved_model.pb"
	variablesIndex = "variables/variables.index"
)

// isSavedModel reports whether a path is a SavedModel's folder.
func isSavedModel(path string) bool {
	st, err := os.Stat(filepath.Join(path, savedModelFile))
	return err == nil && st.Mode().IsRegular()
}

// variable tells the last part of a variable's name that belongs to a network.
func variable(name string) bool {
	for _, kind := range []string{"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"} {
		if strings.HasSuffix(name, "/"+kind) {
			return true
		}
	}
	return false
}

// objects names the tensors of a TensorFlow 2 checkpoint as their variables are called.
func objects(index io.ReaderAt, size int64, shards ckpt.Shard, tensors []raw.Tensor) ([]raw.Tensor, error) {
	names, err := ckpt.Objects(index, size, shards)
	if err != nil {
		return nil, err
	}
	var out []raw.Tensor
	seen := map[string]bool{}
	for _, t := range tensors {
		name := names[t.Name]
		if name == "" || !variable(name) || !t.DType.Float() || strings.HasPrefix(t.Name, "optimizer/") ||
			strings.Contains(t.Name, ".OPTIMIZER_SLOT") {
			continue
		}
		if seen[name] {
			return nil, tensorError(t, "is a second variable called %q, as nested models have them: save the whole model with "+
				"model.save(\"x.keras\")", name)
		}
		seen[name] = true
		t.Name = name
		out = append(out, t)
	}
	return out, nil
}

// inverse turns keys with names into names with keys, without those that several keys have.
func inverse(names map[string]string) map[string]string {
	out := make(map[string]string, len(names))
	for key, name := range names {
		if _, twice := out[name]; twice {
			key = ""
		}
		out[name] = key
	}
	return out
}

// objectSource reads the weights in a TensorFlow 2 checkpoint, as Keras 2's save_weights writes it.
func objectSource(f *file, tensors []raw.Tensor) (*source, error) {
	named, err := objects(f.data, f.size, f.shards(), tensors)
	if err != nil {
		return nil, err
	}
	src, err := kerasNames(named)
	if err != nil {
		return nil, err
	}
	src.what, src.reason = "TensorFlow 2 checkpoint", "Keras's layer names"
	src.silent(nil)
	return src, nil
}

// savedSource reads a SavedModel: the graph that serves, and the variables beside it.
func savedSource(f *file) (*source, error) {
	open := f.neighbour()
	if open == nil {
		return nil, errors.New("is a SavedModel's graph without its variables: unpack the folder first")
	}
	index, size, err := open(variablesIndex)
	if err != nil {
		return nil, err
	}
	shards := f.shardsOf(filepath.Join(filepath.Dir(f.path), strings.TrimSuffix(variablesIndex, ".index")))
	tensors, err := ckpt.Read(index, size, shards)
	if err != nil {
		return nil, err
	}
	variables := make(map[string]raw.Tensor, len(tensors))
	for _, t := range tensors {
		variables[t.Name] = t
	}
	names, err := ckpt.Objects(index, size, shards)
	if err != nil {
		return nil, err
	}
	g, err := graphdef.ReadSavedModel(f.data, f.size, variables, inverse(names))
	if err != nil {
		return nil, err
	}
	src, err := tfSource(g)
	if err != nil {
		return nil, err
	}
	src.what = "SavedModel"
	if src.flavor == inception.TFSlim {
		src.flavor, src.reason = inception.Keras, "a SavedModel whose last block's pool takes the average"
	}
	return src, nil
}

// tfliteSource reads a TensorFlow Lite model.
func tfliteSource(g *graph.Graph, rounded bool) (*source, error) {
	src, err := tfSource(g)
	if err != nil {
		return nil, err
	}
	src.what, src.rounded = "TFLite", rounded
	if src.flavor == inception.TFSlim && src.classes() != 1001 {
		src.flavor, src.reason = inception.Keras, "a TFLite model whose last block's pool takes the average"
	}
	return src, src.exported(g.Metadata)
}
