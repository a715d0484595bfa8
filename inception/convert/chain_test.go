package convert

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/nn"
)

// savedFolder lays out the SavedModel among the fixtures.
func savedFolder(t *testing.T) string {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "variables"), 0o700); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{savedModelFile: savedModelFile, "variables.index": variablesIndex,
		"variables.data-00000-of-00001": "variables/variables.data-00000-of-00001"} {
		if err := os.WriteFile(filepath.Join(dir, to), fixture.Read(t, from), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestChains: whole models, with preprocessing in front and two dense layers behind, answer as the
// tools that wrote them, from the pixels on. See testdata/keras3.py, graphmodel.py and torch3.py.
func TestChains(t *testing.T) {
	for _, c := range []struct {
		name, answers, head string
		path                func(t *testing.T) string
		mean, std           [3]float32
	}{
		{"chain.keras", "chain.json", "dense 8, relu, dense 3, softmax", nil, [3]float32{}, [3]float32{255, 255, 255}},
		{"chain.h5", "chain.json", "dense 8, relu, dense 3, softmax", nil, [3]float32{}, [3]float32{255, 255, 255}},
		{"chain.tflite", "chain.json", "dense 8, relu, dense 3, softmax", nil, [3]float32{}, [3]float32{1, 1, 1}}, // folded
		{"saved_model", "chain.json", "dense 8, relu, dense 3, softmax", savedFolder, [3]float32{},
			[3]float32{255, 255, 255}},
		{"graph model", "chain.json", "dense 8, relu, dense 3, softmax",
			func(t *testing.T) string { return fixture.Files(t, "model.json", "group1-shard1of1.bin") }, [3]float32{},
			[3]float32{255, 255, 255}},
		{"chain.onnx", "chain.onnx.json", "dense 8, relu, dense 3, softmax",
			func(t *testing.T) string {
				return filepath.Join(fixture.Files(t, "chain.onnx", "chain.onnx.data"), "chain.onnx")
			},
			[3]float32{123.675, 116.28, 103.53}, [3]float32{58.395, 57.12, 57.375}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := ""
			if c.path != nil {
				path = c.path(t)
			} else {
				path = fixture.File(t, c.name)
			}
			m, err := OpenModel(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r := m.Recipe; r.Size != fixtureSize || r.Mean != c.mean || r.Std != c.std {
				t.Errorf("recipe %+v, want size %d, mean %v, std %v", r, fixtureSize, c.mean, c.std)
			}
			if got := m.Head.Describe(); got != c.head {
				t.Errorf("head %q, want %q", got, c.head)
			}
			answersAs(t, m, c.answers)
		})
	}
}

// answersAs holds a model's answers to two pictures to those in a file.
func answersAs(t *testing.T, m *inception.Model, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fixture.Dir(t), file))
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Bottlenecks, Probabilities [][]float32 }
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	const n = 2
	inputs := make([]*inception.Input, n)
	for i := range n {
		pixels := make([]float32, 0, 3*fixtureSize*fixtureSize)
		for c := range 3 {
			for y := range fixtureSize {
				for x := range fixtureSize {
					v := float32((x*x + 3*y*(c+1) + 7*x*y*(i+1)) % 251)
					pixels = append(pixels, (v-m.Recipe.Mean[c])/m.Recipe.Std[c])
				}
			}
		}
		inputs[i] = &inception.Input{Pixels: pixels}
	}
	c, err := inception.NewClassifier(m, nn.Config{Kernel: "ref"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Classify(t.Context(), inputs...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		p := make([]float32, len(want.Probabilities[i]))
		for _, x := range r.Predictions {
			p[x.Label[0]-'0'] = float32(x.Probability) // labels are numbers
		}
		if d := numeric.Distance(r.Bottleneck, want.Bottlenecks[i]); !(d <= tolerance) {
			t.Errorf("picture %d: the bottleneck is off by %.2g of its norm, want at most %g", i, d, tolerance)
		}
		if d := numeric.Distance(p, want.Probabilities[i]); !(d <= tolerance) {
			t.Errorf("picture %d: got probabilities %v, want %v", i, p, want.Probabilities[i])
		}
	}
}

// TestChainConverted: a model of several dense layers becomes a model folder, which answers alike;
// its trunk alone becomes a weight file.
func TestChainConverted(t *testing.T) {
	in, dir := fixture.File(t, "chain.keras"), t.TempDir()
	res, err := Convert(in, filepath.Join(dir, "m"), Options{})
	if err != nil || res.Model == nil {
		t.Fatalf("got %+v, %v, want a model", res, err)
	}
	m, err := inception.OpenModel(filepath.Join(dir, "m"))
	if err != nil {
		t.Fatal(err)
	}
	answersAs(t, m, "chain.json")
	trunk := filepath.Join(dir, "trunk.safetensors")
	if _, err := Convert(in, trunk, Options{TrunkOnly: true}); err != nil {
		t.Fatal(err)
	}
	w, err := Load(trunk, Options{})
	if err != nil || w.Classes != 0 || w.Digest != m.TrunkDigest || w.Recipe != m.Recipe {
		t.Errorf("got %d classes, digest %.12s and %v, want the trunk of %.12s alone", w.Classes, w.Digest, err,
			m.TrunkDigest)
	}
}

// TestFrontRefused: weights whose file has a layer in front that only the model's JSON describes
// are refused, until mean and deviation are given.
func TestFrontRefused(t *testing.T) {
	path := fixture.File(t, "chain.weights.h5")
	if _, err := Load(path, Options{}); err == nil || !strings.Contains(err.Error(), "--mean") ||
		!strings.Contains(err.Error(), "rescaling") {
		t.Errorf("got error %v, want one that names the layer and --mean", err)
	}
	w, err := Load(path, Options{Mean: &[3]float32{}, Std: &[3]float32{255, 255, 255}, Size: fixtureSize})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Load(fixture.File(t, "chain.keras"), Options{})
	if err != nil || w.Digest != whole.Digest || w.Recipe != whole.Recipe {
		t.Errorf("the weights alone have digest %.12s, the whole model %.12s, %v", w.Digest, whole.Digest, err)
	}
	if _, err := OpenModel(path, Options{Mean: &[3]float32{}, Std: &[3]float32{255, 255, 255}}); err == nil ||
		!strings.Contains(err.Error(), "do not say where") {
		t.Errorf("as a model: got error %v, want one about the batch norm behind its trunk", err)
	}
}

// TestScaling: what stands in front of a network, and the recipe that it makes.
func TestScaling(t *testing.T) {
	for _, c := range []struct {
		name         string
		scale, shift []float64
		pixels       bool
		mean, std    float32 // of the first channel
		fails        bool
	}{
		{"nothing", nil, nil, false, 0, 0, false},
		{"0..255 to 0..1", []float64{1.0 / 255}, nil, false, 0, 255, false},
		{"0..255 to -1..1", []float64{float64(float32(1 / 127.5))}, []float64{-1}, false, 127.5, 127.5, false},
		{"0..1 to -1..1", []float64{2}, []float64{-1}, false, 127.5, 127.5, false},
		{"0..1 by ImageNet", []float64{1 / 0.229, 1 / 0.224, 1 / 0.225},
			[]float64{-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225},
			false, 123.675, 58.395, false},
		{"ImageNet's to -1..1", []float64{0.458, 0.448, 0.45}, []float64{-0.03, -0.088, -0.188}, false, 127.5, 127.5, false},
		{"the mean alone", []float64{1}, []float64{-123.68, -116.78, -103.94}, false, 123.68, 1, false},
		{"bytes as they are", nil, nil, true, 0, 1, false},
		{"-1..1 to 0..1", []float64{0.5}, []float64{0.5}, false, 0, 0, true},
		{"turned round", []float64{-1.0 / 255}, []float64{1}, false, 0, 0, true},
	} {
		f := &front{affine: affine{c.scale, c.shift}, pixels: c.pixels}
		mean, std, _, err := f.scaling()
		if (err != nil) != c.fails || err != nil && !strings.Contains(err.Error(), "--mean") || mean[0] != c.mean ||
			std[0] != c.std {
			t.Errorf("%s: got %v, %v and %v, want %g, %g and an error: %v", c.name, mean, std, err, c.mean, c.std, c.fails)
		}
	}
}

// TestForks: of two heads on one pool neither is taken.
func TestForks(t *testing.T) {
	g := readGraph(t, "folded.onnx")
	gemm := node(t, g, "Gemm", 0)
	if err := g.Add(&graph.Node{Name: "second", Op: "Gemm", Inputs: gemm.Inputs, Attrs: gemm.Attrs},
		"colour"); err != nil {
		t.Fatal(err)
	}
	src, err := onnxSource(g)
	if err != nil || src.fc != nil || src.headErr == nil || !strings.Contains(src.headErr.Error(), "2 heads") {
		t.Errorf("got %v, %v, want a trunk whose head is refused", src, err)
	}
}

// TestOtherActivation: a network of the same convolutions without ReLU is refused for what it is.
func TestOtherActivation(t *testing.T) {
	g := readGraph(t, "folded.onnx")
	for _, n := range g.Nodes {
		if n.Op == "Relu" {
			n.Op = "Elu"
		}
	}
	if _, err := onnxSource(g); err == nil || !strings.Contains(err.Error(), "94 convolutions are followed by Elu") {
		t.Errorf("got %v, want an error that names the activation", err)
	}
}

// TestSpelled: an activation is known by its values, whichever way round its operands stand, and
// another that looks like it is not taken for it.
func TestSpelled(t *testing.T) {
	number := func(x float32) *graph.Const {
		return &graph.Const{Tensor: raw.Tensor{DType: raw.F32, Load: func(dst []float32) error { dst[0] = x; return nil }}}
	}
	for _, c := range []struct {
		narrow float32
		swap   bool
		want   inception.LayerKind
	}{{1 / math.Sqrt2, false, inception.LayerGELU}, {1 / math.Sqrt2, true, inception.LayerGELU}, {0.9, false, ""}} {
		g := graph.New("ONNX")
		for name, x := range map[string]float32{"narrow": c.narrow, "one": 1, "half": 0.5} {
			if err := g.AddConst(name, number(x)); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range [][]string{{"a", "Mul", "x", "narrow"}, {"b", "Erf", "a"}, {"c", "Add", "b", "one"},
			{"d", "Mul", "x", "c"}, {"y", "Mul", "d", "half"}} {
			in := slices.Clone(n[2:])
			if c.swap {
				slices.Reverse(in)
			}
			if err := g.Add(&graph.Node{Name: n[0], Op: n[1], Inputs: in, Attrs: map[string]graph.Attr{}}, n[0]); err != nil {
				t.Fatal(err)
			}
		}
		m := &matcher{g: g, d: onnxDialect{}, open: map[string]bool{}, vectors: map[string][]float64{}}
		w := &walker{matcher: m, users: map[string][]*graph.Node{}, outputs: map[*graph.Node][]string{}}
		for _, n := range g.Nodes {
			w.outputs[n] = []string{n.Name}
			for _, v := range n.Inputs {
				w.users[v] = append(w.users[v], n)
			}
		}
		if l, n := w.spelled("x"); l.kind != c.want || (n != nil) != (c.want != "") || n != nil && n.Name != "y" {
			t.Errorf("%+v: got %q at %v", c, l.kind, n)
		}
	}
}

// TestAhead: what stands between the last block and the pool is no part of the network, nor a head
// that is read, and the trunk is taken without it.
func TestAhead(t *testing.T) {
	for _, op := range []string{"Conv", "Softplus"} {
		g := readGraph(t, "folded.onnx")
		pool := node(t, g, "GlobalAveragePool", 0)
		own := &graph.Node{Name: "own", Op: op, Inputs: []string{pool.Inputs[0]}}
		if op == "Conv" {
			own.Inputs = append(own.Inputs, node(t, g, "Conv", 0).Inputs[1])
		}
		if err := g.Add(own, "ahead"); err != nil {
			t.Fatal(err)
		}
		pool.Inputs = []string{"ahead"}
		src, err := onnxSource(g)
		if err != nil || src.headErr == nil || !strings.Contains(src.headErr.Error(), `"own"`) || len(src.units) != 94 {
			t.Errorf("%s: got %+v, %v, want a trunk whose head is refused", op, src, err)
		}
	}
}
