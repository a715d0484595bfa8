package convert

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// Options change how a file is read; the zero value detects everything.
type Options struct {
	Flavor inception.Flavor // "" detects it from the file
	Labels string           // file with a label a line for the classifier; "" looks beside a graph of retrain.py's
	DType  string           // of what Convert writes: "f32" (also "") or "f16"

	// The recipe is the flavour's, or what rehead's own format says, except for what is set here.
	Mean, Std *[3]float32 // of the input, R, G, B in 0..255
	TrunkOnly bool        // leave out what follows the trunk
	Quantized bool        // take int8 weights however far their rounding is off
	Size      int         // side of the input in pixels, 75..4096; 0 leaves it; what is cropped stays in proportion

	// What a file without a graph does not say of its head: the activation behind each dense layer but
	// the last ("none", "relu", "relu6", "leaky_relu", "elu", "selu", "tanh", "sigmoid", "swish", "gelu",
	// "gelu_tanh", "softplus", "softsign", "mish" or "hard_swish"), and "softmax" or "sigmoid" behind the last.
	HeadActivation, HeadOutput string

	// What timm's class takes as arguments, and a state dict does not have: the global pool ("avg", "max",
	// "avgmax", "catavgmax"; "" takes avg) and what batch norms add to their variances (0 takes 1e-3).
	Pool    string
	Epsilon float64

	// Official, when set, tells a published file by the SHA-256 and the length of its bytes: its
	// flavour and recipe then hold, unless Flavor is set. See registry.Official.
	Official func(sha256 string, size int64) (inception.Flavor, picture.Recipe, bool)
}

// recipe applies what is asked for to a recipe.
func (o Options) recipe(r picture.Recipe) (picture.Recipe, error) {
	if o.Mean != nil {
		r.Mean = *o.Mean
	}
	if o.Std != nil {
		r.Std = *o.Std
	}
	if o.Size != 0 {
		if o.Size < inception.MinSize {
			return r, fmt.Errorf("the input is to have %d pixels a side, want at least %d", o.Size, inception.MinSize)
		}
		r = inception.Resized(r, o.Size)
	}
	return r, r.Validate()
}

// Load reads the weights in any supported file (see the package comment for which, and how kind and
// flavour are told). What is wrong with a tensor is a *inception.FormatError, which has its name
// and place; a file that is not there wraps fs.ErrNotExist. Every error names the file.
func Load(path string, o Options) (*inception.Weights, error) {
	if o.Flavor != "" {
		if _, err := inception.ParseFlavor(string(o.Flavor)); err != nil {
			return nil, err
		}
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w, _, err := load(f, o)
	return w, fileError(path, err)
}

// Result is what Convert wrote.
type Result struct {
	Weights *inception.Weights
	Model   *inception.Model // not nil when OUT is a model folder
}

// Convert reads the weights in a file of any supported kind and writes them to out, whole or not at
// all: a converted weight file, or, when in is a graph that retrain.py made and its labels are
// known, a whole model folder (trunk, head, labels, the recipe of 2015).
func Convert(in, out string, o Options) (*Result, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w, src, err := load(f, o)
	if err != nil {
		return nil, fileError(in, err)
	}
	res := &Result{Weights: w}
	if src != nil && src.headErr != nil && !o.TrunkOnly {
		return nil, fileError(in, fmt.Errorf("what follows its trunk cannot be read: %w; --trunk-only converts the trunk "+
			"without it", src.headErr))
	}
	if w.Head == nil && w.Reads != nil {
		return nil, fileError(in, fmt.Errorf("ends in the %v, and rehead's weight files in the last block's mean: "+
			"--trunk-only converts the trunk for use with that", w.Reads))
	}
	if w.Head == nil && (src == nil || !src.retrained() || w.Labels == nil) {
		return res, w.Write(out, o.DType)
	}
	if res.Model, err = inception.ModelFromWeights(w); err != nil {
		return nil, fileError(in, err)
	}
	return res, res.Model.Save(out, inception.SaveOptions{DType: o.DType})
}

// OpenModel opens a model: a folder or .tar.gz that inception.OpenModel reads, or a weight file of
// any supported kind that has a classifier. The file is opened once; what it is shows in its
// content. Labels of a classifier come from the file, from Options.Labels, or from beside a graph
// of retrain.py's, which must have them.
func OpenModel(path string, o Options) (*inception.Model, error) {
	stat, err := os.Stat(locate(path))
	if err != nil {
		return nil, err
	}
	if stat.IsDir() {
		if err := folder(path); err != nil {
			return nil, err
		}
		return inception.OpenModel(path)
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	packed := isGzip(f.head)
	m, err := f.model(o)
	switch {
	case err == nil:
		return m, nil
	case errors.Is(err, errKind):
		return nil, fmt.Errorf("%s is neither a model folder, its .tar.gz nor a weight file", path)
	case packed && f.format == "": // a model, or what is wrong with it
		return inception.DecodeModel(path, f.File, f.length)
	}
	return nil, fileError(path, err)
}

// model reads a weight file as a whole model.
func (f *file) model(o Options) (*inception.Model, error) {
	w, src, err := load(f, o)
	switch {
	case err != nil:
		return nil, err
	case src != nil && src.headErr != nil:
		return nil, fmt.Errorf("what follows its trunk cannot be read: %w; it can still be the trunk of rehead train",
			src.headErr)
	case w.Classes == 0 && w.Head == nil:
		return nil, errors.New("has no classifier: use it as the trunk of rehead train")
	case src != nil && src.retrained() && w.Labels == nil:
		return nil, fmt.Errorf("has %d classes, but their labels are not known: put output_labels.txt beside it, or "+
			"convert it with `rehead weights convert --labels FILE`", w.Classes)
	}
	return inception.ModelFromWeights(w)
}

// load reads the weights of an open file; the source is nil for rehead's own format.
func load(f *file, o Options) (*inception.Weights, *source, error) {
	if err := f.identify(); err != nil {
		return nil, nil, err
	}
	src, err := f.source()
	if err != nil {
		return nil, nil, err
	}
	var w *inception.Weights
	if src == nil && (o.Pool != "" || o.Epsilon != 0) {
		return nil, nil, errors.New("is rehead's own, which has its pool and its batch norms in it: leave out --pool and " +
			"--epsilon")
	}
	if src == nil {
		w, err = own(f, o)
	} else {
		w, err = src.read(f, o)
	}
	if err == nil {
		w.Recipe, err = o.recipe(w.Recipe)
	}
	if err == nil && o.TrunkOnly {
		w = w.TrunkOnly()
	}
	return w, src, err
}

// read assembles a foreign file.
func (src *source) read(f *file, o Options) (*inception.Weights, error) {
	var err error
	if src.sha256, err = f.digest(); err != nil {
		return nil, err
	}
	src.name, src.given = filepath.Base(f.path), o.Mean != nil && o.Std != nil
	if o.TrunkOnly {
		src.fc, src.links, src.headErr, src.refused, src.reads = nil, nil, nil, nil, readsMean
	} else if err := src.said(o); err != nil {
		return nil, err
	}
	switch {
	case o.Flavor != "":
		src.flavor, src.reason, src.open.flavor = o.Flavor, "as asked for", false
	case o.Official != nil:
		if flavor, recipe, ok := o.Official(src.sha256, f.length); ok {
			src.flavor, src.reason, src.recipe = flavor, "a published file, told by its SHA-256", &recipe
			src.open = undecided{}
		}
	}
	if err := src.decide(o); err != nil {
		return nil, err
	}
	if err := src.withLabels(f, o); err != nil {
		return nil, err
	}
	w, err := assemble(src)
	if err == nil && src.rounded && !o.Quantized {
		err = bearable(w)
	}
	return w, err
}

// own reads rehead's own format.
func own(f *file, o Options) (*inception.Weights, error) {
	w, err := inception.DecodeWeights(f.path, f.data, f.size)
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
