package kernels

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn/internal/ptx"
)

// gpu is one precision's kernels in the interpreter, with memory of its own.
type gpu struct {
	testing.TB
	Precision
	conv, rest *ptx.Module
	memory     ptx.Memory
	rng        *rand.Rand
}

// parsed are the modules by precision, each parsed once.
var parsed sync.Map

func module(t testing.TB, name string) *ptx.Module {
	t.Helper()
	if m, ok := parsed.Load(name); ok {
		return m.(*ptx.Module)
	}
	text, err := PTX(name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ptx.Parse(string(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	parsed.Store(name, m)
	return m
}

func newGPU(t testing.TB, p Precision) *gpu {
	t.Helper()
	return &gpu{TB: t, Precision: p, conv: module(t, p.Name), rest: module(t, p.Store), rng: rand.New(rand.NewPCG(3, 7))}
}

// eachPrecision runs f for every precision.
func eachPrecision(t *testing.T, f func(t *testing.T, g *gpu)) {
	for _, p := range Precisions() {
		t.Run(p.Name, func(t *testing.T) { f(t, newGPU(t, p)) })
	}
}

// launch runs a kernel.
func (g *gpu) launch(l Launch) error {
	k := g.conv.Kernels[l.Kernel]
	if k == nil {
		k = g.rest.Kernels[l.Kernel]
	}
	if k == nil {
		g.Fatalf("no kernel %q", l.Kernel)
	}
	return k.Run(&g.memory, ptx.Launch{Grid: [3]int{l.Grid[0], l.Grid[1], 1}, Block: [3]int{l.Block, 1, 1}, Params: l.Params})
}

func (g *gpu) run(l Launch) {
	g.Helper()
	if err := g.launch(l); err != nil {
		g.Fatal(err)
	}
}

// upload copies bytes to the device.
func (g *gpu) upload(data []byte) uint64 {
	at := g.memory.Alloc(len(data))
	b, err := g.memory.Bytes(at, len(data))
	if err != nil {
		g.Fatal(err)
	}
	copy(b, data)
	return at
}

// numbers draws n numbers that the precision has, and uploads them as its elements.
func (g *gpu) numbers(n int, spread float64) (at uint64, values []float32) {
	values = make([]float32, n)
	for i := range values {
		values[i] = g.round(float32(g.rng.NormFloat64() * spread))
	}
	return g.elements(values), values
}

func (g *gpu) elements(values []float32) uint64 {
	data, err := g.Append(nil, values...)
	if err != nil {
		g.Fatal(err)
	}
	return g.upload(data)
}

// floats uploads float32.
func (g *gpu) floats(values []float32) uint64 { return g.upload(safetensors.PutFloat32(nil, values)) }

// indices uploads int32.
func (g *gpu) indices(values ...int32) uint64 {
	data, err := binary.Append(nil, binary.LittleEndian, values)
	if err != nil {
		g.Fatal(err)
	}
	return g.upload(data)
}

// round is v as an element.
func (g *gpu) round(v float32) float32 {
	data, err := g.Append(nil, v)
	if err != nil {
		g.Fatal(err)
	}
	return g.element(data)
}

func (g *gpu) element(data []byte) float32 {
	switch {
	case g.Size == 4:
		return math.Float32frombits(binary.LittleEndian.Uint32(data))
	case g.Store == "bfloat16":
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(data)) << 16)
	}
	return safetensors.FromHalf(binary.LittleEndian.Uint16(data))
}

// download reads n elements.
func (g *gpu) download(at uint64, n int) []float32 {
	g.Helper()
	b, err := g.memory.Bytes(at, n*g.Size)
	if err != nil {
		g.Fatal(err)
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = g.element(b[i*g.Size:])
	}
	return values
}

// tolerance is what a sum of rounded products may be off, relative to the largest: the operands are
// exact, but for tf32, and the result is rounded to the precision's elements.
func (g *gpu) tolerance() float64 {
	return map[string]float64{"float32": 2e-6, "tf32": 2e-3, "float16": 6e-4, "bfloat16": 5e-3}[g.Precision.Name]
}

// near fails unless got is want within tolerance of the largest.
func near(t testing.TB, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	if err := difference(got, want, tolerance); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func difference(got []float32, want []float64, tolerance float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("got %d values, want %d", len(got), len(want))
	}
	largest := 0.0
	for _, w := range want {
		largest = max(largest, math.Abs(w))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= tolerance*largest) {
			return fmt.Errorf("value %d: got %v, want %v within %.0e of the largest, %v", i, got[i], w, tolerance, largest)
		}
	}
	return nil
}
