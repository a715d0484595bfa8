package nn

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
)

// small is a network of conv, norm and relu, twice, joined.
func small(t *testing.T) (x, y *Node) {
	t.Helper()
	g := NewGraph()
	x = input(t, g, "x", 1, 2, 5, 4)
	y = x
	for _, name := range []string{"a", "b"} {
		w := make([]float32, 3*y.Shape()[1])
		for i := range w {
			w[i] = float32(i) - 1
		}
		c := apply(t, &Conv2D{Name: name + "/conv"}, y, param(t, g, name+"/w", w, 3, y.Shape()[1], 1, 1))
		n := apply(t, &BatchNorm{Name: name + "/norm", Eps: 1}, c,
			param(t, g, name+"/gamma", []float32{2, 4, 6}, 3), param(t, g, name+"/beta", []float32{1, 0, -1}, 3),
			param(t, g, name+"/mean", []float32{0, 1, 2}, 3), param(t, g, name+"/variance", []float32{3, 3, 3}, 3))
		y = apply(t, &Concat{Name: name + "/join"}, apply(t, &ReLU{Name: name + "/relu"}, n), y)
	}
	return x, y
}

func TestLowerFuses(t *testing.T) {
	x, y := small(t)
	net, err := lower(x, []*Node{y})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, s := range net.Steps {
		kinds = append(kinds, s.Kind.String()+" "+s.Name)
	}
	if got, want := strings.Join(kinds, ", "), "conv a/conv, concat a/join, conv b/conv, concat b/join"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	s := net.Steps[0]
	// gamma / sqrt(3+1) is 1, 2, 3; the weights were -1, 0, 1, 2, 3, 4.
	for i, want := range []float32{-1, 0, 2, 4, 9, 12} {
		if s.W[i] != want {
			t.Errorf("weight %d: got %v, want %v", i, s.W[i], want)
		}
	}
	for i, want := range []float32{1, -2, -7} {
		if s.B[i] != want {
			t.Errorf("bias %d: got %v, want %v", i, s.B[i], want)
		}
	}
	if !s.ReLU {
		t.Error("the ReLU is lost")
	}
}

func TestCompileErrors(t *testing.T) {
	x, y := small(t)
	g := x.Graph()
	foreign, err := gorgonia.Sigmoid(y)
	if err != nil {
		t.Fatal(err)
	}
	other := input(t, g, "other", 1, 2, 5, 4)
	vec := input(t, g, "vec", 2, 3)
	loss := apply(t, &CrossEntropy{Name: "loss"}, vec, input(t, g, "targets", 2, 3), input(t, g, "weights", 2))
	weights := input(t, g, "unknown weights", 3, 2, 1, 1)
	image := param(t, g, "image", make([]float32, 40), 1, 2, 5, 4)
	bad := param(t, g, "bad", []float32{1, 2, float32(math.NaN()), 4, 5, 6}, 3, 2, 1, 1)
	zero := param(t, g, "zero", []float32{0, 0}, 2)
	negative := param(t, g, "negative", []float32{1, -1}, 2)
	x2, _ := small(t)
	for _, c := range []struct {
		name    string
		cfg     Config
		input   *Node
		outputs []*Node
		want    string
	}{
		{"no input", Config{}, nil, []*Node{y}, "input"},
		{"input computed", Config{}, y, []*Node{y}, "input"},
		{"no outputs", Config{}, x, nil, "outputs"},
		{"nil output", Config{}, x, []*Node{nil}, "output 0"},
		{"other graph", Config{}, x, []*Node{y, x2}, "output 1"},
		{"foreign operator", Config{}, x, []*Node{foreign}, "igmoid"},
		{"loss", Config{}, vec, []*Node{loss}, "crossentropy \"loss\""},
		{"another input", Config{}, x, []*Node{apply(t, &Concat{Name: "join"}, x, other)}, "\"other\""},
		{"weights fed", Config{}, x, []*Node{apply(t, &Conv2D{Name: "conv"}, x, weights)}, "\"unknown weights\""},
		{"image stored", Config{}, x, []*Node{apply(t, &ReLU{Name: "relu"}, image)}, "\"image\""},
		{"leaf as output", Config{}, x, []*Node{other}, "\"other\""},
		{"weights not finite", Config{}, x, []*Node{apply(t, &Conv2D{Name: "conv"}, x, bad)}, "\"bad\": value 2 is NaN"},
		{"variance", Config{}, x, []*Node{apply(t, &BatchNorm{Name: "bn", Eps: 1}, x, zero, zero, zero, negative)},
			"\"bn\": channel 1"},
		{"threads", Config{Threads: -1}, x, []*Node{y}, "Threads"},
		{"device", Config{Device: "abacus"}, x, []*Node{y}, "\"abacus\" is not known, want one of auto, cpu"},
		{"kernel", Config{Device: "cpu", Kernel: "abacus"}, x, []*Node{y}, "\"abacus\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Compile(c.cfg, c.input, c.outputs...)
			if err == nil {
				t.Fatalf("got %v, want an error", p)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "nn: ") {
				t.Fatalf("got %v, want it to say %s", err, c.want)
			}
		})
	}
}

// countdown is a context that ends after so many questions.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestCancelBetweenSteps counts how often a run asks: it must ask before every
// step, and stop at the first refusal.
func TestCancelBetweenSteps(t *testing.T) {
	x, y := small(t)
	const n = 5 // more than are under way at once on any processor
	in, out := make([]float32, n*40), make([]float32, n*y.Shape().TotalSize())
	for _, kernel := range Kernels() {
		p, err := Compile(Config{Device: "cpu", Kernel: kernel, Threads: 2}, x, y)
		if err != nil {
			t.Fatal(err)
		}
		const most = 1000
		whole := &countdown{context.Background(), most}
		if err := p.Run(whole, n, in, out); err != nil {
			t.Fatal(err)
		}
		asked := most - whole.left
		if asked < 4 { // a convolution and a concatenation, twice
			t.Errorf("kernel %s: asked %d times, want at least 4", kernel, asked)
		}
		for after := range asked {
			ctx := &countdown{context.Background(), after}
			if err := p.Run(ctx, n, in, out); !errors.Is(err, context.Canceled) {
				t.Fatalf("kernel %s, ended after %d questions: got %v, want context.Canceled", kernel, after, err)
			}
			if ctx.left != -1 {
				t.Fatalf("kernel %s, ended after %d questions: asked %d times more", kernel, after, -1-ctx.left)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	x, y := small(t)
	for _, kernel := range Kernels() {
		p, err := Compile(Config{Device: "cpu", Kernel: kernel, Threads: 2}, x, y)
		if err != nil {
			t.Fatal(err)
		}
		ctx, n := context.Background(), 2
		in, out := make([]float32, n*40), [][]float32{make([]float32, n*y.Shape().TotalSize())}
		got := testing.AllocsPerRun(50, func() {
			if err := p.Run(ctx, n, in, out...); err != nil {
				t.Error(err)
			}
		})
		if got > 0 {
			t.Errorf("kernel %s: %v allocations a run, want none", kernel, got)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// fake is a device that records what it is given.
type fake struct {
	name    string
	kernels []string // nil: one, "coarse"
	probe   error
	seen    *ir.Net
	unit    int
}

func (f *fake) Name() string    { return f.name }
func (f *fake) Units() []string { return []string{f.name + ":0 Fake"} }
func (f *fake) Kernels() []string {
	if f.kernels == nil {
		return []string{"coarse"}
	}
	return f.kernels
}
func (f *fake) Probe(unit int) error {
	if unit > 1 {
		return errors.New("there are 2")
	}
	return f.probe
}
func (f *fake) Compile(net *ir.Net, unit int, _ device.Config) (device.Executor, error) {
	f.seen, f.unit = net, unit
	return nil, errors.New("fake: compiled")
}

func TestDevices(t *testing.T) {
	before := device.Registered()
	broken, works := &fake{name: "broken", probe: errors.New("no such chip")}, &fake{name: "works"}
	device.Register(broken)
	defer device.Unregister(broken)
	if d, err := choose(Config{}); err != nil || d.Name() != "cpu" && len(before) == 0 {
		t.Errorf("auto beside a broken device: got %v, %v, want cpu", d, err)
	}
	device.Register(works)
	defer device.Unregister(works)
	x, y := small(t)
	for name, want := range map[string]string{
		"broken": "no such chip", "works": "fake: compiled", "nothing": "want one of auto, cpu, broken, works",
	} {
		if len(before) > 0 && name == "nothing" {
			continue
		}
		if _, err := Compile(Config{Device: name}, x, y); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("device %s: got %v, want %q", name, err, want)
		}
	}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Device: "works:1"}, "fake: compiled"},
		{Config{Device: "works:2"}, "there are 2"},
		{Config{Device: "works:-1"}, "a number from 0"},
		{Config{Device: "works:x"}, `"works:x" is not known`},
		{Config{Device: "works:0x1"}, "a number from 0"},
		{Config{Device: "cpu:0"}, "a number from 0"},
		{Config{Device: "works", Kernel: "ref"}, `has no kernel "ref", want one of coarse`},
		{Config{Kernel: "coarse"}, "fake: compiled"},
	} {
		works.unit = 0
		if _, err := Compile(c.cfg, x, y); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.cfg, err, c.want)
		}
		if (c.cfg.Device == "works:1") != (works.unit == 1) {
			t.Errorf("%+v: unit %d was compiled for", c.cfg, works.unit)
		}
	}
	if d, err := choose(Config{Kernel: "ref"}); err != nil || d.Name() != "cpu" {
		t.Errorf("auto with the CPU's kernel: got %v, %v, want cpu", d, err)
	}
	if got := Units(); !slices.Contains(got, "works:0 Fake") {
		t.Errorf("units: got %v, want works:0 Fake among them", got)
	}
	if works.seen == nil || len(works.seen.Steps) != 4 {
		t.Errorf("the device got %v, want 4 steps", works.seen)
	}
}

func TestCPU(t *testing.T) {
	x, y := small(t)
	p, err := Compile(Config{Device: "cpu"}, x, y)
	if err != nil || p.Device() != "cpu" || p.Threads() < 1 || p.Kernel() == "" {
		t.Fatalf("cpu: got %v, %v", p, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// processor is a fake of this machine's processor.
type processor struct{ fake }

func (*processor) OnProcessor() {}

// TestDeviceFamily: the first word of several devices' names stands for the first that works, and
// auto passes over those on the processor.
func TestDeviceFamily(t *testing.T) {
	gpu := &fake{name: "family:gpu", probe: errors.New("no such chip")}
	slow := &processor{fake{name: "family:slow"}}
	device.Register(gpu)
	defer device.Unregister(gpu)
	device.Register(slow)
	defer device.Unregister(slow)
	if d, err := choose(Config{}); err != nil || strings.HasPrefix(d.Name(), "family") {
		t.Errorf("auto: got %v, %v, want none of the family", d, err)
	}
	for name, want := range map[string]string{
		"family": "family:slow", "family:slow": "family:slow",
		"family:gpu":    `device "family:gpu" cannot be used here: no such chip`,
		"family:gpu:1":  "no such chip",
		"family:1":      `device "family:1" cannot be used here: no such chip; family:slow is this machine's processor`,
		"family:slow:1": "has no number: want family:slow",
		"family:other":  "not known",
		"family:gpu:x":  "a number from 0",
		"family:":       "a number from 0",
	} {
		d, err := choose(Config{Device: name})
		got := fmt.Sprint(err)
		if err == nil {
			got = d.String()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	gpu.probe = nil
	for name, want := range map[string]string{"": "family:gpu:0", "family": "family:gpu:0", "family:1": "family:gpu:1"} {
		if len(device.Registered()) > 2 && name == "" {
			continue
		}
		if d, err := choose(Config{Device: name}); err != nil || d.String() != want {
			t.Errorf("%q: got %v, %v, want %s", name, d, err, want)
		}
	}
}

// TestDeviceElsewhere: a build without a device says which has it.
func TestDeviceElsewhere(t *testing.T) {
	if len(device.Registered()) > 0 {
		t.Skip("this build has other devices")
	}
	for _, name := range []string{"cuda", "cuda:1", "onnxruntime", "onnxruntime:cuda:1"} {
		if _, err := choose(Config{Device: name}); err == nil || !strings.Contains(err.Error(), "go build -tags gpu") {
			t.Errorf("%s: got %v, want which build has it", name, err)
		}
	}
}

func TestArithmetic(t *testing.T) {
	tf32 := &fake{name: "family:fast", kernels: []string{"tf32", "float32"}}
	device.Register(tf32)
	defer device.Unregister(tf32)
	for cfg, want := range map[[2]string]string{{"", ""}: "", {"cpu", "ref"}: "", {"", "float16"}: "float16",
		{"cuda", "bfloat16"}: "bfloat16", {"family:fast:1", ""}: "tf32", {"family:fast", "float32"}: ""} {
		if got := (Config{Device: cfg[0], Kernel: cfg[1]}).Arithmetic(); got != want {
			t.Errorf("%q: got %q, want %q", cfg, got, want)
		}
	}
}

// TestRegister registers what must not be.
func TestRegister(t *testing.T) {
	works := &fake{name: "works"}
	device.Register(works)
	defer device.Unregister(works)
	for _, name := range []string{"", "auto", "cpu", "works", "works:", "a:1", "a:b:c"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("registering %q: no panic", name)
				}
			}()
			device.Register(&fake{name: name})
		}()
	}
}
