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
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception/safetensors"
	"github.com/c236555e/rehead/internal/atomicfile"
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
// folder around it cannot be written, the files are written below dir and moved into place,
// model.json last. Equal models give equal bytes.
func (m *Model) Save(dir string, opts SaveOptions) error {
	err := m.save(dir, opts)
	if err != nil {
		return fmt.Errorf("inception: save model %s: %w", dir, err)
	}
	return nil
}

func (m *Model) save(dir string, opts SaveOptions) error {
	files, man, err := m.prepare(opts)
	if err != nil {
		return err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	state, err := inspectTarget(dir)
	if err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	err = saveBeside(dir, state, files, man)
	if err != nil && state != absent && !errors.As(err, new(*writeError)) {
		return saveInside(dir, files, man)
	}
	return err
}

// part is one file of the model to be written.
type part struct {
	name  string
	write func(io.Writer) error
}

// prepare checks the model and says what to write.
func (m *Model) prepare(opts SaveOptions) ([]part, manifest, error) {
	man := manifest{Format: ModelFormat}
	if err := m.Validate(); err != nil {
		return nil, man, err
	}
	if _, err := parseDType(opts.DType); err != nil {
		return nil, man, err
	}
	man.Tool, man.Labels, man.Flavor, man.Width, man.Recipe = m.ToolVersion, m.Labels, m.Flavor, m.Width, m.Recipe
	man.Head = headEntry{
		Classes: m.Head.Classes, Features: m.Head.Features, Temperature: m.temperature(),
		Activation: cmp.Or(m.Head.Activation, Softmax), Thresholds: m.Thresholds, Unknown: m.Unknown,
	}
	man.Trunk.Digest, man.Seed, man.Split = m.TrunkDigest, m.Seed, m.Split
	if m.Ranges != nil {
		man.Trunk.Precision, man.Trunk.Ranges = m.Precision(), m.Ranges
	}
	var err error
	if man.Training, err = object(m.Training); err != nil {
		return nil, man, err
	}
	if man.Metrics, err = object(m.Metrics); err != nil {
		return nil, man, err
	}
	files := []part{
		{headFile, m.Head.encode},
		{labelsFile, func(w io.Writer) error {
			_, err := io.WriteString(w, strings.Join(m.Labels, "\n")+"\n")
			return err
		}},
		{metricsFile, func(w io.Writer) error {
			data, err := indented(man.Metrics)
			if err == nil {
				_, err = w.Write(data)
			}
			return err
		}},
	}
	if report := opts.Report; report != nil || m.Report != nil {
		if report == nil {
			report = m.Report
		}
		files = append(files, part{reportFile, func(w io.Writer) error {
			_, err := w.Write(report)
			return err
		}})
	}
	files = append(files, m.Neighbours.parts()...)
	selfTest := m.SelfTest
	if opts.NoTrunk {
		return append(files, selfTest.parts()...), man, nil
	}
	if m.Trunk == nil {
		return nil, man, errors.New("the model has no trunk: attach the weights it was trained on, or leave " +
			"the trunk out on purpose")
	}
	trunk := m.Trunk.trunkOnly().WithRecipe(m.Recipe)
	man.Trunk.DType = "f32"
	if opts.DType == "f16" {
		if trunk, err = trunk.Halved(); err != nil {
			return nil, man, err
		}
		if selfTest != nil && trunk.Digest != m.TrunkDigest {
			if selfTest, err = m.rerecord(trunk); err != nil {
				return nil, man, err
			}
		}
		man.Trunk.DType, man.Trunk.Digest = "f16", trunk.Digest
	}
	files = append(files, selfTest.parts()...)
	return append(files, part{trunkFile, func(w io.Writer) error {
		return trunk.encode(w, man.Trunk.DType, false)
	}}), man, nil
}

func (h *Head) encode(w io.Writer) error {
	return safetensors.Write(w, map[string]string{"format": headFormat}, []safetensors.Tensor{
		{Name: "weight", DType: safetensors.F32, Shape: []int{h.Classes, h.Features}, Values: h.W},
		{Name: "bias", DType: safetensors.F32, Shape: []int{h.Classes}, Values: h.B},
	})
}

// rerecord is the model's self-test with the answers of another trunk, computed on the CPU.
func (m *Model) rerecord(trunk *Weights) (*SelfTest, error) {
	other := *m
	other.Trunk, other.TrunkDigest = trunk, trunk.Digest
	c, err := NewClassifier(&other, nn.Config{Device: "cpu"})
	if err != nil {
		return nil, err
	}
	s, err := c.Record(context.Background(), m.SelfTest.Pictures...)
	return s, errors.Join(err, c.Close())
}

// parts is the self-test's file, if there is a self-test.
func (s *SelfTest) parts() []part {
	if s == nil {
		return nil
	}
	return []part{{selfTestFile, s.encode}}
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

// CheckTarget says, before a long run begins, whether Save would refuse to write to dir.
func CheckTarget(dir string) error {
	if _, err := inspectTarget(dir); err != nil {
		return fmt.Errorf("inception: save model %s: %w", dir, err)
	}
	return nil
}

// inspectTarget refuses whatever must not be replaced.
func inspectTarget(dir string) (target, error) {
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
	list, err := os.ReadDir(dir)
	if err != nil {
		return absent, err
	}
	model := false
	for _, e := range list {
		switch name := e.Name(); {
		case name == manifestFile:
			if model = isModel(filepath.Join(dir, name)); !model {
				return absent, fmt.Errorf("%s in it was not written by rehead: name another folder", manifestFile)
			}
		case strings.HasPrefix(name, atomicfile.TempPrefix), e.Type().IsRegular() && slices.Contains(modelFiles(), name):
		default:
			return absent, fmt.Errorf("the folder holds %s, which is not of a rehead model: move it away "+
				"or name another folder", name)
		}
	}
	if len(list) == 0 {
		return empty, nil
	}
	if !model {
		return absent, fmt.Errorf("the folder is neither empty nor a rehead model (it has no %s): name another folder",
			manifestFile)
	}
	return present, nil
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

// writeAll writes the files and model.json into the new folder dir, which it removes when it fails.
func writeAll(dir string, files []part, man manifest) error {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	man.Files = make(map[string]entry, len(files))
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
			man.Files[f.name] = entry{count.n, hex.EncodeToString(h.Sum(nil))}
		}
		data, err := man.seal()
		if err != nil {
			return err
		}
		err = atomicfile.WriteNew(filepath.Join(dir, manifestFile), func(w io.Writer) error {
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
func saveBeside(dir string, state target, files []part, man manifest) error {
	parent := filepath.Dir(dir)
	temp := atomicfile.TempName(parent)
	if err := writeAll(temp, files, man); err != nil {
		return err
	}
	err := replace(temp, dir, state)
	if err != nil {
		return errors.Join(err, os.RemoveAll(temp))
	}
	return atomicfile.SyncFolder(parent)
}

// replace renames temp to dir and removes what was there.
func replace(temp, dir string, state target) error {
	switch state {
	case empty:
		if err := os.Remove(dir); err != nil {
			return err
		}
	case present:
		if exchange(temp, dir) == nil {
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

// saveInside writes below dir, which exists, and moves the files into place. Without model.json,
// which goes first and comes last, the folder is no model.
func saveInside(dir string, files []part, man manifest) error {
	temp := atomicfile.TempName(dir)
	if err := writeAll(temp, files, man); err != nil {
		return err
	}
	for _, name := range append([]string{manifestFile}, modelFiles()...) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return errors.Join(err, os.RemoveAll(temp))
		}
	}
	for _, f := range append(slices.Clone(files), part{name: manifestFile}) {
		if err := os.Rename(filepath.Join(temp, f.name), filepath.Join(dir, f.name)); err != nil {
			return errors.Join(err, os.RemoveAll(temp))
		}
	}
	return errors.Join(os.Remove(temp), atomicfile.SyncFolder(dir))
}
