package inception

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/internal/atomicfile"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn"
)

// SaveOptions says what Save writes; the zero value stores everything in float32.
type SaveOptions struct {
	NoTrunk bool // store only the trunk's digest
	// of the trunk: "f32" (also "") or "f16", which gives it another digest and records the
	// self-test anew, unless it is Weights.Halved
	DType  string
	Report []byte // report.html; nil writes Model.Report, if there is one
}

// Save writes the model folder dir, whole or not at all: into a new folder beside it, which is
// synced and renamed. A model that is there already is replaced in one step (where the system has
// one); anything else that is there is refused and left alone. Where dir is a mount point, or the
// folder around it cannot be written, the files are written below dir and linked into place,
// model.json last; [OpenModel] takes the new model where that was cut short. Equal models give equal
// bytes.
func (m *Model) Save(dir string, opts SaveOptions) error {
	err := m.save(dir, opts)
	if err != nil {
		return fmt.Errorf("inception: save model %s: %w", dir, err)
	}
	return nil
}

func (m *Model) save(dir string, opts SaveOptions) error {
	files, doc, err := m.prepare(opts)
	if err != nil {
		return err
	}
	dir, state, err := findTarget(dir)
	if err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	if err := settle(dir); err != nil {
		return err
	}
	atomicfile.Sweep(parent)
	atomicfile.Sweep(dir)
	err = saveBeside(dir, files, doc)
	if err != nil && state != absent && !errors.As(err, new(*writeError)) {
		return saveInside(dir, files, doc)
	}
	return err
}

// part is one file of the model to be written.
type outFile struct {
	name  string
	write func(io.Writer) error
}

// prepare checks the model and says what to write.
func (m *Model) prepare(opts SaveOptions) ([]outFile, modelJSON, error) {
	fail := func(err error) ([]outFile, modelJSON, error) { return nil, modelJSON{}, err }
	if err := m.Validate(); err != nil {
		return fail(err)
	}
	if _, err := parseDType(opts.DType); err != nil {
		return fail(err)
	}
	doc, err := m.describe()
	if err != nil {
		return fail(err)
	}
	files := []outFile{
		{headFile, m.encodeHead},
		{labelsFile, content(labelsText(m.Labels))},
		{metricsFile, func(w io.Writer) error {
			data, err := indented(doc.Metrics)
			if err == nil {
				_, err = w.Write(data)
			}
			return err
		}},
	}
	if opts.Report == nil {
		opts.Report = m.Report
	}
	if m.ReportData != nil {
		files = append(files, outFile{reportData, content(string(m.ReportData))})
	}
	if opts.Report != nil {
		files = append(files, outFile{reportFile, content(string(opts.Report))})
	}
	files = slices.Concat(files, m.Neighbours.files(), m.Pictures.files())
	if opts.NoTrunk {
		selfTest, err := m.tested()
		if err != nil {
			return fail(err)
		}
		return append(files, selfTest.files()...), doc, nil
	}
	trunk, selfTest, err := m.stored(opts.DType)
	if err != nil {
		return fail(err)
	}
	doc.Trunk.DType, doc.Trunk.Digest = cmp.Or(opts.DType, "f32"), trunk.Digest
	files = append(files, selfTest.files()...)
	return append(files, outFile{trunkFile, func(w io.Writer) error {
		return trunk.encode(w, doc.Trunk.DType, false)
	}}), doc, nil
}

// content writes a file that is in memory.
func content(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// labelsText is labels.txt: a label a line.
func labelsText(labels []string) string { return strings.Join(labels, "\n") + "\n" }

// describe is the model's model.json, as far as it does not depend on the other files.
func (m *Model) describe() (doc modelJSON, err error) {
	doc = modelJSON{
		Format: modelFormat, Tool: m.ToolVersion, Labels: m.Labels, Flavor: m.Flavor, Width: m.Width, Recipe: m.Recipe,
		Head: headEntry{
			Classes: m.Head.Classes, Features: m.Head.Features, Temperature: m.temperature(),
			Activation: cmp.Or(m.Head.Activation, Softmax), Thresholds: m.Thresholds, Unknown: m.Unknown,
			Views:  m.Views,
			Layers: m.Head.entries(),
		},
		Trunk: trunkEntry{Digest: m.TrunkDigest}, Seed: m.Seed, Split: m.Split,
	}
	if m.Reads != nil {
		doc.Head.Reads = &readsEntry{*m.Reads, m.Reads.Columns != nil}
	}
	if p := m.Precision(); p != nn.Float32 {
		doc.Trunk.Precision, doc.Trunk.Ranges = p, m.Ranges
	}
	if doc.Training, err = object(m.Training); err == nil {
		doc.Metrics, err = object(m.Metrics)
	}
	return doc, err
}

// stored returns the trunk as it will be read from a file of that type, and the self-test that
// belongs to it.
func (m *Model) stored(dtype string) (*Weights, *SelfTest, error) {
	if m.Trunk == nil {
		return nil, nil, errors.New("the model has no trunk: attach the weights it was trained on, or leave " +
			"the trunk out on purpose")
	}
	trunk := m.Trunk.TrunkOnly().WithRecipe(m.Recipe)
	if dtype == "f16" {
		var err error
		if trunk, err = trunk.Halved(); err != nil {
			return nil, nil, err
		}
		if m.SelfTest != nil && trunk.Digest != m.TrunkDigest {
			selfTest, err := m.rerecord(trunk, m.SelfTest.Pictures)
			return trunk, selfTest, err
		}
	}
	if m.SelfTest == nil {
		pictures, err := drawnPictures()
		if err != nil {
			return nil, nil, err
		}
		selfTest, err := m.rerecord(trunk, pictures)
		return trunk, selfTest, err
	}
	return trunk, m.SelfTest, nil
}

// tested is the self-test of a model that is saved without its trunk: recorded, where there is none
// and the trunk is at hand.
func (m *Model) tested() (*SelfTest, error) {
	if m.SelfTest != nil || m.Trunk == nil {
		return m.SelfTest, nil
	}
	_, selfTest, err := m.stored("f32")
	return selfTest, err
}

func (m *Model) encodeHead(w io.Writer) error {
	h := &m.Head
	tensors := append([]safetensors.Tensor{
		{Name: "weight", DType: safetensors.F32, Shape: []int{h.Classes, h.Inputs()}, Values: h.W},
		{Name: "bias", DType: safetensors.F32, Shape: []int{h.Classes}, Values: h.B},
	}, h.layerTensors()...)
	if m.Reads != nil && m.Reads.Columns != nil {
		mask := m.Reads.columnMask(m.Width)
		tensors = append(tensors, safetensors.Tensor{Name: columnsTensor, DType: safetensors.U8, Shape: []int{len(mask)},
			Data: mask})
	}
	return safetensors.Write(w, map[string]string{"format": headFormat}, tensors)
}

// rerecord is a self-test of the model with a trunk, which may be another, computed on the CPU.
func (m *Model) rerecord(trunk *Weights, pictures [][]byte) (*SelfTest, error) {
	other := *m
	other.Trunk, other.TrunkDigest = trunk, trunk.Digest
	c, err := NewClassifier(&other, nn.Config{Device: "cpu", Lean: true})
	if err != nil {
		return nil, err
	}
	s, err := c.Record(context.Background(), pictures...)
	return s, errors.Join(err, c.Close())
}

// parts is the self-test's file, if there is a self-test.
func (s *SelfTest) files() []outFile {
	if s == nil {
		return nil
	}
	return []outFile{{selfTestFile, s.encode}}
}

func (s *SelfTest) encode(w io.Writer) error {
	n := len(s.Pictures)
	tensors := []safetensors.Tensor{
		{Name: "bottlenecks", DType: safetensors.F32, Shape: []int{n, len(s.Bottlenecks[0])},
			Values: slices.Concat(s.Bottlenecks...)},
		{Name: "logits", DType: safetensors.F32, Shape: []int{n, len(s.Logits[0])}, Values: slices.Concat(s.Logits...)},
	}
	for i, p := range s.Pictures {
		tensors = append(tensors, safetensors.Tensor{Name: "picture." + strconv.Itoa(i), DType: safetensors.U8,
			Shape: []int{len(p)}, Data: p})
	}
	return safetensors.Write(w, map[string]string{"format": selfTestFormat}, tensors)
}

// target is what stands at the place of the model to be saved.
type target int

const (
	absent target = iota
	empty
	present // a rehead model and nothing else
)

// CheckTarget says, before a long run begins, whether Save would refuse to write to dir or could
// not.
func CheckTarget(dir string) error {
	dir, state, err := findTarget(dir)
	if err == nil {
		if err = probe(filepath.Dir(dir)); err != nil && state != absent {
			err = probe(dir)
		}
	}
	if err != nil {
		return fmt.Errorf("inception: save model %s: %w", dir, err)
	}
	return nil
}

// probe reports why nothing can be written into a folder, or, where it is not there yet, into the
// one that it would be made in.
func probe(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) && filepath.Dir(dir) != dir {
		return probe(filepath.Dir(dir))
	}
	temp, unlock, err := atomicfile.MakeFolder(dir)
	if err != nil {
		return err
	}
	return errors.Join(unlock(), os.RemoveAll(temp))
}

// findTarget follows links to the model's place, and says what stands there. A folder that the
// process works in would be renamed from under it.
func findTarget(name string) (string, target, error) {
	if name == "" {
		return name, absent, errors.New("the folder has no name")
	}
	dir, err := filepath.Abs(name)
	if err != nil {
		return name, absent, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	here, err := os.Getwd()
	if err == nil {
		here, err = filepath.EvalSymlinks(here)
	}
	if rel, e := filepath.Rel(dir, here); err == nil && e == nil && filepath.IsLocal(rel) || filepath.Dir(dir) == dir {
		return name, absent, errors.New("it is the folder that this program works in, or one around it: name another")
	}
	state, err := inspectTarget(dir)
	return dir, state, err
}

// inspectTarget refuses what must not be replaced. A folder that others have put another in the
// place of while it was looked at is looked at again.
func inspectTarget(dir string) (target, error) {
	for range 100 {
		stat, err := os.Lstat(dir)
		if errors.Is(err, os.ErrNotExist) {
			return absent, nil
		}
		if err != nil {
			return absent, err
		}
		if !stat.IsDir() {
			return absent, errors.New("there is a file of this name: name another folder")
		}
		state, err := inspectFolder(dir)
		if now, e := os.Lstat(dir); e == nil && os.SameFile(stat, now) {
			return state, err
		}
	}
	return absent, errors.New("others put folders there all the time: try again")
}

// inspectFolder is inspectTarget for a folder that is there.
func inspectFolder(dir string) (target, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return absent, err
	}
	model := false
	for _, e := range list {
		switch name := e.Name(); {
		case name == modelJSONFile:
			if model = isModel(filepath.Join(dir, name)); !model {
				return absent, fmt.Errorf("%s in it was not written by rehead: name another folder", modelJSONFile)
			}
		case strings.HasPrefix(name, atomicfile.TempPrefix), e.Type().IsRegular() && slices.Contains(modelFiles(), name):
		default:
			return absent, fmt.Errorf("the folder holds %s, which is not part of a rehead model: move it away "+
				"or name another folder", name)
		}
	}
	switch {
	case onlyUnfinished(list): // nothing of a model that was being saved has its name yet
		return empty, nil
	case !model && unfinished(dir) == dir:
		return absent, fmt.Errorf("the folder is neither empty nor a rehead model (it has no %s): name another folder",
			modelJSONFile)
	}
	return present, nil
}

// onlyUnfinished says whether a folder holds nothing but what is being saved, or was when its process
// was killed.
func onlyUnfinished(list []os.DirEntry) bool {
	return !slices.ContainsFunc(list, func(e os.DirEntry) bool {
		return !strings.HasPrefix(e.Name(), atomicfile.TempPrefix)
	})
}

// isModel reports whether the file begins as a model.json of any version does.
func isModel(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // only read
	begin := make([]byte, 64)
	n, _ := io.ReadFull(file, begin) // a short file is judged by what it has
	return strings.HasPrefix(string(begin[:n]), "{\n  \"format\": \"rehead-model/")
}

// writeError is a failure that another place would not mend.
type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

// writeAll writes the files and model.json into the folder dir, which it removes when it fails.
func writeAll(dir string, files []outFile, doc modelJSON) error {
	doc.Files = make(map[string]fileEntry, len(files))
	err := func() error {
		for _, f := range files {
			h := sha256.New()
			count := &counter{}
			err := atomicfile.WriteNew(filepath.Join(dir, f.name), func(w io.Writer) error {
				return f.write(io.MultiWriter(w, h, count))
			})
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			doc.Files[f.name] = fileEntry{count.n, hex.EncodeToString(h.Sum(nil))}
		}
		data, err := doc.seal()
		if err != nil {
			return err
		}
		err = atomicfile.WriteNew(filepath.Join(dir, modelJSONFile), func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
		if err != nil {
			return err
		}
		return atomicfile.SyncFolder(dir)
	}()
	if err != nil {
		return &writeError{errors.Join(err, os.RemoveAll(dir))}
	}
	return nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// saveBeside writes a folder next to dir and puts it in dir's place.
func saveBeside(dir string, files []outFile, doc modelJSON) error {
	parent := filepath.Dir(dir)
	temp, unlock, err := atomicfile.MakeFolder(parent)
	if err != nil {
		return err
	}
	if err := writeAll(temp, files, doc); err != nil {
		return errors.Join(err, unlock())
	}
	if runtime.GOOS == "windows" { // which renames no folder that holds an open file
		err = unlock()
	}
	// what others put there in the meantime is replaced as if it had been there before
	for try := 0; err == nil; try++ {
		var state target
		if state, err = inspectTarget(dir); err != nil {
			break
		}
		if err = replace(temp, dir, state); err == nil {
			_ = os.Remove(filepath.Join(dir, atomicfile.LockName)) // gone with the folder where another has replaced it
			return errors.Join(unlock(), atomicfile.SyncFolder(parent))
		}
		if try < 100 && (errors.Is(err, os.ErrExist) || errors.Is(err, os.ErrNotExist)) {
			err = nil
		}
	}
	return errors.Join(err, unlock(), os.RemoveAll(temp))
}

// replace renames temp to dir and removes what was there.
func replace(temp, dir string, state target) error {
	switch state {
	case empty:
		if err := os.Remove(dir); err != nil {
			return err
		}
	case present:
		if swapFolders(temp, dir) == nil {
			return os.RemoveAll(temp) // the old model, which holds nothing else
		}
		old := atomicfile.TempName(filepath.Dir(dir))
		if err := os.Rename(dir, old); err != nil {
			return err
		}
		if err := os.Rename(temp, dir); err != nil {
			return errors.Join(err, os.Rename(old, dir))
		}
		return os.RemoveAll(old)
	}
	return os.Rename(temp, dir)
}
