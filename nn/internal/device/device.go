// Package device is what a Program of package nn can run on, and the list of it. "cpu" is built
// into nn; a package below nn that drives another device calls [Register] when it is imported.
package device

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/c236555e/rehead/nn/internal/ir"
)

// CPU is the name of the processor itself, Auto stands for the best device there is.
const (
	CPU  = "cpu"
	Auto = "auto"
)

// Config says how to compile a network for a device; its zero value works.
type Config struct {
	// Threads is the number of goroutines that compute, the caller's among
	// them. 0 means GOMAXPROCS.
	Threads int
	// Kernel is one of the device's kernels; "" means its default.
	Kernel string
	// BFloat16 makes it store activations and weights of [C,H,W] tensors as
	// bfloat16.
	BFloat16 bool
	// Levels, of each channel of the input, are the numbers that its values mostly
	// are, so that they may travel as bytes; nil means any numbers. They change no
	// bit of a result.
	Levels [][256]float32
	// Ranges, by a value's name, makes the network compute with bytes. nil
	// means float32.
	Ranges map[string]ir.Range
	// Lean rules out algorithms that multiply less with more weights.
	Lean bool
}

// A Device is something that runs networks.
type Device interface {
	// Name is what nn.Config.Device selects: a word such as "cuda", or two with a colon between, such
	// as "onnxruntime:cuda", of which the first alone stands for the first of its devices that works.
	Name() string
	// Kernels lists what Config.Kernel may name, the default first.
	Kernels() []string
	// Units describes what there is on this machine, such as "cuda:0 NVIDIA
	// H200"; it is empty where there is nothing.
	Units() []string
	// Probe returns nil when the unit of that number, from 0, can be used on
	// this machine, else why it cannot.
	Probe(unit int) error
	// Compile prepares net for a unit. Weights may be copied or kept; they
	// are read-only either way.
	Compile(net *ir.Net, unit int, cfg Config) (Executor, error)
}

// A Counter is a Device that says how many units it has.
type Counter interface {
	Device
	// Count is how many there are, or why there is none.
	Count() (int, error)
}

// A Processor is a Device that computes on this machine's processor. It has one unit, which needs no
// number, and is taken only where it is named.
type Processor interface {
	Device
	OnProcessor()
}

// An Unmeasured is a Device that has not yet run on hardware. It is taken only where it is named, too.
type Unmeasured interface {
	Device
	Unmeasured()
}

// IsUnmeasured reports whether d is Unmeasured.
func IsUnmeasured(d Device) bool {
	_, ok := d.(Unmeasured)
	return ok
}

// OnProcessor reports whether d is a Processor.
func OnProcessor(d Device) bool {
	_, ok := d.(Processor)
	return ok
}

// An Executor runs one compiled network on one device.
type Executor interface {
	// Run computes n images: in holds n times the input, out[i] n times the
	// i-th output, lengths already checked, or nil where that output is not
	// wanted. It is safe for concurrent use, returns ctx.Err() soon after ctx
	// ends, and an image's result depends on nothing but that image: to the
	// bit, or within the kernel's rounding where the device is a library of
	// others that chooses its algorithms by the batch.
	Run(ctx context.Context, n int, in []float32, out [][]float32) error
	// Kernel names the kernels chosen, such as "ref".
	Kernel() string
	// Threads is the number of the processor's threads a Run uses at most: 1,
	// the caller's, where something else computes.
	Threads() int
	// Close releases everything; no Run is under way or follows.
	Close() error
}

// A Batcher is an Executor that computes many images at once in less time than one by one.
type Batcher interface {
	// Batch is how many it does well with.
	Batch() int
}

// A Profiler is an Executor that can time single steps.
type Profiler interface {
	// Profile runs one image rounds times, step by step on all threads, and
	// returns the steps in the order in which they run.
	Profile(ctx context.Context, rounds int, in []float32) ([]Step, error)
}

// Step is what a profile says of one step of the network.
type Step struct {
	Name      string        // the operator's
	Algorithm string        // the kernel, such as "direct 8x48"
	Shape     string        // input, window/stride > output
	Time      time.Duration // an image, the shortest of the rounds
	GFLOP     float64       // multiplications and additions of the definition, in 1e9; 0 for all but convolutions
}

// registered is written while packages are initialised and read afterwards.
var registered struct {
	sync.RWMutex
	list []Device
}

// Register makes a device known under its name. It panics when the name is
// reserved ("auto", "cpu"), taken, or not made of one or two words that are no
// numbers, as that is a programming error.
func Register(d Device) {
	registered.Lock()
	defer registered.Unlock()
	name := d.Name()
	words := strings.Split(name, ":")
	if name == Auto || name == CPU || len(words) > 2 || slices.ContainsFunc(words, notWord) {
		panic(fmt.Sprintf("nn: register device: the name %q is reserved", name))
	}
	if slices.ContainsFunc(registered.list, func(o Device) bool { return o.Name() == name }) {
		panic(fmt.Sprintf("nn: register device: %q is registered twice", name))
	}
	registered.list = append(registered.list, d)
}

// notWord reports whether s is empty or a number.
func notWord(s string) bool { return strings.Trim(s, "0123456789") == "" }

// Unregister takes a test's device back.
func Unregister(d Device) {
	registered.Lock()
	defer registered.Unlock()
	registered.list = slices.DeleteFunc(registered.list, func(o Device) bool { return o == d })
}

// Registered lists the devices in the order in which they were registered.
func Registered() []Device {
	registered.RLock()
	defer registered.RUnlock()
	return slices.Clone(registered.list)
}
