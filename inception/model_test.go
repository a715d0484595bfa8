package inception

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
)

// sketch is an encoded drawn picture.
func sketch(t testing.TB, class, i int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, draw.Picture(class, i, 1)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// small is a whole model with everything in it.
func small(t testing.TB) *Model {
	t.Helper()
	w := tiny(t, TF2015)
	m, err := ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	m.Labels = []string{"C++", "daisy & <rose>", "日本"}
	m.Temperature = 1.25
	m.Seed = math.MaxUint64
	m.Split = Split{Validation: 0.2, Test: -1, Salt: "s", Rule: 2}
	m.Training = json.RawMessage(`{"l2":1e-4,"deep":{"a":[1,2]},"Deep":"<&>"}`)
	m.Metrics = json.RawMessage(`{"test_accuracy":0.9375}`)
	m.ToolVersion = "v0.0.1"
	m.Report = []byte("<html>report</html>")
	c, err := NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if m.SelfTest, err = c.Record(context.Background(), sketch(t, 0, 0), sketch(t, 1, 0)); err != nil {
		t.Fatal(err)
	}
	return m
}

// contents reads a whole folder.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range list {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

func mustSave(t testing.TB, m *Model, dir string, opts SaveOptions) {
	t.Helper()
	if err := m.Save(dir, opts); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t testing.TB, path string) *Model {
	t.Helper()
	m, err := OpenModel(path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sameModel compares all but the trunk's tensors and the layout of JSON.
func sameModel(t *testing.T, got, want *Model) {
	t.Helper()
	a, b := *got, *want
	for _, m := range []*Model{&a, &b} {
		var err error
		if m.Training, err = object(m.Training); err != nil {
			t.Fatal(err)
		}
		if m.Metrics, err = object(m.Metrics); err != nil {
			t.Fatal(err)
		}
		m.Temperature, m.Trunk = m.temperature(), nil
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("got %+v\nwant %+v", a, b)
	}
	if (got.Trunk == nil) != (want.Trunk == nil) {
		t.Errorf("a trunk: got %v, want %v", got.Trunk != nil, want.Trunk != nil)
	} else if got.Trunk != nil {
		if d := equalWeights(got.Trunk, want.Trunk); d != "" {
			t.Errorf("the trunk's %s differs", d)
		}
	}
}

// TestModelRoundTrip: save -> open -> save gives the same model and the same bytes, with every
// option.
func TestModelRoundTrip(t *testing.T) {
	full := small(t)
	bare := *full
	bare.SelfTest, bare.Report, bare.Training, bare.Metrics, bare.Temperature = nil, nil, nil, nil, 0
	halved := *full
	var err error
	if halved.Trunk, err = full.Trunk.Halved(); err != nil {
		t.Fatal(err)
	}
	halved.TrunkDigest = halved.Trunk.Digest
	for _, c := range []struct {
		name  string
		model *Model
		opts  SaveOptions
		files int
	}{
		{"full", full, SaveOptions{}, 7},
		{"bare", &bare, SaveOptions{DType: "f32"}, 6}, // a self-test comes with the trunk
		{"float16", &halved, SaveOptions{DType: "f16"}, 7},
		{"no trunk", full, SaveOptions{NoTrunk: true}, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			first, second := filepath.Join(dir, "new", "first"), filepath.Join(dir, "second")
			mustSave(t, c.model, first, c.opts)
			got := mustOpen(t, first)
			want := *c.model
			if want.SelfTest == nil {
				want.SelfTest = got.SelfTest
			}
			if c.opts.NoTrunk {
				want.Trunk = nil
			}
			sameModel(t, got, &want)
			mustSave(t, got, second, c.opts)
			a, b := contents(t, first), contents(t, second)
			if len(a) != c.files || !reflect.DeepEqual(a, b) {
				t.Errorf("got %d files, want %d; equal: %v", len(a), c.files, reflect.DeepEqual(a, b))
			}
			if !c.opts.NoTrunk {
				return
			}
			if _, err := NewClassifier(got, nn.Config{}); err == nil || !strings.Contains(err.Error(), "without its trunk") {
				t.Errorf("a classifier without a trunk: %v", err)
			}
			if err := got.AttachTrunk(tiny(t, Keras)); err == nil || !strings.Contains(err.Error(), "not the one") {
				t.Errorf("a foreign trunk was attached: %v", err)
			}
			if err := got.AttachTrunk(tiny(t, TF2015)); err != nil || got.Trunk.Classes != 0 {
				t.Errorf("the model's own trunk, with a classifier: %v", err)
			}
			sameModel(t, got, full)
		})
	}
}

// TestModelFloat16: a trunk that is rounded on the way out is another trunk, and the model says so.
func TestModelFloat16(t *testing.T) {
	m := small(t)
	dir := filepath.Join(t.TempDir(), "m")
	mustSave(t, m, dir, SaveOptions{DType: "f16"})
	got := mustOpen(t, dir)
	if got.TrunkDigest == m.TrunkDigest || got.TrunkDigest != got.Trunk.Digest {
		t.Errorf("got trunk digest %s, from %s", got.TrunkDigest, m.TrunkDigest)
	}
	c, err := NewClassifier(got, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Check(context.Background()); err != nil {
		t.Errorf("float16 storage moved the answers too far: %v", err)
	}
}

// TestModelChangedByte changes bytes of every file, cuts it short and takes it away.
func TestModelChangedByte(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	mustSave(t, small(t), dir, SaveOptions{DType: "f16"})
	for name, good := range contents(t, dir) {
		path := filepath.Join(dir, name)
		step := 1 + len(good)/16
		for at := 0; at < len(good); at += step {
			bad := []byte(good)
			bad[at] ^= 1 << (at % 8)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := OpenModel(dir)
			var format *FormatError
			if !errors.As(err, &format) || format.File != path {
				t.Fatalf("%s with byte %d changed: got %v, want a FormatError that names it", name, at, err)
			}
		}
		for _, n := range []int{0, 1, len(good) / 2, len(good) - 1} {
			if err := os.WriteFile(path, []byte(good[:n]), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenModel(dir); err == nil || !strings.Contains(err.Error(), path) {
				t.Fatalf("%s cut to %d bytes: got %v", name, n, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenModel(dir); err == nil || !strings.Contains(err.Error(), path) ||
			!strings.Contains(err.Error(), "missing") {
			t.Fatalf("without %s: got %v", name, err)
		}
		if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustOpen(t, dir)
}

// TestModelJSONChangedByte changes every byte of a model.json.
func TestModelJSONChangedByte(t *testing.T) {
	doc := modelJSON{Format: modelFormat, Labels: []string{"a", "b"}, Training: json.RawMessage("{}"),
		Metrics: json.RawMessage("{}")}
	good, err := doc.seal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseModelJSON("m", good); err != nil {
		t.Fatal(err)
	}
	for at := range good {
		bad := slices.Clone(good)
		bad[at] ^= 1 << (at % 8)
		if _, err := parseModelJSON("m", bad); err == nil {
			t.Fatalf("byte %d changed: %q was accepted", at, bad)
		}
	}
}

// TestModelListsItsFiles: a file of a model that model.json does not know is an error, any other
// file is not.
func TestModelListsItsFiles(t *testing.T) {
	m := small(t)
	m.Report = nil
	dir := filepath.Join(t.TempDir(), "m")
	mustSave(t, m, dir, SaveOptions{NoTrunk: true})
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir)
	for _, name := range []string{reportFile, trunkFile} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenModel(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("with a foreign %s: got %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestModelJSON: even with a digest that fits, a model.json must be one that Save writes.
func TestModelJSON(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	mustSave(t, small(t), dir, SaveOptions{NoTrunk: true})
	good := contents(t, dir)[modelJSONFile]
	for _, c := range []struct{ name, old, new, want string }{
		{"later format", `rehead-model/1`, `rehead-model/2`, "format"},
		{"unknown key", `"tool":`, `"extra": 1, "tool":`, "unknown field"},
		{"key twice", `"seed":`, `"seed": 1, "seed":`, "twice"},
		{"fewer labels", `"C++",`, ``, "labels"},
		{"same label", `"C++"`, `"日本"`, ""},
		{"empty label", `"C++"`, `""`, ""},
		{"wider", `"width": 0.02`, `"width": 1`, "features"},
		{"temperature", `"temperature": 1.25`, `"temperature": -1`, "temperature"},
		{"flavour", `"flavor": "tf-2015"`, `"flavor": "caffe"`, "flavour"},
		{"size", `"size": 107`, `"size": 74`, "size"},
		{"classes", `"classes": 3`, `"classes": 4`, "want F32"},
		{"huge", `"classes": 3`, `"classes": 9000000000000000000`, "want F32"},
		{"path", `"labels.txt": {`, `"../labels.txt": {`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := strings.Replace(good, c.old, c.new, 1)
			if bad == good {
				t.Fatalf("%q is not in model.json", c.old)
			}
			if err := os.WriteFile(filepath.Join(dir, modelJSONFile), reseal(t, bad), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := OpenModel(dir)
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), c.want) ||
				strings.Contains(err.Error(), "was changed after") && c.want != "" {
				t.Errorf("got %v, want a FormatError with %q", err, c.want)
			}
		})
	}
}

// reseal gives a changed model.json the digest that fits it.
func reseal(t *testing.T, text string) []byte {
	t.Helper()
	data := []byte(text)
	at := digestPlace(data)
	copy(data[at:], strings.Repeat("0", 64))
	sum := sha256.Sum256(data)
	hex.Encode(data[at:at+64], sum[:])
	return data
}

func FuzzModelJSON(f *testing.F) {
	doc := modelJSON{Format: modelFormat, Labels: []string{"a", "b"}, Training: json.RawMessage("{}"),
		Metrics: json.RawMessage("{}")}
	data, err := doc.seal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format": "rehead-model/1", "digest": ""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseModelJSON("fuzz", data)
		var format *FormatError
		if err != nil && !errors.As(err, &format) {
			t.Fatalf("got %v, want a *FormatError", err)
		}
		if err == nil && m.Format != modelFormat {
			t.Fatalf("accepted format %q", m.Format)
		}
	})
}
