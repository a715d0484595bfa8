package convert

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/hdf5"
	"github.com/c236555e/rehead/inception/convert/internal/keras"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// errBare is about a Keras model whose last layer is linear.
var errBare = errors.New("its last layer has no activation, and whether softmax or sigmoid belongs behind it the " +
	"file does not say: `rehead weights convert --head-output softmax` (or sigmoid) does, or add " +
	`keras.layers.Activation("softmax") and save the model again`)

// kerasModel reads a Keras model that describes itself.
func kerasModel(config []byte, w keras.Weights) (*source, error) {
	g, err := keras.Graph(config, w)
	if err != nil {
		return nil, err
	}
	src, m, err := graphSource(g, tfDialect{})
	if err != nil {
		return nil, err
	}
	src.what, src.flavor, src.reason = "Keras", inception.Keras, "a Keras model's own description"
	switch {
	case m.maximum:
		src.flavor, src.reason = inception.TF2015, "a Keras model whose last block's pool takes the maximum"
	case m.counted:
		src.flavor, src.reason = inception.Torchvision, "a Keras model whose average pools count their border"
	}
	src.own = src.head == nil || path.Base(strings.TrimSuffix(src.head.Name, "/BiasAdd")) != "predictions"
	return src, nil
}

// kerasHDF5 reads an .h5 file of Keras's, whole or weights only.
func kerasHDF5(f *hdf5.File) (*source, error) {
	if config := f.Texts["@model_config"]; config != "" {
		src, err := kerasModel([]byte(config), newByName(f))
		if err == nil {
			err = src.trained([]byte(f.Texts["@training_config"]))
		}
		return src, err
	}
	if slices.Contains(f.Groups, "layers") || slices.Contains(f.Groups, "_layer_checkpoint_dependencies") {
		return kerasPlaces(f)
	}
	src, err := kerasNames(f.Tensors)
	if err != nil {
		return nil, err
	}
	var top []string
	for _, g := range f.Groups {
		if g != "" && !strings.Contains(strings.TrimPrefix(g, "model_weights/"), "/") {
			top = append(top, path.Base(g))
		}
	}
	src.silent(top)
	return src, nil
}

// byName finds a layer's tensors in an .h5 file by the layers' names.
type byName map[string]map[string]map[string]raw.Tensor // outermost layer, layer, kind

func newByName(f *hdf5.File) byName {
	w := byName{}
	for _, t := range f.Tensors {
		parts := strings.Split(strings.TrimPrefix(t.Name, "model_weights/"), "/")
		if len(parts) < 2 || strings.HasPrefix(t.Name, "optimizer_weights/") {
			continue
		}
		top, layer, kind := parts[0], parts[len(parts)-2], strings.TrimSuffix(parts[len(parts)-1], ":0")
		if w[top] == nil {
			w[top] = map[string]map[string]raw.Tensor{}
		}
		if w[top][layer] == nil {
			w[top][layer] = map[string]raw.Tensor{}
		}
		w[top][layer][kind] = t
	}
	return w
}

// Layer is keras.Weights'.
func (w byName) Layer(steps []keras.Step) map[string]raw.Tensor {
	in := w[steps[0].Name]
	last := steps[len(steps)-1].Name
	if found := in[last]; found != nil {
		return found
	}
	if len(steps) > 1 || len(in) != 1 {
		return w[last][last] // TensorFlow.js does not name the models around a layer
	}
	for _, only := range in { // a layer that was renamed after it was built
		return only
	}
	return nil
}

// byPlace finds a layer's tensors in a .weights.h5 file by its class and its place in the list.
type byPlace map[string]map[int]raw.Tensor // group of the layer: its variables

func newByPlace(f *hdf5.File) byPlace {
	w := byPlace{}
	for _, t := range f.Tensors {
		dir, number := path.Split(t.Name)
		group, ok := strings.CutSuffix(dir, "/vars/")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 0 || strings.HasPrefix(t.Name, "optimizer/") {
			continue
		}
		if w[group] == nil {
			w[group] = map[int]raw.Tensor{}
		}
		w[group][n] = t
	}
	return w
}

// Layer is keras.Weights'.
func (w byPlace) Layer(steps []keras.Step) map[string]raw.Tensor {
	group := ""
	for _, s := range steps {
		name := keras.Snake(s.Class)
		if s.Place > 0 {
			name += "_" + strconv.Itoa(s.Place)
		}
		group = path.Join(group, "layers", name)
	}
	vars := w[group]
	last := steps[len(steps)-1]
	kinds := keras.Variables(last.Class, last.Config)
	if len(vars) == 0 || len(kinds) != len(vars) {
		return nil
	}
	out := map[string]raw.Tensor{}
	for i, kind := range kinds {
		t, ok := vars[i]
		if !ok {
			return nil
		}
		out[kind] = t
	}
	return out
}

// isKeras reports whether a ZIP archive is a .keras file.
func isKeras(z *zip.Reader) bool {
	return slices.ContainsFunc(z.File, func(f *zip.File) bool { return f.Name == "model.weights.h5" }) &&
		slices.ContainsFunc(z.File, func(f *zip.File) bool { return f.Name == "config.json" })
}

// maxModelJSON bounds config.json, and metadata.json.
const maxModelJSON = 32 << 20

// kerasZIP reads a .keras file.
func kerasZIP(z *zip.Reader, r io.ReaderAt, size int64) (*source, error) {
	seen := map[string]*zip.File{}
	for _, f := range z.File {
		if seen[f.Name] != nil {
			return nil, fmt.Errorf("the archive has two files called %q", f.Name)
		}
		seen[f.Name] = f
	}
	text, err := member(seen["config.json"])
	if err != nil {
		return nil, err
	}
	w := seen["model.weights.h5"]
	off, err := w.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("model.weights.h5 in the archive: %w", err)
	}
	n := int64(min(w.UncompressedSize64, 1<<62))
	if w.Method != zip.Store || off > size-n {
		return nil, errors.New("model.weights.h5 in the archive is compressed, which Keras never does, " +
			"or cut short: save the " +
			"model again")
	}
	h, err := hdf5.Read(io.NewSectionReader(r, off, n), n)
	if err != nil {
		return nil, fmt.Errorf("model.weights.h5 in the archive: %w", err)
	}
	src, err := kerasModel(text, newByPlace(h))
	if err == nil {
		var whole struct {
			Compiled json.RawMessage `json:"compile_config"`
		}
		if json.Unmarshal(text, &whole) == nil {
			err = src.trained(whole.Compiled)
		}
	}
	if err != nil || seen["metadata.json"] == nil {
		return src, err
	}
	about, err := member(seen["metadata.json"])
	if err != nil {
		return nil, err
	}
	var said map[string]any // Keras reads nothing of it but the version
	if json.Unmarshal(about, &said) != nil {
		return src, nil
	}
	return src, src.exported(func(key string) string {
		v, _ := said[key].(string)
		return v
	})
}

// member is the text of an archive's JSON file.
func member(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%s in the archive: %w", f.Name, err)
	}
	text, err := io.ReadAll(io.LimitReader(r, maxModelJSON+1))
	if err == nil && len(text) > maxModelJSON {
		err = fmt.Errorf("has more than %d bytes", maxModelJSON)
	}
	if err != nil {
		return nil, fmt.Errorf("%s in the archive: %w", f.Name, err)
	}
	return text, nil
}

// listOrder is the place that each convolution of Keras's InceptionV3 has in the list of layers, in
// the order of creation: weight files count in that list, which is sorted by depth.
var listOrder = []int{0, 1, 2, 3, 4, 8, 6, 9, 5, 7, 10, 11, 15, 13, 16, 12, 14, 17, 18, 22, 20, 23, 19, 21, 24, 25, 27,
	28, 26,
	29, 34, 35, 31, 36, 32, 37, 30, 33, 38, 39, 44, 45, 41, 46, 42, 47, 40, 43, 48, 49, 54, 55, 51, 56, 52, 57, 50, 53,
	58, 59,
	64, 65, 61, 66, 62, 67, 60, 63, 68, 69, 72, 73, 70, 74, 71, 75, 80, 77, 81, 78, 79, 82, 83, 76, 84, 89, 86, 90, 87,
	88, 91,
	92, 85, 93}

// placed is a group's name in a .weights.h5 file.
var placed = regexp.MustCompile(`^(.*?)(?:_(\d+))?$`)

// kerasPlaces reads a .weights.h5 file, which says neither what stands in front of the network nor
// what the layers' activations are.
func kerasPlaces(f *hdf5.File) (*source, error) {
	w := newByPlace(f)
	var list []raw.Tensor
	classes, trunk, extra, own := []string{}, "", "", true
	for _, g := range f.Groups {
		if dir, name := path.Split(g); name == "conv2d" {
			trunk = dir
		}
	}
	for _, g := range f.Groups {
		dir, name := path.Split(g)
		if path.Base(path.Clean(dir)) != "layers" && path.Base(path.Clean(dir)) != "_layer_checkpoint_dependencies" {
			continue
		}
		m := placed.FindStringSubmatch(name)
		class, place := m[1], 0
		if m[2] != "" {
			place, _ = strconv.Atoi(m[2]) // digits; a huge number is no place
		}
		classes = append(classes, class)
		if class == "batch_normalization" && (dir != trunk || place >= len(listOrder)) {
			extra = g
			continue
		}
		kinds := map[string][]string{"conv2d": {"kernel", "bias"}, "dense": {"kernel", "bias"},
			"batch_normalization": {"beta", "moving_mean", "moving_variance"}}[class]
		if class == "batch_normalization" && len(w[g]) == 4 {
			kinds = append([]string{"gamma"}, kinds...)
		}
		own = own && f.Texts[g+"/vars@name"] != "predictions"
		label := name // of dense layers: their place tells their order, names of their own do not
		if class != "dense" {
			if place >= len(listOrder) {
				return nil, fmt.Errorf("group %q is one more than InceptionV3's %d of its kind", g, len(listOrder))
			}
			label = class + "_" + strconv.Itoa(listOrder[place]+1)
		}
		for i, t := range w[g] {
			if i >= len(kinds) {
				return nil, tensorError(t, "is one variable more than a layer of class %q has in an InceptionV3", class)
			}
			t.Name = label + "/" + kinds[i]
			list = append(list, t)
		}
	}
	src, err := kerasNames(list)
	if err != nil {
		return nil, err
	}
	src.what, src.own = "Keras", own
	if extra != "" {
		src.fc, src.links, src.dense, src.headErr = nil, nil, nil,
			fmt.Errorf("has a batch norm %q behind its trunk, and weights alone do not say "+
				"where: save the whole model with model.save(\"x.keras\")", extra)
	}
	src.silent(classes)
	return src, nil
}

// preparing are the beginnings of the names, and the classes, of layers that people put in front of
// a network and that have no weights, or none that tell their use.
var preparing = []string{"rescaling", "normalization", "lambda", "tf.", "tf_op", "true_divide", "subtract", "multiply",
	"divide",
	"resizing", "center_crop"}

// silent refuses or doubts weights whose file has layers that only the model's JSON describes.
func (src *source) silent(layers []string) {
	averaged, highest, flattened := false, false, false
	for _, l := range layers {
		for _, p := range preparing {
			if strings.HasPrefix(l, p) {
				src.front = &front{err: fmt.Errorf("has a layer %q, whose constants only the whole model says: save it with "+
					"model.save(\"x.keras\"), or %w", l, errFront)}
			}
		}
		averaged = averaged || strings.HasPrefix(l, "global_average_pooling")
		highest = highest || strings.HasPrefix(l, "global_max_pooling")
		flattened = flattened || strings.HasPrefix(l, "flatten")
	}
	switch {
	case averaged && highest:
		src.fc, src.dense, src.headErr = nil, nil, errors.New("has both an average and a maximum pool behind its trunk, and "+
			"weights alone do not say how they meet: save the whole model with model.save(\"x.keras\")")
	case highest:
		src.reads = readsMaximum
	case flattened && !averaged: // behind an average there is nothing to flatten
		src.reads = readsCells
	}
	if src.fc != nil {
		src.doubts = append(src.doubts, "weights alone do not say the last layer's activation: softmax is taken")
		if src.reads != readsMean {
			src.links, src.fc, src.activation = []link{{kind: inception.LayerDense, dense: src.fc}}, nil, inception.Softmax
		}
	}
}
