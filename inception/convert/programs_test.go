package convert

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/pth"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

// packageFolder lays out the Core ML package among the fixtures.
func packageFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "chain.mlpackage")
	weights := filepath.Join(dir, filepath.Dir(packageModel), "weights")
	if err := os.MkdirAll(weights, 0o700); err != nil {
		t.Fatal(err)
	}
	for to, b := range map[string][]byte{
		filepath.Join(dir, "Manifest.json"):  []byte("{}"),
		filepath.Join(dir, packageModel):     fixture.Read(t, "chain.mlpackage.mlmodel"),
		filepath.Join(weights, "weight.bin"): fixture.Read(t, "chain.mlpackage.bin"),
	} {
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestPrograms: whole networks as programs, pickles and packages answer as PyTorch does, from the
// pixels on. See testdata/programs.py and coreml.py.
func TestPrograms(t *testing.T) {
	pair := func(t *testing.T) string {
		return filepath.Join(fixture.Files(t, "chain.xml", "chain.bin"), "chain.bin")
	}
	imagenet := [2][3]float32{{123.675, 116.28, 103.53}, {58.395, 57.12, 57.375}}
	half := [2][3]float32{{127.5, 127.5, 127.5}, {127.5, 127.5, 127.5}}
	for _, c := range []struct {
		name, answers string
		path          func(t *testing.T) string
		size          int // that is asked for, where the file does not say
		scaling       [2][3]float32
		short         bool // run in short mode as well
	}{
		{"chain.pt2", "programs.json", nil, 0, imagenet, true},
		{"chain-trace.pt", "programs.json", nil, 0, imagenet, false},
		{"chain-script.pt", "whole.json", nil, fixtureSize, half, false},
		{"whole.pth", "whole.json", nil, fixtureSize, half, false},
		{"chain.xml", "programs.json", pair, 0, imagenet, false},
		{"chain.mlpackage", "programs.json", packageFolder, 0, imagenet, true},
		{"chain.mlmodel", "whole.json", nil, 0, half, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := ""
			if c.path != nil {
				path = c.path(t)
			} else {
				path = fixture.File(t, c.name)
			}
			m, err := OpenModel(path, Options{Size: c.size})
			if err != nil {
				t.Fatal(err)
			}
			if r := m.Recipe; r.Size != fixtureSize || r.Mean != c.scaling[0] || r.Std != c.scaling[1] {
				t.Errorf("recipe %+v, want size %d, mean and deviation %v", r, fixtureSize, c.scaling)
			}
			if got := m.Head.Describe(); got != "dense 8, relu, dense 3, softmax" || m.Flavor != inception.Torchvision {
				t.Errorf("head %q of flavour %s", got, m.Flavor)
			}
			if raceDetector && testing.Short() && !c.short {
				return // the numbers are those of the others
			}
			answersAs(t, m, c.answers)
		})
	}
}

// stateOf are the tensors of the network in whole.pth, as a state dict has them.
func stateOf(t *testing.T) *source {
	t.Helper()
	b := fixture.Read(t, "whole.pth")
	f, err := pth.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	src, err := torchNames(f.Tensors)
	if err != nil {
		t.Fatal(err)
	}
	src.name = "state"
	return src
}

// TestLayered: a state dict's classifier of several layers is refused by a sentence with the flag,
// which makes it the network that was pickled whole but for epsilon, which only that one has.
func TestLayered(t *testing.T) {
	src := stateOf(t)
	if src.headErr == nil || !strings.Contains(src.headErr.Error(), "--head-activation relu") ||
		!strings.Contains(src.headErr.Error(), "fc.1, fc.2, fc.4") {
		t.Errorf("got %v, want a refusal that names the layers and the flag", src.headErr)
	}
	for activation, head := range map[string]string{
		"relu": "dense 8, relu, dense 3, softmax", "none": "dense 8, dense 3, softmax", "gelu": "dense 8, gelu, dense 3, softmax",
		"leaky_relu": "dense 8, leaky_relu, dense 3, softmax",
	} {
		src := stateOf(t)
		if err := src.said(Options{HeadActivation: activation}); err != nil {
			t.Fatal(err)
		}
		w, err := assemble(src)
		if err != nil || src.headErr != nil {
			t.Fatalf("%s: got %v, %v", activation, err, src.headErr)
		}
		if got := w.Head.Describe(); got != head || !strings.Contains(w.Notes["doubt"], activation) {
			t.Errorf("%s: got head %q and doubt %q, want %q", activation, got, w.Notes["doubt"], head)
		}
	}
	for say, o := range map[string]Options{
		"leaky_relu, mish, none":   {HeadActivation: "cosine"},
		"softmax or sigmoid": {HeadActivation: "relu", HeadOutput: "identity"},
	} {
		if err := stateOf(t).said(o); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%+v: got %v, want an error with %q", o, err, say)
		}
	}
	path := fixture.File(t, "timm.safetensors")
	if _, err := Load(path, Options{HeadActivation: "relu"}); err == nil || !strings.Contains(err.Error(), "no classifier") {
		t.Errorf("a classifier of one layer: got %v", err)
	}
	w, err := Load(path, Options{HeadOutput: "sigmoid"})
	if err != nil || w.Head == nil || w.Head.Activation != inception.Sigmoid || w.Head.Classes != fixtureClasses {
		t.Errorf("sigmoid behind one layer: got %+v, %v", w, err)
	}
	if _, err := Load(fixture.File(t, "chain.pt2"), Options{HeadOutput: "sigmoid"}); err == nil ||
		!strings.Contains(err.Error(), "says itself") {
		t.Errorf("sigmoid behind a softmax: got %v", err)
	}
}

// TestBackbone: a classifier beside a network below a prefix waits for the flag too.
func TestBackbone(t *testing.T) {
	b := fixture.Read(t, "whole.pth")
	f, err := pth.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range f.Tensors {
		if rest, ok := strings.CutPrefix(x.Name, "fc."); ok {
			f.Tensors[i].Name = "classifier." + rest
		} else {
			f.Tensors[i].Name = "backbone." + x.Name
		}
	}
	src, err := torchNames(f.Tensors)
	if err != nil || src.headErr == nil || !strings.Contains(src.headErr.Error(), "lies beside the network") {
		t.Fatalf("got %v, %v, want a trunk whose head is refused", src, err)
	}
	src.name = "state"
	if err := src.said(Options{HeadActivation: "relu"}); err != nil {
		t.Fatal(err)
	}
	w, err := assemble(src)
	if err != nil || w.Head == nil || w.Head.Describe() != "dense 8, relu, dense 3, softmax" {
		t.Errorf("got %+v, %v", w, err)
	}
}

// TestHeadOrder: where an activation may stand in a classifier of that names.
func TestHeadOrder(t *testing.T) {
	for _, c := range []struct {
		layers   string // d: dense, n: batch norm
		at       []int
		doubtful bool
	}{
		{"fc.1d", nil, false}, {"fc.0d fc.1d", nil, false}, {"fc.0d fc.2d", []int{0}, false},
		{"fc.0n fc.1d", nil, false}, {"fc.0n fc.2d", nil, true}, {"fc.0d fc.1n fc.3d", []int{1}, false},
		{"fc.0d fc.2n fc.3d", []int{0}, false}, {"fc.9d fc.10d", nil, false}, {"fc.2d fc.10d fc.12d", []int{0, 1}, false},
		{"fc.hidden.0d fc.out.0d", []int{0}, false}, {"fc.0n fc.2d fc.4n fc.6d", []int{1}, true}, {"fc.0d fc.1n", nil, false},
	} {
		var layers []headLayer
		for f := range strings.FieldsSeq(c.layers) {
			l := headLayer{path: f[:len(f)-1]}
			if strings.HasSuffix(f, "d") {
				l.dense = &classifier{}
			} else {
				l.norm = &norm{}
			}
			layers = append(layers, l)
		}
		at, doubtful := places(layers)
		if len(at) != len(c.at) || doubtful != c.doubtful || len(at) > 0 && at[len(at)-1] != c.at[len(at)-1] {
			t.Errorf("%s: got %v, %v, want %v, %v", c.layers, at, doubtful, c.at, c.doubtful)
		}
	}
}
