package convert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
	"github.com/c236555e/rehead/internal/datatest"
)

// TestPool: a state dict of timm's does not say its pool, which --pool decides; a traced network says it. See
// testdata/pooled.py.
func TestPool(t *testing.T) {
	for pool, file := range map[string]string{"max": "pooled.pth", "avgmax": "pooled.pth", "": "pooled.pt"} {
		m, err := OpenModel(fixture.File(t, file), Options{Pool: pool, Size: fixtureSize})
		if err != nil {
			t.Fatalf("%s of %q: %v", file, pool, err)
		}
		if pool == "" {
			pool = "catavgmax"
		} else if m.Flavor != inception.Timm {
			t.Errorf("flavour %s, want timm's, whose pool was asked for", m.Flavor)
		}
		answersAs(t, m, "pooled-"+pool+".json")
	}
}

// doubtOf is what a file leaves open.
func doubtOf(t *testing.T, path string, o Options) string {
	t.Helper()
	w, err := Load(path, o)
	if err != nil {
		t.Fatalf("%s, %+v: %v", path, o, err)
	}
	return w.Notes["doubt"]
}

// TestDoubts: the doubt names the flavour and timm's arguments for the files that leave them open, and those only.
func TestDoubts(t *testing.T) {
	timm := fixture.File(t, "timm.safetensors") // a state dict without an auxiliary classifier
	whose, pool, eps, act := "apart", "global_pool", "norm_eps", "act_layer"
	official := func(string, int64) (inception.Flavor, picture.Recipe, bool) {
		return inception.Timm, inception.Timm.Recipe(), true
	}
	for _, c := range []struct {
		path string
		o    Options
		want []string
	}{
		{timm, Options{}, []string{whose, pool, eps, act}},
		{timm, Options{Flavor: inception.Timm}, []string{pool, eps, act}},
		{timm, Options{Flavor: inception.Timm, Pool: "avg"}, []string{eps, act}},
		{timm, Options{Pool: "max"}, []string{eps, act}},
		{timm, Options{Pool: "avg"}, []string{whose, eps, act}},
		{timm, Options{Epsilon: 1e-5}, []string{pool, act}},
		{timm, Options{TrunkOnly: true}, []string{whose, eps, act}},
		{timm, Options{Flavor: inception.Torchvision}, nil},
		{timm, Options{Flavor: inception.PytorchFID}, nil},
		{timm, Options{Official: official}, nil},
		{fixture.File(t, "torchvision.pth"), Options{}, nil}, // has an auxiliary classifier
		{fixture.File(t, "torchvision.pth"), Options{Flavor: inception.Timm}, []string{pool, eps, act}},
		{fixture.File(t, "whole.pth"), Options{}, nil},
		{fixture.File(t, "pooled.pt"), Options{}, nil},
		{fixture.File(t, "chain.pt2"), Options{}, nil},
		{fixture.File(t, "keras.h5"), Options{}, nil},
		{fixture.File(t, "folded.onnx"), Options{}, nil},
	} {
		got := doubtOf(t, c.path, c.o)
		for _, word := range []string{whose, pool, eps, act} {
			want := false
			for _, w := range c.want {
				want = want || w == word
			}
			if strings.Contains(got, word) != want {
				t.Errorf("%s, %+v: doubt %q, want %q", filepath.Base(c.path), c.o, got, c.want)
			}
		}
	}
	for say, c := range map[string]struct {
		file string
		o    Options
	}{
		"its head (has an auxiliary classifier): leave": {"torchvision.pth", Options{Pool: "max"}},
		"its head (as asked for): leave --pool out":     {"timm.safetensors", Options{Pool: "max", Flavor: inception.Torchvision}},
		"avg, avgmax, catavgmax, max":                   {"timm.safetensors", Options{Pool: "median"}},
		"between 0 and 1":                               {"timm.safetensors", Options{Epsilon: 2}},
		"--epsilon 1e-05: the file tells what":          {"whole.pth", Options{Epsilon: 1e-5}},
		"--pool max: the file tells":                    {"keras.h5", Options{Pool: "max"}},
		"reads 254 features":                            {"timm.safetensors", Options{Pool: "catavgmax"}},
	} {
		_, err := OpenModel(fixture.File(t, c.file), c.o)
		if err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s, %+v: got %v, want an error with %q", c.file, c.o, err, say)
		}
	}
}

// TestEpsilon: --epsilon is what is added to the variances, as when the file were of such a network.
func TestEpsilon(t *testing.T) {
	path := fixture.File(t, "timm.safetensors")
	was, err := Load(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	is, err := Load(path, Options{Epsilon: 1e-5})
	if err != nil {
		t.Fatal(err)
	}
	const name = "Mixed_7c.branch1x1.weight"
	if a, b := was.Tensors[name].Data, is.Tensors[name].Data; !(identify(b).Square > identify(a).Square) {
		t.Errorf("the weights' squares add up to %g with an epsilon of 1e-3 and to %g with 1e-5, want more",
			identify(a).Square, identify(b).Square)
	}
}

// TestDouble: a classifier of twice the features reads averages and maxima, which the doubt says.
func TestDouble(t *testing.T) {
	src := stateOf(t)
	src.layered, src.headErr = nil, nil
	twice := raw.Tensor{Name: "fc.weight", Shape: []int{3, 2 * fixtureFeatures}, DType: raw.F32, Load: func(dst []float32) error {
		for i := range dst {
			dst[i] = float32(i)
		}
		return nil
	}}
	src.fc = &classifier{weight: twice}
	if err := src.decide(Options{}); err != nil {
		t.Fatal(err)
	}
	w, err := assemble(src)
	if err != nil || src.headErr != nil {
		t.Fatal(err, src.headErr)
	}
	if !w.Reads.Equal(inception.LastMeanMaximum()) || !strings.Contains(w.Notes["doubt"], "catavgmax") ||
		strings.Contains(w.Notes["doubt"], "--pool") || w.Head.W[1] != 1 {
		t.Errorf("reads %v, doubt %q, want averages and maxima", w.Reads, w.Notes["doubt"])
	}
}

// TestHubConfig: config.json of timm's hub folders decides what the state dict beside it leaves open.
func TestHubConfig(t *testing.T) {
	const trained = `"pretrained_cfg":{"input_size":[3,299,299],"mean":[0.5,0.5,0.5],"std":[0.5,0.5,0.5],"crop_pct":0.875}}`
	for config, want := range map[string]struct {
		reads, doubt string
		fails        string
	}{
		``:                                    {doubt: "pool"},
		`"global_pool":"avg",`:                {},
		`"model_args":{"global_pool":"avg"},`: {},
		`"model_args":{"global_pool":"max"},`: {reads: "maximum of Mixed_7c"},
		`"global_pool":"max",`:                {reads: "maximum of Mixed_7c"},
		`"global_pool":"avg","model_args":{"global_pool":"avgmax"},`: {reads: "mean, maximum of Mixed_7c"},
		`"global_pool":"median",`:                                    {fails: "median"},
		`"model_args":{"act_layer":"silu"},`:                         {fails: "ReLU only"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "model.safetensors")
		for name, b := range map[string][]byte{"model.safetensors": fixture.Read(t, "timm.safetensors"),
			"config.json": []byte(`{"architecture":"inception_v3",` + config + trained)} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w, err := Load(path, Options{})
		if want.fails != "" {
			if err == nil || !strings.Contains(err.Error(), want.fails) {
				t.Errorf("%s: got %v, want an error with %q", config, err, want.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", config, err)
			continue
		}
		if got := w.Notes["reads"]; got != want.reads {
			t.Errorf("%s: reads %q, want %q", config, got, want.reads)
		}
		if got := w.Notes["doubt"]; strings.Contains(got, "global_pool") != (want.doubt != "") || strings.Contains(got, "norm_eps") {
			t.Errorf("%s: doubt %q", config, got)
		}
		if want.doubt != "" {
			if w, err = Load(path, Options{Pool: "max"}); err != nil || w.Notes["doubt"] != "" || w.Notes["reads"] == "" {
				t.Errorf("%s with --pool max: doubt %q, %v", config, w.Notes["doubt"], err)
			}
		}
	}
}

// TestStem: a state dict with the weights of 2015 is pytorch-fid's, whatever its classifier; with others it is in doubt.
func TestStem(t *testing.T) {
	if testing.Short() {
		t.Skip("writes and reads 90 MB")
	}
	w, err := inception.ReadWeights(datatest.Shared(t, "weights", "inception-2015-12-05.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	src := &source{flavor: inception.Torchvision, open: undecided{flavor: true}, units: map[string]*unit{}}
	for name, x := range w.Tensors {
		path, part, _ := strings.Cut(name, ".weight")
		if bias := path + ".bias"; part == "" && path != name {
			b := dataOf(w.Tensors[bias])
			src.units[path] = &unit{weight: dataOf(x), bias: &b}
		}
	}
	if err := src.decide(Options{}); err != nil || src.flavor != inception.PytorchFID || len(src.doubts) != 0 {
		t.Errorf("got %s, in doubt of %q, %v, want pytorch-fid without doubt", src.flavor, src.doubts, err)
	}
	w.Tensors["Conv2d_1a_3x3.weight"].Data[100] += 0.1
	src.flavor, src.open = inception.Torchvision, undecided{flavor: true}
	if err := src.decide(Options{}); err != nil || src.flavor != inception.Torchvision || len(src.doubts) != 1 {
		t.Errorf("another first layer: got %s, in doubt of %q, %v", src.flavor, src.doubts, err)
	}
}

// dataOf is a tensor as a file has it.
func dataOf(x inception.Tensor) raw.Tensor {
	return raw.Tensor{Shape: x.Shape, DType: raw.F32, Load: func(dst []float32) error {
		copy(dst, x.Data)
		return nil
	}}
}
