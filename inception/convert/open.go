package convert

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/ckpt"
	"github.com/c236555e/rehead/inception/convert/internal/coreml"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/graphdef"
	"github.com/c236555e/rehead/inception/convert/internal/hdf5"
	"github.com/c236555e/rehead/inception/convert/internal/mxnet"
	"github.com/c236555e/rehead/inception/convert/internal/onnx"
	"github.com/c236555e/rehead/inception/convert/internal/openvino"
	"github.com/c236555e/rehead/inception/convert/internal/paddle"
	"github.com/c236555e/rehead/inception/convert/internal/pth"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/tfjs"
	"github.com/c236555e/rehead/inception/convert/internal/tflite"
	"github.com/c236555e/rehead/inception/internal/files"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/internal/tarfile"
)

// file is an open weight file.
type file struct {
	*os.File
	data   io.ReaderAt // what is read: the file itself, or what was unpacked from it
	path   string
	size   int64      // of data
	length int64      // of the file
	head   []byte     // the first bytes of data
	format string     // once it was identified
	from   *unpacked  // nil for a file that is not packed
	sha256 string     // once it was asked for
	beside []*os.File // further files of a checkpoint
}

// Close closes the file and those beside it, which were only read from.
func (f *file) Close() {
	for _, g := range append(f.beside, f.File) {
		_ = g.Close()
	}
}

// shardName is how TensorFlow calls the files beside a checkpoint's index.
var shardName = regexp.MustCompile(`^(.*)\.data-\d{5}-of-\d{5}$`)

// locate returns the file that a path stands for: a checkpoint of the second version is known by
// its prefix, and by each of its files.
func locate(path string) string {
	if filepath.Base(path) == "checkpoint" {
		path = pointed(path)
	}
	prefix := path
	if isSavedModel(path) {
		return filepath.Join(path, savedModelFile)
	}
	if isPackage(path) {
		return filepath.Join(path, packageModel)
	}
	if isTFJS(path) {
		return filepath.Join(path, tfjsModel)
	}
	for values, network := range map[string]string{".bin": ".xml", paddleValues: ".json"} { // OpenVINO's, Paddle's
		if stem, ok := strings.CutSuffix(path, values); ok {
			if _, err := os.Stat(stem + network); err == nil {
				return stem + network
			}
		}
	}
	if m := shardName.FindStringSubmatch(path); m != nil {
		prefix = m[1]
	} else if _, err := os.Stat(path); err == nil {
		return path
	}
	if _, err := os.Stat(prefix + ".index"); err == nil {
		return prefix + ".index"
	}
	return path
}

// latest is what TensorFlow's text file "checkpoint" says first: which checkpoint beside it is the last.
var latest = regexp.MustCompile(`^model_checkpoint_path: "(?:[^"]*[/\\\\])?([^"/\\\\]+)"`)

// pointed is the checkpoint that such a file names, or path itself. Folders in the name are left out:
// they are those of the computer that wrote it.
func pointed(path string) string {
	f, _, err := files.Open(path)
	if err != nil {
		return path
	}
	defer f.Close() //nolint:errcheck // only read from
	head := make([]byte, 4096)
	n, _ := io.ReadFull(f, head)
	if m := latest.FindSubmatch(head[:n]); m != nil {
		return filepath.Join(filepath.Dir(path), string(m[1]))
	}
	return path
}

// shards opens the files that hold the values of a checkpoint's index.
func (f *file) shards() ckpt.Shard {
	prefix, ok := strings.CutSuffix(f.path, ".index")
	if !ok || f.from != nil {
		return nil
	}
	return f.shardsOf(prefix)
}

// shardsOf opens the files of values that belong to a prefix.
func (f *file) shardsOf(prefix string) ckpt.Shard {
	return func(i, n int) (io.ReaderAt, int64, error) {
		g, size, err := files.Open(fmt.Sprintf("%s.data-%05d-of-%05d", prefix, i, n))
		if err != nil {
			return nil, 0, fmt.Errorf("its values are not beside the index: %w", err)
		}
		f.beside = append(f.beside, g)
		return g, size, nil
	}
}

// neighbour opens files in the folder of this one, and below it, but nothing outside.
func (f *file) neighbour() onnx.Open {
	if f.from != nil {
		return nil
	}
	return func(name string) (io.ReaderAt, int64, error) {
		g, err := os.OpenInRoot(filepath.Dir(f.path), name)
		if err != nil {
			return nil, 0, err
		}
		f.beside = append(f.beside, g)
		st, err := g.Stat()
		if err == nil && !st.Mode().IsRegular() {
			err = fmt.Errorf("%s is not a regular file", name)
		}
		if err != nil {
			return nil, 0, err
		}
		return g, st.Size(), nil
	}
}

// peek reads the first bytes.
func (f *file) peek() error {
	f.head = make([]byte, min(f.size, 512))
	return raw.ReadFull(f.data, f.head, 0)
}

// The kinds of file that are told apart.
const (
	formatSafetensors = "safetensors"
	formatZIP         = "pth"
	formatStream      = "pth-stream"
	formatKeras       = "keras"
	formatTFJS        = "tfjs"
	formatTFLite      = "tflite"
	formatSavedModel  = "savedmodel"
	formatHDF5        = "hdf5"
	formatONNX        = "onnx"
	formatONNXText    = "onnx as text"
	formatONNXJSON    = "onnx as json"
	formatGraphDef    = "graphdef"
	formatCheckpoint  = "checkpoint"
	formatOpenVINO    = "openvino"
	formatCoreML      = "coreml"
	formatPaddle      = "paddle"
	formatProgram     = "paddle program"
	formatMXNet       = "mxnet"
)

// open opens a regular file and reads its first bytes.
func open(path string) (*file, error) {
	path = locate(path)
	if err := folder(path); err != nil {
		return nil, err
	}
	osf, size, err := files.Open(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	f := &file{File: osf, data: osf, path: path, size: size, length: size}
	if err := f.peek(); err != nil {
		f.Close()
		return nil, fileError(path, err)
	}
	return f, nil
}

// identify unpacks a file that is packed and tells its kind.
func (f *file) identify() (err error) {
	if isGzip(f.head) {
		f.from, err = unpack(bufio.NewReaderSize(io.NewSectionReader(f.File, 0, f.length), 1<<16), f.length)
		if err != nil {
			return err
		}
		f.data, f.size = f.from.data, f.from.data.size
		if err := f.peek(); err != nil {
			return err
		}
	}
	f.format, err = sniff(f.head, f.size, f.data)
	return err
}

// sniff tells the kind of a file by its first bytes.
func sniff(head []byte, size int64, r io.ReaderAt) (string, error) {
	switch {
	case size == 0:
		return "", fmt.Errorf("is empty: fetch the weight file again")
	case pth.IsZIP(head):
		return formatZIP, nil
	case pth.IsStream(head):
		return formatStream, nil
	case hdf5.Is(head):
		return formatHDF5, nil
	case isSafetensors(head):
		return formatSafetensors, nil
	case tflite.Is(head):
		return formatTFLite, nil
	case paddle.IsProgram(head):
		return formatProgram, nil
	case paddle.IsOld(head):
		return "", errors.New(sayPaddle)
	case onnx.IsJSON(head):
		return formatONNXJSON, nil
	case head[0] == '{':
		return formatTFJS, nil
	case ckpt.Is(r, size):
		return formatCheckpoint, nil
	case graphdef.IsSavedModel(head):
		return formatSavedModel, nil
	case coreml.Is(head):
		return formatCoreML, nil
	case onnx.Is(head):
		return formatONNX, nil
	case graphdef.Is(head):
		return formatGraphDef, nil
	case ckpt.Begins(head):
		return formatCheckpoint, nil // cut short, which its reader says
	case paddle.Is(head):
		return formatPaddle, nil
	case mxnet.Is(head):
		return formatMXNet, nil
	case tarfile.Is(head): // what torch.save wrote in 2016, or any other
		return "", errors.New("is a tar archive, as the first PyTorch wrote: load it with PyTorch and save it again with " +
			"torch.save(net.state_dict(), path); unpack any other archive first")
	}
	switch {
	case openvino.Is(head):
		return formatOpenVINO, nil
	case onnx.IsText(head):
		return formatONNXText, nil
	}
	if err := unreadable(head); err != nil {
		return "", err
	}
	return "", errKind
}

// errKind says that a file's first and last bytes are not those of a kind that this package reads.
var errKind = errors.New("is not a weight file that rehead knows: want safetensors, a PyTorch .pth, " +
	"a Keras .keras or .h5, " +
	"an ONNX file (binary, text or JSON), a .pt2, a SavedModel, a frozen TensorFlow graph, a TensorFlow checkpoint, " +
	"a .tflite, TensorFlow.js's model.json, OpenVINO's .xml, Core ML's .mlmodel or .mlpackage, MXNet's .params or " +
	"Paddle's .pdparams or .json with its .pdiparams")

// isSafetensors: the length of a header that a file may have, then a JSON object.
func isSafetensors(head []byte) bool {
	if len(head) < 9 || head[8] != '{' {
		return false
	}
	n := binary.LittleEndian.Uint64(head)
	return n >= 2 && n <= 100<<20
}

// source maps the tensors of a foreign file; it is nil for rehead's own format.
func (f *file) source() (*source, error) {
	switch f.format {
	case formatSafetensors:
		return safetensorsSource(f)
	case formatZIP:
		return zipSource(f)
	case formatStream:
		return torchSource(f)
	case formatHDF5:
		h, err := hdf5.Read(f.data, f.size)
		if err != nil {
			return nil, err
		}
		return kerasHDF5(h)
	case formatTFLite:
		g, rounded, err := tflite.Read(f.data, f.size)
		if err != nil {
			return nil, err
		}
		return tfliteSource(g, rounded)
	case formatTFJS:
		m, err := tfjs.Read(f.data, f.size, tfjs.Open(f.neighbour()))
		if err != nil {
			return nil, err
		}
		return tfjsSource(m)
	case formatONNX:
		return f.onnx(onnx.Read)
	case formatONNXText:
		return f.onnx(onnx.ReadText)
	case formatONNXJSON:
		return f.onnx(onnx.ReadJSON)
	case formatCheckpoint:
		return checkpointSource(f)
	case formatOpenVINO:
		return openvinoSource(f)
	case formatCoreML:
		return coremlSource(f)
	case formatPaddle:
		return paddleSource(f)
	case formatProgram:
		return paddleProgram(f)
	case formatMXNet:
		return mxnetSource(f)
	case formatSavedModel:
		return savedSource(f)
	case formatGraphDef:
		g, err := graphdef.Read(f.data, f.size)
		if err != nil {
			return nil, err
		}
		return tfSource(g)
	}
	return nil, fmt.Errorf("has no reader for its kind, %s", f.format)
}

// safetensorsSource maps a safetensors file of PyTorch's names; it is nil for rehead's own.
func safetensorsSource(f *file) (*source, error) {
	st, err := safetensors.New(f.path, f.data, f.size)
	if err != nil || st.Metadata["format"] == inception.Format {
		return nil, err
	}
	tensors, err := fromSafetensors(st, f.data, f.size)
	if err != nil {
		return nil, err
	}
	read := torchNames
	if slices.ContainsFunc(tensors, func(t raw.Tensor) bool { return strings.HasSuffix(t.Name, "/moving_variance") }) {
		read = kerasNames
	}
	src, err := read(tensors)
	if err != nil {
		return nil, err
	}
	src.what = "safetensors"
	if err := src.exported(func(key string) string { return st.Metadata[key] }); err != nil {
		return nil, err
	}
	return src, src.besideConfig(f.path)
}

// zipSource maps a ZIP archive, which Keras and PyTorch write.
func zipSource(f *file) (*source, error) {
	if z, err := zip.NewReader(f.data, f.size); err == nil {
		if isKeras(z) {
			f.format = formatKeras
			return kerasZIP(z, f.data, f.size)
		}
		if src, err := programSource(f, z); src != nil || err != nil {
			return src, err
		}
	}
	return torchSource(f)
}

// onnx maps a model that read reads.
func (f *file) onnx(read func(io.ReaderAt, int64, onnx.Open) (*graph.Graph, error)) (*source, error) {
	g, err := read(f.data, f.size, f.neighbour())
	if err != nil {
		return nil, err
	}
	return onnxSource(g)
}

// torchSource maps what torch.save wrote.
func torchSource(f *file) (*source, error) {
	p, err := pth.Read(f.data, f.size)
	if err != nil {
		return nil, err
	}
	src, err := torchNames(p.Tensors)
	if err != nil {
		return nil, err
	}
	if p.Modules != nil {
		if err := src.whole(p.Modules); err != nil {
			return nil, err
		}
	}
	if len(p.Packed) > 0 {
		src.doubts = append(src.doubts, fmt.Sprintf("the weights of %s are int8, as dynamic quantisation left them, and "+
			"taken for their real values", strings.Join(p.Packed[:min(len(p.Packed), 4)], ", ")))
	}
	if strings.Contains(p.Nest, "ema") {
		src.doubts = append(src.doubts, fmt.Sprintf("the averaged weights, %q, are taken", p.Nest))
	}
	return src, src.besideConfig(f.path)
}

// checkpointSource maps a TensorFlow checkpoint, of Keras's objects or of TF-Slim's names.
func checkpointSource(f *file) (*source, error) {
	tensors, err := ckpt.Read(f.data, f.size, f.shards())
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(tensors, func(t raw.Tensor) bool { return t.Name == ckpt.ObjectGraph }) {
		return objectSource(f, tensors)
	}
	return slimNames(tensors)
}

// fromSafetensors lists the tensors of a file that others wrote.
func fromSafetensors(st *safetensors.File, r io.ReaderAt, size int64) ([]raw.Tensor, error) {
	types := map[safetensors.DType]raw.DType{
		safetensors.F16: raw.F16, safetensors.BF16: raw.BF16, safetensors.F32: raw.F32, safetensors.F64: raw.F64,
		safetensors.I64: raw.I64, safetensors.I32: raw.I32, safetensors.I16: raw.I16, safetensors.I8: raw.I8,
		safetensors.U8: raw.U8, safetensors.BOOL: raw.Bool,
	}
	out := make([]raw.Tensor, 0, len(st.Tensors))
	for _, i := range st.Tensors {
		t := raw.Tensor{Name: i.Name, Shape: i.Shape, DType: types[i.DType], Offset: i.Offset}
		load, err := raw.Dense(r, size, i.Offset, i.Elements(), t.DType)
		if err != nil {
			return nil, tensorError(t, "%v", err)
		}
		t.Load = load
		out = append(out, t)
	}
	return out, nil
}
