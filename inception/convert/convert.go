package convert

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/ckpt"
	"github.com/c236555e/rehead/inception/convert/graphdef"
	"github.com/c236555e/rehead/inception/convert/hdf5"
	"github.com/c236555e/rehead/inception/convert/onnx"
	"github.com/c236555e/rehead/inception/convert/pth"
	"github.com/c236555e/rehead/inception/convert/raw"
	"github.com/c236555e/rehead/inception/safetensors"
)

// Options change how a file is read; the zero value detects everything.
type Options struct {
	Flavor inception.Flavor // "" detects it from the file
	Labels string           // file with a label a line for the classifier; "" looks beside a graph of retrain.py's
	DType  string           // of what Convert writes: "f32" (also "") or "f16"
}

// Load reads the weights in any supported file (see the package comment for which, and how kind and flavour are told).
func Load(path string) (*inception.Weights, error) { return LoadWith(path, Options{}) }

// LoadWith is Load with options.
func LoadWith(path string, o Options) (*inception.Weights, error) {
	if o.Flavor != "" {
		if _, err := inception.ParseFlavor(string(o.Flavor)); err != nil {
			return nil, err
		}
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read from
	w, _, err := load(f, o)
	return w, fileError(path, err)
}

// Result is what Convert wrote.
type Result struct {
	Weights *inception.Weights
	Model   *inception.Model // not nil when OUT is a model folder
}

// Convert reads the weights in a file of any supported kind and writes them to out, whole or not at all: a converted
// weight file, or, when in is a graph that retrain.py made and its labels are known, a whole model folder (trunk,
// head, labels, the recipe of 2015).
func Convert(in, out string, o Options) (*Result, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read from
	w, src, err := load(f, o)
	if err != nil {
		return nil, fileError(in, err)
	}
	res := &Result{Weights: w}
	if src == nil || !src.retrained() || w.Labels == nil {
		return res, w.Write(out, o.DType)
	}
	if res.Model, err = inception.ModelFromWeights(w); err != nil {
		return nil, fileError(in, err)
	}
	return res, res.Model.Save(out, inception.SaveOptions{DType: o.DType})
}

// LoadModel reads a file of any supported kind that has a classifier as a whole model. Labels come from the file, from
// Options.Labels, or from beside a graph of retrain.py's, which must have them.
func LoadModel(path string, o Options) (*inception.Model, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read from
	w, src, err := load(f, o)
	if err == nil && w.Classes == 0 {
		err = errors.New("has no classifier: use it as the trunk of rehead train")
	}
	if err == nil && src != nil && src.retrained() && w.Labels == nil {
		err = fmt.Errorf("has %d classes, but their labels are not known: put output_labels.txt beside it, or name the file with --labels", w.Classes)
	}
	if err != nil {
		return nil, fileError(path, err)
	}
	m, err := inception.ModelFromWeights(w)
	return m, fileError(path, err)
}

// Resolve returns the weights that a reference of the command line names: "random" or "random:WIDTH" for made-up ones
// (seed 0, 1000 classes), or the path of a supported file.
func Resolve(ref string) (*inception.Weights, error) {
	switch name, arg, has := strings.Cut(ref, ":"); {
	case ref == "":
		return nil, fmt.Errorf("convert: no weights are named: give the path of a weight file, or random for made-up weights")
	case name == "random":
		width := 1.0
		if has {
			var err error
			if width, err = strconv.ParseFloat(arg, 64); err != nil || !(width > 0) {
				return nil, fmt.Errorf("convert: width %q of %q is not a positive number: write random:0.25, for example", arg, ref)
			}
		}
		return inception.Random(inception.RandomConfig{Width: width, Classes: 1000})
	}
	return Load(ref)
}

// file is an open weight file.
type file struct {
	*os.File
	data   io.ReaderAt // what is read: the file itself, or what was unpacked from it
	path   string
	size   int64 // of data
	length int64 // of the file
	head   []byte
	format string
	from   *unpacked // nil for a file that is not packed
	sha256 string    // once it was asked for
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
	formatHDF5        = "hdf5"
	formatONNX        = "onnx"
	formatGraphDef    = "graphdef"
	formatCheckpoint  = "checkpoint"
)

// open opens a regular file and tells its kind.
func open(path string) (*file, error) {
	osf, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	st, err := osf.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("is not a regular file: give the weight file itself")
	}
	f := &file{File: osf, data: osf, path: path}
	if err == nil {
		f.size, f.length = st.Size(), st.Size()
		err = f.peek()
	}
	if err == nil && isGzip(f.head) {
		f.from, err = unpack(bufio.NewReaderSize(io.NewSectionReader(osf, 0, f.length), 1<<16))
		if err == nil {
			f.data, f.size = f.from.data, f.from.data.size
			err = f.peek()
		}
	}
	if err == nil {
		f.format, err = sniff(f.head, f.size, f.data)
	}
	if err != nil {
		osf.Close() //nolint:errcheck // only read from
		return nil, fileError(path, err)
	}
	return f, nil
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
	case isSafetensors(head, size):
		return formatSafetensors, nil
	case ckpt.Is(r, size):
		return formatCheckpoint, nil
	case onnx.Is(head):
		return formatONNX, nil
	case graphdef.Is(head):
		return formatGraphDef, nil
	}
	return "", fmt.Errorf("is no weight file that rehead knows: want safetensors, a PyTorch .pth, a Keras .h5, an ONNX file, a frozen TensorFlow graph or a TF-slim .ckpt")
}

// isSafetensors: a header length that fits the file, then a JSON object.
func isSafetensors(head []byte, size int64) bool {
	if len(head) < 9 || head[8] != '{' {
		return false
	}
	n := uint64(0)
	for i := 7; i >= 0; i-- {
		n = n<<8 | uint64(head[i])
	}
	return n >= 2 && n <= 100<<20
}

// load reads the weights of an open file; the source is nil for rehead's own format.
func load(f *file, o Options) (*inception.Weights, *source, error) {
	src, err := f.source()
	if err != nil {
		return nil, nil, err
	}
	if src == nil {
		w, err := own(f, o)
		return w, nil, err
	}
	if src.sha256, err = f.digest(); err != nil {
		return nil, nil, err
	}
	src.name = filepath.Base(f.path)
	if o.Flavor != "" {
		src.flavor, src.reason, src.recipe = o.Flavor, "as asked for", nil
	}
	if err := src.withLabels(f, o); err != nil {
		return nil, nil, err
	}
	w, err := assemble(src)
	return w, src, err
}

// own reads rehead's own format.
func own(f *file, o Options) (*inception.Weights, error) {
	w, err := inception.ReadWeights(f.path)
	if err != nil || o.Flavor == "" || o.Flavor == w.Flavor {
		return w, err
	}
	other, err := inception.NewWeights(o.Flavor, w.Width, w.Source, w.Tensors)
	if err != nil {
		return nil, err
	}
	other.Labels = w.Labels
	return other, nil
}

// source maps the tensors of a foreign file; it is nil for rehead's own format.
func (f *file) source() (*source, error) {
	switch f.format {
	case formatSafetensors:
		st, err := safetensors.New(f.path, f.data, f.size)
		if err != nil || st.Metadata["format"] == inception.Format && f.from == nil {
			return nil, err
		}
		tensors, err := fromSafetensors(st, f.data, f.size)
		if err != nil {
			return nil, err
		}
		src, err := torchNames(tensors)
		if err == nil {
			src.what = "safetensors"
		}
		return src, err
	case formatZIP, formatStream:
		tensors, err := pth.Read(f.data, f.size)
		if err != nil {
			return nil, err
		}
		return torchNames(tensors)
	case formatHDF5:
		tensors, err := hdf5.Read(f.data, f.size)
		if err != nil {
			return nil, err
		}
		return kerasNames(tensors)
	case formatONNX:
		g, err := onnx.Read(f.data, f.size)
		if err != nil {
			return nil, err
		}
		return onnxSource(g)
	case formatCheckpoint:
		tensors, err := ckpt.Read(f.data, f.size)
		if err != nil {
			return nil, err
		}
		return slimNames(tensors)
	case formatGraphDef:
		g, err := graphdef.Read(f.data, f.size)
		if err != nil {
			return nil, err
		}
		return tfSource(g)
	}
	return nil, fmt.Errorf("is of a kind that has no reader: %s", f.format)
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

// fileError puts the file in front of an error that does not name it yet.
func fileError(path string, err error) error {
	switch e := err.(type) { //nolint:errorlint // only an error that is itself a FormatError lacks just the file's name
	case nil:
		return nil
	case *inception.FormatError:
		if e.File == "" {
			e.File = path
		}
		return e
	}
	if strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("convert: %s: %w", path, err)
}

// tensorError is a FormatError about one tensor of the file.
func tensorError(t raw.Tensor, format string, args ...any) error {
	return &inception.FormatError{Tensor: t.Name, Offset: t.Offset, Reason: fmt.Sprintf(format, args...)}
}
