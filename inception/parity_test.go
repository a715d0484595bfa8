package inception

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn"
)

// tolerance is how far from another implementation a result may be, as the norm of the difference
// over the norm of the reference: float32 sums of some thousand terms in another order come to 1e-6
// .. 2e-5 over 94 layers, any change of structure to more than 1e-2.
const tolerance = 1e-4

// off is the relative distance, +Inf where lengths differ or a NaN is found.
func off(got, want []float32) float64 {
	if len(got) != len(want) || len(want) == 0 {
		return math.Inf(1)
	}
	d := numeric.Distance(got, want)
	if math.IsNaN(d) {
		return math.Inf(1)
	}
	return d
}

// engine runs a graph built at the given batch.
type engine struct {
	name string
	run  func(net *Net, input []float32, outputs ...*nn.Node) ([][]float32, error)
}

func engines() []engine {
	list := []engine{{"tape", func(net *Net, input []float32, outputs ...*nn.Node) ([][]float32, error) {
		m, err := nn.NewMachine(outputs...)
		if err != nil {
			return nil, err
		}
		got, err := m.Run(map[string][]float32{"input": input})
		if e := m.Close(); err == nil {
			err = e
		}
		return got, err
	}}}
	for _, kernel := range []string{"", "ref"} {
		for _, threads := range []int{1, 3} {
			if kernel == "ref" && threads > 1 {
				continue
			}
			list = append(list, engine{fmt.Sprintf("program %q %d threads", kernel, threads),
				func(net *Net, input []float32, outputs ...*nn.Node) ([][]float32, error) {
					p, err := nn.Compile(nn.Config{Device: "cpu", Kernel: kernel, Threads: threads}, net.Input, outputs...)
					if err != nil {
						return nil, err
					}
					n := len(input) / (net.Input.Shape().TotalSize() / net.Input.Shape()[0])
					got := make([][]float32, len(outputs))
					for i, o := range outputs {
						got[i] = make([]float32, n*o.Shape().TotalSize()/o.Shape()[0])
					}
					err = p.Run(context.Background(), n, input, got...)
					if e := p.Close(); err == nil {
						err = e
					}
					return got, err
				}})
		}
	}
	return list
}

// fixture is what testdata/narrow.py stored.
type fixture struct {
	weights *Weights
	file    *safetensors.File
	input   []float32 // [3,3,size,size]
	size    int
}

func (f *fixture) values(t *testing.T, name string) []float32 {
	t.Helper()
	info, ok := f.file.Lookup(name)
	if !ok {
		t.Fatalf("%s has no %s", f.file.Name, name)
	}
	v := make([]float32, info.Elements())
	if err := f.file.Float32(info, v, nil); err != nil {
		t.Fatal(err)
	}
	return v
}

func narrow(t *testing.T) *fixture {
	t.Helper()
	w, err := ReadWeights(filepath.Join("testdata", "narrow.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	taps, err := os.ReadFile(filepath.Join("testdata", "narrow-taps.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.New("narrow-taps", bytes.NewReader(taps), int64(len(taps)))
	if err != nil {
		t.Fatal(err)
	}
	info, _ := file.Lookup("input")
	raw, err := file.Bytes(info)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{weights: w, file: file, size: info.Shape[3], input: make([]float32, len(raw))}
	for i, b := range raw {
		f.input[i] = float32(b)/127.5 - 1
	}
	return f
}

// as is the same numbers under another flavour.
func (f *fixture) as(flavor Flavor) *Weights {
	w := *f.weights
	w.Flavor, w.Recipe = flavor, flavor.Recipe()
	return &w
}

// ways says which of the three stored structures a flavour has.
var ways = map[Flavor]string{
	TF2015: "tf-2015", PytorchFID: "tf-2015", TFSlim: "keras", Keras: "keras", Torchvision: "torchvision",
	Timm: "torchvision",
}

// TestParity holds bottlenecks and logits of every flavour to torchvision's own, for one picture
// and for three.
func TestParity(t *testing.T) {
	f := narrow(t)
	for _, flavor := range Flavors() {
		way := ways[flavor]
		bottleneck, logits := f.values(t, way+".bottleneck"), f.values(t, way+".logits")
		for _, batch := range []int{1, 3} {
			for i, e := range engines() {
				if i != 1 && (flavor != Flavor(way) || batch > 1 && flavor != Torchvision) {
					continue // the slow ways see each structure once, and one of them at both batches
				}
				net, err := Build(nn.NewGraph(), f.as(flavor), f.size, batch)
				if err != nil {
					t.Fatal(err)
				}
				got, err := e.run(net, f.input[:batch*len(f.input)/3], net.Bottleneck, net.Logits)
				if err != nil {
					t.Fatalf("%s, %s, batch %d: %v", flavor, e.name, batch, err)
				}
				for i, want := range [][]float32{bottleneck, logits} {
					want = want[:batch*len(want)/3]
					if d := off(got[i], want); !(d <= tolerance) {
						t.Errorf("%s, %s, batch %d: output %d is off by %g, want at most %g", flavor, e.name, batch, i, d, tolerance)
					}
				}
			}
		}
	}
}

// TestTaps holds the output of every block to torchvision's.
func TestTaps(t *testing.T) {
	f := narrow(t)
	for _, e := range engines() {
		net, err := Build(nn.NewGraph(), f.as(Torchvision), f.size, 1)
		if err != nil {
			t.Fatal(err)
		}
		var outputs []*nn.Node
		for _, name := range blocks() {
			outputs = append(outputs, net.taps[name])
		}
		got, err := e.run(net, f.input[:len(f.input)/3], outputs...)
		if err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		for i, name := range blocks() {
			info, _ := f.file.Lookup("tap." + name)
			shape := outputs[i].Shape()
			plane := shape[2] * shape[3]
			have := got[i]
			if info.Shape[0] != shape[1] { // only every fourth channel was stored
				have = nil
				for c := 0; c < shape[1]; c += 4 {
					have = append(have, got[i][c*plane:(c+1)*plane]...)
				}
			}
			if d := off(have, f.values(t, "tap."+name)); !(d <= tolerance) {
				t.Errorf("%s: %s is off by %g, want at most %g", e.name, name, d, tolerance)
			}
		}
	}
}

// TestStructureMatters: had a flavour another's border or another's last pool, TestParity would
// notice. The three stored answers differ by far more than the tolerance, and each flavour agrees
// with its own alone.
func TestStructureMatters(t *testing.T) {
	f := narrow(t)
	for flavor, own := range ways {
		net, err := Build(nn.NewGraph(), f.as(flavor), f.size, 1)
		if err != nil {
			t.Fatal(err)
		}
		run := engines()[1].run
		got, err := run(net, f.input[:len(f.input)/3], net.taps["Mixed_7c"])
		if err != nil {
			t.Fatal(err)
		}
		for _, way := range []string{"torchvision", "keras", "tf-2015"} {
			want := f.values(t, way+".Mixed_7c")
			d := off(got[0], want[:len(want)/3])
			if way == own && !(d <= tolerance) || way != own && !(d > 100*tolerance) {
				t.Errorf("%s against the answer of %s: off by %g", flavor, way, d)
			}
		}
	}
}
