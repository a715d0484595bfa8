package export_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/inception/export"
	"github.com/c236555e/rehead/nn"
)

// model has a narrow trunk of made-up weights.
func model(t *testing.T, flavor inception.Flavor, size int) *inception.Model {
	t.Helper()
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Seed: 3, Size: size, Classes: 3, Flavor: flavor})
	if err != nil {
		t.Fatal(err)
	}
	m, err := inception.ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	m.Labels, m.Temperature = []string{"daisy", "日本", "C++"}, 1.5
	return m
}

// TestONNXRoundTrip reads back what was written: the same graph and the same weights, for each
// structure.
func TestONNXRoundTrip(t *testing.T) {
	for _, flavor := range inception.Flavors() {
		t.Run(string(flavor), func(t *testing.T) {
			m := model(t, flavor, 107)
			path := filepath.Join(t.TempDir(), "m.onnx")
			if err := export.ONNXFile(m, path); err != nil {
				t.Fatal(err)
			}
			w, err := convert.Load(path, convert.Options{Flavor: flavor})
			if err != nil {
				t.Fatal(err)
			}
			if w.Digest != m.TrunkDigest {
				t.Errorf("the trunk came back with digest %.12s, want %.12s", w.Digest, m.TrunkDigest)
			}
		})
	}
}

func TestONNXIsDeterministic(t *testing.T) {
	m := model(t, inception.TF2015, 107)
	var a, b bytes.Buffer
	if err := export.ONNX(m, &a); err != nil {
		t.Fatal(err)
	}
	if err := export.ONNX(m, &b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two exports of one model differ")
	}
	var computed []string
	for _, graph := range fields(t, a.Bytes(), 7) {
		for _, node := range fields(t, graph, 1) {
			for _, output := range fields(t, node, 2) {
				computed = append(computed, string(output))
			}
		}
	}
	for _, name := range []string{"probabilities", "logits", "bottleneck"} {
		if !slices.Contains(computed, name) {
			t.Errorf("no node computes %s", name)
		}
	}
	if !bytes.Contains(a.Bytes(), []byte(`["daisy","日本","C++"]`)) {
		t.Error("the labels are not in the file")
	}
}

// fields returns the values of a message's field of that number, which is not a number.
func fields(t *testing.T, message []byte, field protowire.Number) [][]byte {
	var out [][]byte
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		size := protowire.ConsumeFieldValue(number, kind, message[max(n, 0):])
		if n < 0 || size < 0 {
			t.Fatal("the file is not a protobuf message")
		}
		if number == field {
			value, _ := protowire.ConsumeBytes(message[n:])
			out = append(out, value)
		}
		message = message[n+size:]
	}
	return out
}

func TestONNXWithoutTrunk(t *testing.T) {
	m := model(t, inception.TF2015, 107)
	m.Trunk = nil
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := export.ONNXFile(m, path); err == nil || !strings.Contains(err.Error(), "attach") {
		t.Errorf("got error %v, want one that says what to attach", err)
	}
	if list, _ := os.ReadDir(filepath.Dir(path)); len(list) > 0 {
		t.Errorf("the failed export left %v", list)
	}
}

// TestONNXRuntime asks ONNX Runtime for what the classifier says about the same pixels.
func TestONNXRuntime(t *testing.T) {
	if err := exec.Command("node", "-e", "require('onnxruntime-node')").Run(); err != nil {
		t.Skip("needs node with onnxruntime-node in NODE_PATH: ", err)
	}
	for _, flavor := range inception.Flavors() {
		for _, activation := range []inception.Activation{inception.Softmax, inception.Sigmoid} {
			t.Run(string(flavor)+"/"+string(activation), func(t *testing.T) {
				m := model(t, flavor, 107)
				m.Head.Activation = activation
				compare(t, m)
			})
		}
	}
}

// reading gives a model a head that reads some values of every statistic of several blocks, among them
// one behind whose pool channels of the block before go on.
func reading(t *testing.T, m *inception.Model) *inception.Model {
	t.Helper()
	f, err := inception.ParseFeatures("mixed_5c,mixed_6a,mixed_6e,mixed_7c,mean,quarters,deviation")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for range len(f.Blocks) * len(f.Statistics) {
		f.Scales = append(f.Scales, 0.5+rng.Float32())
	}
	for c := range f.Length(m.Width) {
		if c%3 != 1 {
			f.Columns = append(f.Columns, c)
		}
	}
	m.Reads = f
	m.Head = inception.Head{Classes: 3, Features: len(f.Columns), B: []float32{0.5, -1, 0.2}, Activation: m.Head.Activation}
	for range 3 * len(f.Columns) {
		m.Head.W = append(m.Head.W, float32(rng.NormFloat64())/8)
	}
	return m
}

// TestONNXRuntimeFeatures: the same of heads that read several blocks; at 75 pixels the last one is a
// single pixel.
func TestONNXRuntimeFeatures(t *testing.T) {
	if err := exec.Command("node", "-e", "require('onnxruntime-node')").Run(); err != nil {
		t.Skip("needs node with onnxruntime-node in NODE_PATH: ", err)
	}
	for _, size := range []int{75, 107, 139} {
		t.Run(strconv.Itoa(size), func(t *testing.T) { compare(t, reading(t, model(t, inception.TF2015, size))) })
	}
}

// TestONNXFeatures: a head that reads several blocks is written with what it reads, also of a model of
// int8, and comes back in no other file.
func TestONNXFeatures(t *testing.T) {
	for name, m := range map[string]*inception.Model{"float32": model(t, inception.TF2015, 107), "int8": int8Model(t)} {
		reading(t, m)
		var b bytes.Buffer
		if err := export.ONNX(m, &b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ops := map[string]int{}
		for _, node := range fields(t, fields(t, b.Bytes(), 7)[0], 1) {
			ops[string(fields(t, node, 4)[0])]++
		}
		if ops["Gather"] != 1 || ops["Sqrt"] != 4 || ops["Transpose"] != 4 || ops["ReduceMean"] != 3*4 {
			t.Errorf("%s: got %v, want the means, quarters and deviations of 4 blocks", name, ops)
		}
	}
	m := reading(t, model(t, inception.Keras, 107))
	for _, c := range []export.Format{export.FormatKeras, export.FormatTFLite} {
		if err := export.Write(m, io.Discard, export.Config{Format: c}); err == nil || !strings.Contains(err.Error(), "onnx") {
			t.Errorf("%s: got error %v, want one that names onnx", c, err)
		}
	}
}

// compare holds ONNX Runtime's answers to three pictures of noise to the classifier's.
func compare(t *testing.T, m *inception.Model) {
	const n = 3
	size, dir := m.Recipe.Size, t.TempDir()
	path, raw := filepath.Join(dir, "m.onnx"), filepath.Join(dir, "pixels")
	if err := export.ONNXFile(m, path); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	image := make([]float32, n*3*size*size)
	scaled := make([]float32, len(image))
	for i := range image {
		c := i / (size * size) % 3
		image[i] = 255 * rng.Float32()
		scaled[i] = (image[i] - m.Recipe.Mean[c]) / m.Recipe.Std[c]
	}
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, image); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(raw, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", filepath.Join("testdata", "run.js"), path, raw, strconv.Itoa(n), strconv.Itoa(size))
	cmd.Stderr = os.Stderr
	answer, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs struct{ Probabilities, Logits, Bottleneck []float64 }
	if err := json.Unmarshal(answer, &theirs); err != nil {
		t.Fatal(err)
	}
	c, err := inception.NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var inputs []*inception.Input
	for pixels := range slices.Chunk(scaled, len(scaled)/n) {
		inputs = append(inputs, &inception.Input{Pixels: pixels})
	}
	ours, err := c.Classify(t.Context(), inputs...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range ours {
		for k, label := range m.Labels {
			for _, p := range r.Predictions {
				if p.Label == label {
					near(t, "probability of "+label, theirs.Probabilities[i*len(m.Labels)+k], p.Probability)
				}
			}
		}
		for j, v := range r.Bottleneck {
			near(t, "bottleneck "+strconv.Itoa(j), theirs.Bottleneck[i*len(r.Bottleneck)+j], float64(v))
		}
	}
}

// near allows for sums of other order, and for Winograd's rounding on so narrow a network.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-4+2e-4*math.Abs(want)) {
		t.Errorf("%s: ONNX Runtime says %v, rehead %v", what, got, want)
	}
}
