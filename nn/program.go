package nn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
)

// Config says what a [Program] runs on. The zero value is a good choice. Whoever compiles a graph
// on behalf of others takes this type from them and hands it on.
type Config struct {
	// Threads is the number of CPU threads one call uses at most, 1 to 4096.
	// 0 means GOMAXPROCS. It never changes a result.
	Threads int
	// Device is one of [Devices]; a number may follow one that has several
	// units, as in "cuda:1". Several of them share the images of a run, as in
	// "cuda:0,cuda:1" and, of all there are, "cuda:all". The first word of a name with a colon stands for
	// the first of these devices that works. "" and "auto" take the first
	// accelerator that works on this machine, has the Kernel and was measured
	// on hardware (see PassedOver), else "cpu".
	Device string
	// Kernel forces the device's kernels: "ref" is plain Go on the CPU,
	// "float16" and "tf32" round more than float32 does, see Program.Rounding.
	// "" takes the CPU's fastest, or another device's most exact.
	Kernel string
	// Precision is what to compute with; "" means Float32.
	Precision Precision
	// Levels are, of each channel of the input, the numbers that its values
	// mostly are, in order, such as those that a picture's bytes become. Images of
	// nothing else travel to an accelerator as bytes. nil means any numbers; no bit
	// of a result depends on it.
	Levels [][256]float32
	// Ranges are those of the tensors, for Int8, which needs them: see
	// Calibrator. Float32 does not use them.
	Ranges Ranges
	// Lean rules out the algorithms that multiply less with more weights, on
	// the CPU: InceptionV3's then take 85 MB instead of 220. It is slower.
	Lean bool
}

// Validate reports the first field out of range. Whether the device works here, and has the kernel,
// Compile says, and also whether Int8 has its Ranges, which may be found later than the rest.
func (c Config) Validate() error {
	if c.Threads < 0 || c.Threads > 4096 {
		return fmt.Errorf("nn: config: Threads: got %d, want 0 (all processors) to 4096", c.Threads)
	}
	if err := checkDevice(c.Device); err != nil {
		return err
	}
	if _, err := ParsePrecision(string(c.Precision)); err != nil {
		return fmt.Errorf("nn: config: Precision: %w", err)
	}
	return nil
}

// Arithmetic is "tf32", "float16" or "bfloat16" where the kernel that c names, or that is its device's
// default, rounds what it multiplies to that; else "". What such kernels give should not be mixed with
// what others do.
func (c Config) Arithmetic() string {
	kernel := c.Kernel
	if kernel == "" {
		if list, _, err := named(c.Device); err == nil && len(list[0].Kernels()) > 0 {
			kernel = list[0].Kernels()[0]
		}
	}
	if device.Rounding(kernel) == device.Rounding(device.Float32) {
		return ""
	}
	return kernel
}

// precision is the one in use.
func (c Config) precision() Precision { return cmp.Or(c.Precision, Float32) }

// compile is what the device is told of c.
func (c Config) compile() device.Config {
	dc := device.Config{Threads: c.Threads, Kernel: c.Kernel, BFloat16: c.Precision == BFloat16, Lean: c.Lean,
		Levels: c.Levels}
	if c.Precision == Int8 {
		dc.Ranges = map[string]ir.Range{}
		for name, r := range c.Ranges {
			dc.Ranges[name] = ir.Range(r)
		}
	}
	return dc
}

// A Program is a graph compiled for inference: batch norm folded into the
// convolutions, bias and ReLU fused, concatenation in place, memory planned
// ahead. It is immutable and safe for concurrent use: calls on the CPU take
// turns, each with all threads, and a steady state allocates nothing.
type Program struct {
	device    string
	precision Precision
	exec      device.Executor
	input     int   // values per image
	outputs   []int // values per image of each output

	mu     sync.RWMutex // held for reading while a Run is under way
	closed bool
}

// Compile compiles what lies between input and outputs, a graph of this
// package's operators built at any batch size. Weights are read now; later
// changes to them have no effect. An operator that a Program cannot run, a
// weight that is not finite, and a leaf other than input that has no values
// are errors that name it. Close releases the Program.
func Compile(cfg Config, input *Node, outputs ...*Node) (*Program, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Precision == Int8 && cfg.Ranges == nil {
		return nil, errors.New("nn: config: Ranges: got none for int8, want those of a Calibrator")
	}
	net, err := lower(input, outputs)
	if err != nil {
		return nil, err
	}
	return compileNet(cfg, net)
}

// compileNet compiles a lowered graph.
func compileNet(cfg Config, net *ir.Net) (*Program, error) {
	list, err := chooseAll(cfg)
	if err != nil {
		return nil, err
	}
	p := &Program{precision: cfg.precision(), input: net.Values[net.Input].Size()}
	if p.device, p.exec, err = compileOn(list, net, cfg.compile()); err != nil {
		return nil, err
	}
	for _, v := range net.Outputs {
		p.outputs = append(p.outputs, net.Values[v].Size())
	}
	return p, nil
}

// Run computes n images: in is [n, the input's shape], out[i] [n, the i-th output's shape], both
// row-major and owned by the caller; lengths must fit exactly. An out[i] that is nil is not wanted
// and costs nothing. It returns soon after ctx ends, with an error that wraps ctx.Err(); out is
// then partly written. An image's result never depends on n, on its neighbours or on the number of
// threads: bit for bit, but on devices whose library chooses its algorithms by n (onnxruntime), where
// it is within the kernel's Rounding. Safe for concurrent use.
func (p *Program) Run(ctx context.Context, n int, in []float32, out ...[]float32) error {
	if n < 1 {
		return fmt.Errorf("nn: run: got %d images, want at least 1", n)
	}
	if len(in)%p.input != 0 || len(in)/p.input != n {
		return fmt.Errorf("nn: run: input: got %d values, want those of %d images of %d", len(in), n, p.input)
	}
	if len(out) != len(p.outputs) {
		return fmt.Errorf("nn: run: got %d outputs, want %d", len(out), len(p.outputs))
	}
	for i, size := range p.outputs {
		if out[i] != nil && len(out[i]) != n*size {
			return fmt.Errorf("nn: run: output %d: got room for %d values, want %d for %d images of %d", i, len(out[i]), n*size,
				n, size)
		}
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return errors.New("nn: run: the program is closed")
	}
	if err := p.exec.Run(ctx, n, in, out); err != nil {
		return fmt.Errorf("nn: run: %w", err)
	}
	return nil
}

// Kernel names the kernels in use, such as "ref".
func (p *Program) Kernel() string { return p.exec.Kernel() }

// Threads returns the number of threads one call uses at most.
func (p *Program) Threads() int { return p.exec.Threads() }

// Rounding is how far, relatively, the kernels in use round what they multiply: about 6e-8 for float32,
// 5e-4 for float16 and tf32, 4e-3 for bfloat16.
func (p *Program) Rounding() float64 { return device.Rounding(p.Kernel()) }

// Batch is how many images a call of Run does well to bring, where there are many: 4 on the CPU,
// which gains little by more.
func (p *Program) Batch() int { return batch(p.exec) }

// Device names the device in use, such as "cpu" or "cuda:0".
func (p *Program) Device() string { return p.device }

// Precision is what the program computes with.
func (p *Program) Precision() Precision { return p.precision }

// Close waits for the calls under way and releases everything. Later calls of
// Run fail; later calls of Close do nothing.
func (p *Program) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	return p.exec.Close()
}
