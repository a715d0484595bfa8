package onnxruntime

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ort"
)

// Family is the first word of the devices' names.
const Family = "onnxruntime"

// Config says where the library is; its zero value works.
type Config struct {
	// Library is the path of libonnxruntime.so (.dylib on macOS), or the folder
	// that has it. "" lets the system's loader look for it.
	Library string
	// CUDA are options of the CUDA provider as ONNX Runtime names them, beside
	// and before those that are set here, such as {"prefer_nhwc", "1"}. Nothing
	// checks them but the library.
	CUDA [][2]string
}

// ParseOptions reads options as "name=value,name=value"; "" is none.
func ParseOptions(text string) ([][2]string, error) {
	var options [][2]string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("onnxruntime: options: got %q, want name=value", word)
		}
		options = append(options, [2]string{name, value})
	}
	return options, nil
}

// Register makes the devices known to package nn. It opens nothing yet. A second call panics, as
// registering any device twice does.
func Register(c Config) {
	open := sync.OnceValues(func() (*ort.Library, error) { return ort.Open(c.Library) })
	gpu := func(p ort.Provider, kernels ...string) *provider {
		return &provider{name: p, kernels: kernels, batch: 128, cuda: c.CUDA, open: open, usable: map[int]bool{}}
	}
	device.Register(gpu(ort.CUDA, device.Float32, device.TF32, device.Float16))
	device.Register(&processor{provider{name: ort.CPU, kernels: []string{device.Float32, device.Float16}, batch: 8,
		open: open, usable: map[int]bool{}}})
	device.Register(gpu(ort.TensorRT, device.TF32, device.Float16))
}

// provider is one of the library's execution providers. It is safe for concurrent use.
type provider struct {
	name    ort.Provider
	kernels []string // the default first
	batch   int      // most images in one run
	cuda    [][2]string
	open    func() (*ort.Library, error)

	mu     sync.Mutex
	usable map[int]bool // the units on which a network ran
}

// processor is the provider for the processor.
type processor struct{ provider }

// OnProcessor marks it as that.
func (*processor) OnProcessor() {}

// Name returns the device's name, such as "onnxruntime:cuda".
func (p *provider) Name() string { return Family + ":" + string(p.name) }

// Kernels lists the arithmetics, the default first. The library's CPU provider has float16 to try it
// out: it computes most of it in float32.
func (p *provider) Kernels() []string { return slices.Clone(p.kernels) }

// Units says which library has the provider. How many GPUs there are, it does not tell.
func (p *provider) Units() []string {
	l, err := p.library()
	if err != nil {
		return nil
	}
	return []string{fmt.Sprintf("%s (ONNX Runtime %s, %s)", p.Name(), l.Version(), l.Path())}
}

// library opens the library and checks that it has the provider.
func (p *provider) library() (*ort.Library, error) {
	l, err := p.open()
	if err != nil {
		return nil, err
	}
	has, err := l.Has(p.name)
	if err == nil && !has {
		err = fmt.Errorf("onnxruntime: %s, of version %s, has no provider %q; \"pip install onnxruntime-gpu\" brings a "+
			"library that has: set ORT_DYLIB_PATH to its onnxruntime/capi folder, or use --device cpu", l.Path(), l.Version(),
			p.name)
	}
	return l, err
}

// Probe says why the unit cannot be used. It runs a network of one operator there, as the providers
// for GPUs open their libraries and the GPU itself no sooner.
func (p *provider) Probe(unit int) error {
	if _, err := p.library(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.name == ort.CPU || p.usable[unit] {
		return nil
	}
	net := &ir.Net{Values: []ir.Value{{Name: "in", Shape: []int{1, 1, 1}}, {Name: "out", Shape: []int{1, 1, 1}}},
		Steps: []ir.Step{{Kind: ir.ReLU, Name: "probe", In: []int{0}, Out: 1}}, Outputs: []int{1}}
	e, err := p.Compile(net, unit, device.Config{Threads: 1})
	if err != nil {
		return err
	}
	if err := e.Close(); err != nil {
		return err
	}
	p.usable[unit] = true
	return nil
}

// Compile hands net to the library.
func (p *provider) Compile(net *ir.Net, unit int, cfg device.Config) (device.Executor, error) {
	l, err := p.library()
	if err != nil {
		return nil, err
	}
	kernel := cmp.Or(cfg.Kernel, p.kernels[0])
	g, err := newGraph(net, kernel == device.Float16)
	if err != nil {
		return nil, err
	}
	threads := 1
	if p.name == ort.CPU {
		threads = cmp.Or(cfg.Threads, runtime.GOMAXPROCS(0))
	}
	s, err := l.NewSession(g.model, ort.Options{Provider: p.name, Unit: unit, Threads: threads,
		TF32: kernel == device.TF32, Half: kernel == device.Float16, MaxBatch: p.batch, CUDA: p.cuda,
		Input: g.input, Outputs: g.outputs})
	if err != nil {
		return nil, err
	}
	return &executor{s, kernel, threads, p.batch}, nil
}
