package convert

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/pth"
	"github.com/c236555e/rehead/inception/convert/raw"
)

// Options change how a file is read; the zero value detects everything.
type Options struct {
	Flavor inception.Flavor // "" detects it from the file
}

// Load reads the weights in any supported file: rehead's own safetensors, or a PyTorch .pth (see the package comment
// for how the kind and the flavour are told).
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
	w, err := load(f, o)
	return w, fileError(path, err)
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
	path   string
	size   int64
	head   []byte
	format string // "safetensors", "pth", "pth-stream"
}

// The kinds of file that are told apart.
const (
	formatSafetensors = "safetensors"
	formatZIP         = "pth"
	formatStream      = "pth-stream"
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
	f := &file{File: osf, path: path}
	if err == nil {
		f.size = st.Size()
		f.head = make([]byte, min(f.size, 512))
		_, err = io.ReadFull(osf, f.head)
	}
	if err == nil {
		f.format, err = sniff(f.head, f.size)
	}
	if err != nil {
		osf.Close() //nolint:errcheck // only read from
		return nil, fileError(path, err)
	}
	return f, nil
}

// sniff tells the kind of a file by its first bytes.
func sniff(head []byte, size int64) (string, error) {
	switch {
	case size == 0:
		return "", fmt.Errorf("is empty: fetch the weight file again")
	case pth.IsZIP(head):
		return formatZIP, nil
	case pth.IsStream(head):
		return formatStream, nil
	case isSafetensors(head, size):
		return formatSafetensors, nil
	}
	return "", fmt.Errorf("is no weight file that rehead knows: want safetensors or a PyTorch .pth")
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

// load reads the weights of an open file.
func load(f *file, o Options) (*inception.Weights, error) {
	var src *source
	switch f.format {
	case formatSafetensors:
		w, err := inception.ReadWeights(f.path)
		if err != nil || o.Flavor == "" || o.Flavor == w.Flavor {
			return w, err
		}
		return inception.NewWeights(o.Flavor, w.Width, w.Source, w.Tensors)
	case formatZIP, formatStream:
		tensors, err := pth.Read(f, f.size)
		if err != nil {
			return nil, err
		}
		if src, err = torchNames(tensors); err != nil {
			return nil, err
		}
	}
	src.name = filepath.Base(f.path)
	if o.Flavor != "" {
		src.flavor = o.Flavor
	}
	return assemble(src)
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
