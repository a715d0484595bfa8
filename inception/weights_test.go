package inception

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/boundtest"
	"github.com/c236555e/rehead/internal/safetensors"
)

// tiny is a small set of weights with a classifier.
func tiny(t testing.TB, flavor Flavor) *Weights {
	t.Helper()
	w, err := Random(RandomConfig{Width: 0.02, Seed: 3, Flavor: flavor, Classes: 3, Size: 107})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// equalWeights reports the first difference.
func equalWeights(a, b *Weights) string {
	if a.Flavor != b.Flavor || a.Width != b.Width || a.Source != b.Source || a.Recipe != b.Recipe ||
		a.Classes != b.Classes || a.Digest != b.Digest {
		return "description"
	}
	if !slices.Equal(a.Labels, b.Labels) || !maps.Equal(a.Notes, b.Notes) || len(a.Tensors) != len(b.Tensors) {
		return "labels, notes or number of tensors"
	}
	for name, t := range a.Tensors {
		if !slices.Equal(t.Shape, b.Tensors[name].Shape) || !slices.Equal(t.Data, b.Tensors[name].Data) {
			return name
		}
	}
	return ""
}

// TestWeightsRoundTrip: what is written is read again, and written again gives the same bytes.
func TestWeightsRoundTrip(t *testing.T) {
	for _, flavor := range Flavors() {
		for _, dtype := range []string{"", "f32", "f16"} {
			w := tiny(t, flavor)
			w.Labels, w.Notes = []string{"a <b>", "ü", "c"}, map[string]string{"approximate": "yes"}
			if dtype == "f16" {
				var err error
				if w, err = w.Halved(); err != nil {
					t.Fatal(err)
				}
			}
			dir := t.TempDir()
			first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
			if err := w.Write(first, dtype); err != nil {
				t.Fatal(err)
			}
			got, err := ReadWeights(first)
			if err != nil {
				t.Fatal(err)
			}
			if d := equalWeights(w, got); d != "" {
				t.Errorf("%s %s: read back, the %s differs", flavor, dtype, d)
			}
			if err := got.Write(second, dtype); err != nil {
				t.Fatal(err)
			}
			a, _ := os.ReadFile(first)
			b, _ := os.ReadFile(second)
			if len(a) == 0 || !bytes.Equal(a, b) {
				t.Errorf("%s %s: written twice, the bytes differ", flavor, dtype)
			}
			if list, _ := os.ReadDir(dir); len(list) != 2 {
				t.Errorf("%s %s: %d files were left, want 2", flavor, dtype, len(list))
			}
		}
	}
}

// TestDigest: storage and layout do not matter to it, values and flavour do.
func TestDigest(t *testing.T) {
	w := tiny(t, Keras)
	halved, err := w.Halved()
	if err != nil {
		t.Fatal(err)
	}
	if halved.Digest == w.Digest {
		t.Error("rounding to float16 left the digest alone")
	}
	dir := t.TempDir()
	for _, dtype := range []string{"f32", "f16"} {
		path := filepath.Join(dir, dtype)
		if err := halved.Write(path, dtype); err != nil {
			t.Fatal(err)
		}
		got, err := ReadWeights(path)
		if err != nil || got.Digest != halved.Digest {
			t.Errorf("stored as %s the digest is %v, %v, want %s", dtype, got, err, halved.Digest)
		}
	}
	tensors := maps.Clone(w.Tensors)
	bias := slices.Clone(tensors["Mixed_7c.branch_pool.bias"].Data)
	bias[len(bias)-1] = math.Nextafter32(bias[len(bias)-1], 1)
	tensors["Mixed_7c.branch_pool.bias"] = Tensor{[]int{len(bias)}, bias}
	other, err := NewWeights(Keras, w.Width, "", tensors)
	if err != nil || other.Digest == w.Digest {
		t.Errorf("one changed bit left the digest alone: %v", err)
	}
}

func TestNewWeightsRejects(t *testing.T) {
	const conv = "Mixed_6b.branch7x7_2.weight"
	for _, c := range []struct {
		name   string
		change func(map[string]Tensor)
		tensor string
		want   string
	}{
		{"missing", func(m map[string]Tensor) { delete(m, conv) }, conv, "missing"},
		{"missing bias", func(m map[string]Tensor) { delete(m, "Conv2d_1a_3x3.bias") }, "Conv2d_1a_3x3.bias", "missing"},
		{"turned", func(m map[string]Tensor) {
			x := m[conv]
			m[conv] = Tensor{[]int{16, 16, 7, 1}, x.Data}
		}, conv, "want [16 16 1 7]"},
		{"short", func(m map[string]Tensor) { x := m[conv]; m[conv] = Tensor{x.Shape, x.Data[1:]} }, conv, "values"},
		{"NaN", func(m map[string]Tensor) {
			x := slices.Clone(m[conv].Data)
			x[5] = float32(math.NaN())
			m[conv] = Tensor{m[conv].Shape, x}
		}, conv, "value 5 is NaN"},
		{"Inf", func(m map[string]Tensor) {
			m["fc.bias"] = Tensor{[]int{3}, []float32{0, float32(math.Inf(-1)), 0}}
		}, "fc.bias", "value 1 is -Inf"},
		{"left over", func(m map[string]Tensor) {
			m["AuxLogits.fc.bias"] = Tensor{[]int{1}, []float32{0}}
		}, "AuxLogits.fc.bias", "unknown"},
		{"half a classifier", func(m map[string]Tensor) { delete(m, "fc.bias") }, "fc.bias", "missing"},
		{"other half", func(m map[string]Tensor) { delete(m, "fc.weight") }, "fc.weight", "missing"},
		{"classifier of another width", func(m map[string]Tensor) {
			m["fc.weight"] = Tensor{[]int{3, 2048}, make([]float32, 3*2048)}
		}, "fc.weight", "want [3"},
		{"no classes", func(m map[string]Tensor) { m["fc.weight"] = Tensor{[]int{0, 96}, nil} }, "fc.weight", "K in 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tensors := maps.Clone(tiny(t, Keras).Tensors)
			c.change(tensors)
			_, err := NewWeights(Keras, 0.02, "", tensors)
			var format *FormatError
			if !errors.As(err, &format) || format.Tensor != c.tensor || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a FormatError about %s with %q", err, c.tensor, c.want)
			}
		})
	}
	if _, err := NewWeights("caffe", 1, "", nil); err == nil {
		t.Error("an unknown flavour was accepted")
	}
}

// rewrite stores w with another metadata and set of tensors, as a foreign tool might.
func rewrite(t *testing.T, w *Weights,
	change func(meta map[string]string, tensors map[string]*safetensors.Tensor)) string {
	t.Helper()
	meta := map[string]string{"format": Format, "flavor": string(w.Flavor), "width": "0.02"}
	tensors := map[string]*safetensors.Tensor{}
	for name, x := range w.Tensors {
		tensors[name] = &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: x.Shape,
			Data: safetensors.PutFloat32(nil, x.Data)}
	}
	change(meta, tensors)
	var list []safetensors.Tensor
	for _, x := range tensors {
		list = append(list, *x)
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, meta, list); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "w.safetensors")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadWeightsRejects(t *testing.T) {
	type tensors = map[string]*safetensors.Tensor
	const conv = "Mixed_5b.branch1x1.weight"
	for _, c := range []struct {
		name   string
		change func(meta map[string]string, m tensors)
		tensor string
		want   string
	}{
		{"no format", func(meta map[string]string, _ tensors) { delete(meta, "format") }, "", "weights convert"},
		{"later format", func(meta map[string]string, _ tensors) { meta["format"] = "rehead-trunk/2" }, "", "want"},
		{"no flavour", func(meta map[string]string, _ tensors) { delete(meta, "flavor") }, "", "flavour"},
		{"no width", func(meta map[string]string, _ tensors) { delete(meta, "width") }, "", "width"},
		{"width NaN", func(meta map[string]string, _ tensors) { meta["width"] = "NaN" }, "", "width"},
		{"another width", func(meta map[string]string, _ tensors) {
			meta["width"] = "1"
		}, "Conv2d_1a_3x3.weight", "want [32 3 3 3]"},
		{"recipe", func(meta map[string]string, _ tensors) { meta["recipe"] = `{"size":299,"size":75}` }, "", "twice"},
		{"recipe of another kind", func(meta map[string]string, _ tensors) { meta["recipe"] = `{"colour":1}` }, "", "unknown field"},
		{"empty recipe", func(meta map[string]string, _ tensors) { meta["recipe"] = `{}` }, "", "recipe"},
		{"labels", func(meta map[string]string, _ tensors) { meta["labels"] = `["a"]` }, "", "got 1 labels"},
		{"missing", func(_ map[string]string, m tensors) { delete(m, conv) }, conv, "missing"},
		{"unknown", func(_ map[string]string, m tensors) {
			m["x"] = &safetensors.Tensor{Name: "x", DType: safetensors.F32, Shape: []int{1}, Data: make([]byte, 4)}
		}, "x", "unknown"},
		{"mis-shaped", func(_ map[string]string, m tensors) {
			x := m[conv]
			x.Shape = slices.Clone(x.Shape)
			slices.Reverse(x.Shape)
		}, conv, "want"},
		{"other type", func(_ map[string]string, m tensors) { m[conv].DType = "I32" }, conv, "I32"},
		{"not finite", func(_ map[string]string, m tensors) {
			binary.LittleEndian.PutUint32(m[conv].Data[8:], math.Float32bits(float32(math.Inf(1))))
		}, conv, "value 2 is +Inf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := rewrite(t, tiny(t, Keras), c.change)
			_, err := ReadWeights(path)
			var format *FormatError
			if !errors.As(err, &format) || format.Tensor != c.tensor || !strings.Contains(err.Error(), c.want) ||
				!strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want a FormatError about %q with %q and the path", err, c.tensor, c.want)
			}
		})
	}
}

// TestWeightsTruncated cuts the file at many places.
func TestWeightsTruncated(t *testing.T) {
	w := tiny(t, Keras)
	path := filepath.Join(t.TempDir(), "w.safetensors")
	if err := w.Write(path, ""); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{stat.Size() - 1, stat.Size() - 4, stat.Size() / 2, 20000, 9, 8, 7, 0} {
		if err := os.Truncate(path, n); err != nil {
			t.Fatal(err)
		}
		_, err := ReadWeights(path)
		var format *FormatError
		if !errors.As(err, &format) || format.File != path {
			t.Errorf("cut to %d bytes: got %v, want a FormatError that names the file", n, err)
		}
	}
	if _, err := ReadWeights(t.TempDir()); err == nil {
		t.Error("a folder was read as weights")
	}
}

// TestWriteKeeps: a write that fails leaves what was there, and nothing beside it.
func TestWriteKeeps(t *testing.T) {
	w := tiny(t, Keras)
	dir := t.TempDir()
	path := filepath.Join(dir, "w.safetensors")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	big := maps.Clone(w.Tensors)
	big["fc.bias"] = Tensor{[]int{3}, []float32{1e6, 0, 0}}
	wide, err := NewWeights(Keras, 0.02, "", big)
	if err != nil {
		t.Fatal(err)
	}
	if err := wide.Write(path, "f16"); err == nil || !strings.Contains(err.Error(), "fc.bias") {
		t.Errorf("got %v, want an error about fc.bias", err)
	}
	if err := w.Write(path, "f8"); err == nil {
		t.Error("an unknown data type was accepted")
	}
	if err := w.Write(dir, ""); err == nil {
		t.Error("a folder was overwritten")
	}
	list, _ := os.ReadDir(dir)
	if data, _ := os.ReadFile(path); string(data) != "precious" || len(list) != 1 {
		t.Errorf("the file holds %q and the folder %d entries", data, len(list))
	}
}

// FuzzReadWeights changes a good file; what is accepted must still be a whole network.
func FuzzReadWeights(f *testing.F) {
	w := tiny(f, Keras)
	var b bytes.Buffer
	if err := w.encode(&b, "f16", true); err != nil {
		f.Fatal(err)
	}
	good := b.Bytes()
	f.Add(uint32(0), uint32(len(good)), []byte{})
	f.Add(uint32(9), uint32(len(good)), []byte(`__metadata__`))
	f.Add(uint32(len(good)-2), uint32(len(good)), []byte{0, 0x7c})
	f.Add(uint32(100), uint32(5000), []byte(`"shape":[1]`))
	f.Fuzz(func(t *testing.T, at, end uint32, patch []byte) {
		defer boundtest.Reader(t, len(good))()
		data := slices.Clone(good[:min(int(end), len(good))])
		if int(at) < len(data) {
			copy(data[at:], patch)
		}
		got, err := DecodeWeights("fuzz", bytes.NewReader(data), int64(len(data)))
		var format *FormatError
		switch {
		case err != nil && !errors.As(err, &format):
			t.Fatalf("got %v, want a *FormatError", err)
		case err == nil:
			if _, err := NewWeights(got.Flavor, got.Width, got.Source, got.Tensors); err != nil {
				t.Fatalf("what was read is not a network: %v", err)
			}
		}
	})
}
