package inception

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception/safetensors"
	"github.com/c236555e/rehead/nn"
)

// The values of "format" in the metadata of a model's safetensors.
const (
	headFormat     = "rehead-head/1"
	selfTestFormat = "rehead-selftest/1"
)

// Bounds on what OpenModel reads.
const (
	maxManifest = 64 << 20  // model.json
	maxPart     = 256 << 20 // any other file but the trunk, whose size follows from its width
	maxArchive  = 768 << 20 // everything in an archive, unpacked
)

// OpenModel reads a model folder, the same packed as .tar.gz, or a converted weight file that has a
// classifier. What it is shows in its content, not its name. Every digest is checked: a file that
// was changed, cut short or left out is a *FormatError that names it. Archives are unpacked in
// memory. Files that rehead does not know are passed over.
func OpenModel(path string) (*Model, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if stat.IsDir() {
		return openParts(folder(path))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	var magic [2]byte
	if _, err := io.ReadFull(file, magic[:]); err == nil && magic == [2]byte{0x1f, 0x8b} {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		a, err := unpack(path, file)
		if err != nil {
			return nil, err
		}
		return openParts(a)
	}
	w, err := ReadWeights(path)
	if err != nil {
		return nil, fmt.Errorf("inception: open model: neither a folder, a .tar.gz nor a weight file: %w", err)
	}
	m, err := ModelFromWeights(w)
	if err != nil {
		return nil, fmt.Errorf("inception: open model %s: %w", path, err)
	}
	return m, nil
}

// openParts reads the model from its files.
func openParts(p parts) (*Model, error) {
	names, err := p.names()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, manifestFile) {
		return nil, &FormatError{File: p.label(manifestFile), Offset: -1,
			Reason: "is missing: this is no rehead model; name one that `rehead train` made"}
	}
	data, err := slurp(p, manifestFile, maxManifest)
	if err != nil {
		return nil, err
	}
	man, err := parseManifest(p.label(manifestFile), data)
	if err != nil {
		return nil, err
	}
	if err := man.covers(p, names); err != nil {
		return nil, err
	}
	m := &Model{
		Labels: man.Labels, Head: Head{Classes: man.Head.Classes, Features: man.Head.Features,
			Activation: man.Head.Activation},
		Temperature: man.Head.Temperature, Thresholds: man.Head.Thresholds,
		Recipe: man.Recipe, Flavor: man.Flavor, Width: man.Width, TrunkDigest: man.Trunk.Digest, Ranges: man.Trunk.Ranges,
		Unknown: man.Head.Unknown, Seed: man.Seed, Split: man.Split, ToolVersion: man.Tool,
	}
	if got := cmp.Or(man.Trunk.Precision, nn.Float32); got != m.Precision() {
		return nil, &FormatError{File: p.label(manifestFile), Offset: -1,
			Reason: fmt.Sprintf("got precision %q and %d ranges, want %s without or %s with ranges: train again",
				got, len(m.Ranges), nn.Float32, nn.Int8)}
	}
	if m.Head.Activation == Softmax {
		m.Head.Activation = "" // which means it: models of older versions say nothing
	}
	if m.Training, err = object(man.Training); err != nil {
		return nil, err
	}
	if m.Metrics, err = object(man.Metrics); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(man.Files)) {
		if err := m.take(p, name, man.Files[name]); err != nil {
			return nil, err
		}
	}
	if err := m.Validate(); err != nil {
		return nil, &FormatError{File: p.label(manifestFile), Offset: -1,
			Reason: "its parts do not fit each other: train again", Err: err}
	}
	return m, nil
}

// covers checks that the files which are there are the files which are listed.
func (man *manifest) covers(p parts, names []string) error {
	for _, name := range modelFiles() {
		_, listed := man.Files[name]
		wanted := listed || name == headFile || name == labelsFile || name == metricsFile || name == trunkFile &&
			man.Trunk.DType != ""
		switch there := slices.Contains(names, name); {
		case wanted && !there:
			return &FormatError{File: p.label(name), Offset: -1,
				Reason: "is missing, though " + manifestFile + " lists it: restore the model or train again"}
		case there && !listed:
			return &FormatError{File: p.label(name), Offset: -1,
				Reason: manifestFile + " does not list it: remove it, or restore the model"}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(man.Files)) {
		if !slices.Contains(modelFiles(), name) {
			return &FormatError{File: p.label(manifestFile), Offset: -1,
				Reason: fmt.Sprintf("lists %q, which is no file of a model: restore the model or train again", name)}
		}
	}
	return nil
}

// take reads one file into the model and checks it against its entry.
func (m *Model) take(p parts, name string, e entry) error {
	if name == trunkFile {
		return m.takeTrunk(p, e)
	}
	data, err := slurp(p, name, maxPart)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	if err := e.check(p.label(name), int64(len(data)), sum[:]); err != nil {
		return err
	}
	switch name {
	case headFile:
		return m.takeHead(p.label(name), data)
	case selfTestFile:
		return m.takeSelfTest(p.label(name), data)
	case labelsFile:
		if string(data) != strings.Join(m.Labels, "\n")+"\n" {
			return &FormatError{File: p.label(name), Offset: -1,
				Reason: "does not have the labels of " + manifestFile + ": restore the model or train again"}
		}
	case neighboursFile:
		return m.takeNeighbours(p.label(name), data)
	case reportFile:
		m.Report = data
	}
	return nil
}

// check compares a file with what model.json says of it.
func (e entry) check(name string, size int64, sum []byte) error {
	if size != e.Bytes {
		return &FormatError{File: name, Offset: -1,
			Reason: fmt.Sprintf("got %d bytes, want %d: restore the file or train again", size, e.Bytes)}
	}
	if got := hex.EncodeToString(sum); got != e.SHA256 {
		return &FormatError{File: name, Offset: -1,
			Reason: fmt.Sprintf("was changed after it was written (SHA-256 %.16s..., want %.16s...): restore "+
				"the file or train again", got, e.SHA256)}
	}
	return nil
}

// takeTrunk hashes the file while it reads the weights.
func (m *Model) takeTrunk(p parts, e entry) error {
	b, err := p.open(trunkFile)
	if err != nil {
		return err
	}
	defer func() { _ = b.close() }() // only read
	name := p.label(trunkFile)
	hashed := make(chan error, 1)
	go func() {
		h := sha256.New()
		_, err := io.CopyBuffer(h, io.NewSectionReader(b, 0, b.size), make([]byte, 1<<18))
		if err == nil {
			err = e.check(name, b.size, h.Sum(nil))
		}
		hashed <- err
	}()
	w, err := func() (*Weights, error) {
		f, err := safetensors.New(name, b, b.size)
		if err != nil {
			return nil, err
		}
		return weightsFrom(f)
	}()
	if e := <-hashed; e != nil { // says more than what a changed byte did to the content
		return e
	}
	if err != nil {
		return err
	}
	if w.Classes > 0 {
		return &FormatError{File: name, Tensor: "fc.weight", Offset: -1,
			Reason: "a model's trunk has no classifier: train again"}
	}
	if w, err = m.quantized(w); err != nil {
		return &FormatError{File: p.label(manifestFile), Offset: -1, Reason: "its ranges will not do: train again", Err: err}
	}
	m.Trunk = w.WithRecipe(m.Recipe)
	return nil
}

func (m *Model) takeHead(name string, data []byte) error {
	f, err := safetensors.New(name, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	h := &m.Head
	if err := wantFormat(f, headFormat, 2); err != nil {
		return err
	}
	if h.W, err = matrix(f, "weight", h.Classes, h.Features); err != nil {
		return err
	}
	h.B, err = matrix(f, "bias", h.Classes)
	return err
}

func (m *Model) takeSelfTest(name string, data []byte) error {
	f, err := safetensors.New(name, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	n := len(f.Tensors) - 2
	if err := wantFormat(f, selfTestFormat, n+2); err != nil {
		return err
	}
	bottlenecks, err := matrix(f, "bottlenecks", n, m.Head.Features)
	if err != nil {
		return err
	}
	logits, err := matrix(f, "logits", n, m.Head.Classes)
	if err != nil {
		return err
	}
	s := &SelfTest{}
	for i := range n {
		info, ok := f.Lookup("picture." + strconv.Itoa(i))
		if !ok || info.DType != safetensors.U8 {
			return &FormatError{File: name, Tensor: "picture." + strconv.Itoa(i), Offset: -1,
				Reason: "is missing or not of bytes: train again"}
		}
		picture, err := f.Bytes(info)
		if err != nil {
			return err
		}
		s.Pictures = append(s.Pictures, picture)
		s.Bottlenecks = append(s.Bottlenecks, bottlenecks[i*m.Head.Features:(i+1)*m.Head.Features])
		s.Logits = append(s.Logits, logits[i*m.Head.Classes:(i+1)*m.Head.Classes])
	}
	m.SelfTest = s
	return nil
}

func wantFormat(f *safetensors.File, format string, tensors int) error {
	if got := f.Metadata["format"]; got != format || len(f.Tensors) != tensors {
		return &FormatError{File: f.Name, Offset: -1,
			Reason: fmt.Sprintf("got format %q and %d tensors, want %q and %d: train again", got, len(f.Tensors), format,
				tensors)}
	}
	return nil
}

// matrix reads a float32 tensor of exactly this shape.
func matrix(f *safetensors.File, name string, shape ...int) ([]float32, error) {
	info, ok := f.Lookup(name)
	if !ok || !slices.Equal(info.Shape, shape) || info.DType != safetensors.F32 {
		return nil, &FormatError{File: f.Name, Tensor: name, Offset: info.Offset,
			Reason: fmt.Sprintf("got %s %v, want F32 %v: train again", info.DType, info.Shape, shape)}
	}
	values := make([]float32, info.Elements())
	return values, f.Float32(info, values, nil)
}
