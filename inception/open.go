package inception

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"

	"github.com/c236555e/rehead/inception/internal/files"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn"
)

// The values of "format" in the metadata of a model's safetensors.
const (
	headFormat     = "rehead-head/1"
	selfTestFormat = "rehead-selftest/1"
)

// Bounds on what OpenModel reads.
const (
	maxModelJSON = 64 << 20  // model.json
	maxPart      = 256 << 20 // any other file but the trunk, whose size follows from its width
	maxArchive   = 768 << 20 // everything in an archive, unpacked
	maxText      = 64 << 20  // metrics.json, labels.txt, report.html and what it is made from

	// of an archive, how many times its size it may unpack to, beyond a first part: weights hardly
	// shrink, and the texts beside them are small
	maxGrowth, freeGrowth = 8, 64 << 20
)

// mostBytes bounds a file of a model, in bytes.
func mostBytes(name string) int64 {
	switch name {
	case modelJSONFile:
		return maxModelJSON
	case metricsFile, labelsFile, reportFile, reportData:
		return maxText
	case trunkFile:
		return maxArchive
	}
	return maxPart
}

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
		return readModel(folder(unfinished(path)))
	}
	file, size, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	return DecodeModel(path, file, size)
}

// DecodeModel is OpenModel for a file of size bytes that is open already; errors call it name.
func DecodeModel(name string, r io.ReaderAt, size int64) (*Model, error) {
	if r == nil {
		return nil, errors.New("inception: open model: got no file")
	}
	var magic [2]byte
	if _, err := r.ReadAt(magic[:], 0); err == nil && magic == [2]byte{0x1f, 0x8b} {
		a, err := unpack(name, io.NewSectionReader(r, 0, size), min(maxArchive, freeGrowth+maxGrowth*size))
		if err != nil {
			return nil, err
		}
		return readModel(a)
	}
	w, err := DecodeWeights(name, r, size)
	if err != nil {
		return nil, fmt.Errorf("inception: open model: neither a folder, a .tar.gz nor a weight file: %w", err)
	}
	m, err := ModelFromWeights(w)
	if err != nil {
		return nil, fmt.Errorf("inception: open model %s: %w", name, err)
	}
	return m, nil
}

// readModel reads the model from its files.
func readModel(src source) (*Model, error) {
	names, err := src.names()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, modelJSONFile) {
		return nil, &FormatError{File: src.path(modelJSONFile), Offset: -1,
			Reason: "is missing: this is not a rehead model; name one that `rehead train` made"}
	}
	data, err := readFile(src, modelJSONFile)
	if err != nil {
		return nil, err
	}
	doc, err := parseModelJSON(src.path(modelJSONFile), data)
	if err != nil {
		return nil, err
	}
	if err := doc.covers(src, names); err != nil {
		return nil, err
	}
	m := &Model{
		Labels: doc.Labels, Head: Head{Classes: doc.Head.Classes, Features: doc.Head.Features,
			Activation: doc.Head.Activation, Before: layers(doc.Head.Layers)},
		Temperature: doc.Head.Temperature, Thresholds: doc.Head.Thresholds,
		Recipe: doc.Recipe, Flavor: doc.Flavor, Width: doc.Width, TrunkDigest: doc.Trunk.Digest, Ranges: doc.Trunk.Ranges,
		Unknown: doc.Head.Unknown, Views: doc.Head.Views, Seed: doc.Seed, Split: doc.Split, ToolVersion: doc.Tool,
	}
	selected := false
	if r := doc.Head.Reads; r != nil {
		m.Reads, selected = &r.Features, r.Selected
	}
	m.BFloat16 = doc.Trunk.Precision == nn.BFloat16
	if got := cmp.Or(doc.Trunk.Precision, nn.Float32); got != m.Precision() {
		return nil, &FormatError{File: src.path(modelJSONFile), Offset: -1,
			Reason: fmt.Sprintf("got precision %q and %d ranges, want %s or %s without or %s with ranges: train again",
				got, len(m.Ranges), nn.Float32, nn.BFloat16, nn.Int8)}
	}
	if m.Head.Activation == Softmax {
		m.Head.Activation = "" // which means it: models of older versions say nothing
	}
	if m.Training, err = object(doc.Training); err != nil {
		return nil, err
	}
	if m.Metrics, err = object(doc.Metrics); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Files)) {
		if err := m.take(src, name, doc.Files[name], selected); err != nil {
			return nil, err
		}
	}
	if err := m.Validate(); err != nil {
		return nil, &FormatError{File: src.path(modelJSONFile), Offset: -1,
			Reason: "its parts do not fit each other: train again", Err: err}
	}
	return m, nil
}

// covers checks that the files which are there are the files which are listed.
func (doc *modelJSON) covers(src source, names []string) error {
	for _, name := range modelFiles() {
		_, listed := doc.Files[name]
		wanted := listed || name == headFile || name == labelsFile || name == metricsFile || name == trunkFile &&
			doc.Trunk.DType != ""
		switch there := slices.Contains(names, name); {
		case wanted && !there:
			return &FormatError{File: src.path(name), Offset: -1,
				Reason: "is missing, though " + modelJSONFile + " lists it: restore the model or train again"}
		case there && !listed:
			return &FormatError{File: src.path(name), Offset: -1,
				Reason: modelJSONFile + " does not list it: remove it, or restore the model"}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Files)) {
		if !slices.Contains(modelFiles(), name) {
			return &FormatError{File: src.path(modelJSONFile), Offset: -1,
				Reason: fmt.Sprintf("lists %q, which is not a file of a model: restore the model or train again", name)}
		}
	}
	return nil
}

// take reads one file into the model and checks it against its entry. selected says that the head's
// has the columns that it reads.
func (m *Model) take(src source, name string, e fileEntry, selected bool) error {
	if name == trunkFile {
		return m.takeTrunk(src, e)
	}
	data, err := readFile(src, name)
	if err != nil {
		return err
	}
	if err := e.check(src.path(name), bytes.NewReader(data), int64(len(data))); err != nil {
		return err
	}
	switch name {
	case headFile:
		return m.takeHead(src.path(name), data, selected)
	case selfTestFile:
		return m.takeSelfTest(src.path(name), data)
	case labelsFile:
		if string(data) != labelsText(m.Labels) {
			return &FormatError{File: src.path(name), Offset: -1,
				Reason: "does not have the labels of " + modelJSONFile + ": restore the model or train again"}
		}
	case neighboursFile:
		return m.takeNeighbours(src.path(name), data)
	case picturesFile:
		return m.takePictures(src.path(name), data)
	case reportFile:
		m.Report = data
	case reportData:
		m.ReportData = data
	}
	return nil
}

// check compares a file with what model.json says of it.
func (e fileEntry) check(name string, r io.ReaderAt, size int64) error {
	if size != e.Bytes {
		return &FormatError{File: name, Offset: -1,
			Reason: fmt.Sprintf("got %d bytes, want %d: restore the file or train again", size, e.Bytes)}
	}
	got, err := files.SHA256(io.NewSectionReader(r, 0, size))
	if err != nil {
		return &FormatError{File: name, Offset: -1, Reason: "cannot be read", Err: err}
	}
	if got != e.SHA256 {
		return &FormatError{File: name, Offset: -1,
			Reason: fmt.Sprintf("was changed after it was written (SHA-256 %.16s..., want %.16s...): restore "+
				"the file or train again", got, e.SHA256)}
	}
	return nil
}

// takeTrunk hashes the file while it reads the weights.
func (m *Model) takeTrunk(src source, e fileEntry) error {
	b, err := src.open(trunkFile)
	if err != nil {
		return err
	}
	defer func() { _ = b.close() }() // only read
	name := src.path(trunkFile)
	hashed := make(chan error, 1)
	go func() { hashed <- e.check(name, b, b.size) }()
	w, err := DecodeWeights(name, b, b.size)
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
	if w.Recipe != m.Recipe {
		return &FormatError{File: src.path(modelJSONFile), Offset: -1,
			Reason: "its recipe is not that of its trunk: restore the file or train again"}
	}
	if w, err = m.inPrecision(w); err != nil {
		return &FormatError{File: src.path(modelJSONFile), Offset: -1, Reason: "its ranges are not valid: train again",
			Err: err}
	}
	m.Trunk = w.WithRecipe(m.Recipe)
	return nil
}

func (m *Model) takeHead(name string, data []byte, selected bool) error {
	f, err := safetensors.New(name, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	h := &m.Head
	tensors := 2 + len(h.layerTensors())
	if selected {
		tensors++
	}
	if err := wantFormat(f, headFormat, tensors); err != nil {
		return err
	}
	if selected {
		if err := m.Reads.takeColumns(f, m.Width); err != nil {
			return err
		}
	}
	if err := h.takeLayers(f); err != nil {
		return err
	}
	if h.W, err = matrix(f, "weight", h.Classes, h.Inputs()); err != nil {
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
