package kernels

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn/internal/ptx"
)

// gpu is one precision's kernels on a board.
type gpu struct {
	testing.TB
	Precision
	board
	rng *rand.Rand
}

// board runs kernels: the interpreter, or a GPU behind a driver.
type board interface {
	// alloc returns the address of n bytes of 0xFF, which are numbers in no precision.
	alloc(n int) uint64
	write(at uint64, data []byte)
	read(at uint64, n int) []byte
	// launch runs a kernel of the precision of that name to its end.
	launch(precision string, l Launch) error
}

// interpreted is the interpreter.
type interpreted struct {
	testing.TB
	memory ptx.Memory
	edited *ptx.Module // in place of all others, if there is one
}

func (b *interpreted) alloc(n int) uint64 { return b.memory.Alloc(n) }

func (b *interpreted) write(at uint64, data []byte) { copy(b.read(at, len(data)), data) }

func (b *interpreted) read(at uint64, n int) []byte {
	b.Helper()
	data, err := b.memory.Bytes(at, n)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

func (b *interpreted) launch(precision string, l Launch) error {
	m := b.edited
	if m == nil {
		m = module(b.TB, precision)
	}
	return m.Kernels[l.Kernel].Run(&b.memory, ptx.Launch{
		Grid: [3]int{l.Grid[0], l.Grid[1], 1}, Block: [3]int{l.Block, 1, 1}, Params: l.Params,
	})
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
	return &gpu{t, p, newBoard(t), rand.New(rand.NewPCG(3, 7))}
}

// as is the same board seen by another precision.
func (g *gpu) as(p Precision) *gpu { return &gpu{g.TB, p, g.board, g.rng} }

// eachPrecision runs f for every precision.
func eachPrecision(t *testing.T, f func(t *testing.T, g *gpu)) {
	for _, p := range Precisions() {
		t.Run(p.Name, func(t *testing.T) { f(t, newGPU(t, p)) })
	}
}

// try runs a kernel of the precision's own or of the one that stores alike.
func (g *gpu) try(l Launch) error {
	if strings.HasPrefix(l.Kernel, "conv") {
		return g.launch(g.Precision.Name, l)
	}
	return g.launch(g.Store, l)
}

func (g *gpu) run(l Launch) {
	g.Helper()
	if err := g.try(l); err != nil {
		g.Fatal(err)
	}
}

// upload copies bytes to the device.
func (g *gpu) upload(data []byte) uint64 {
	at := g.alloc(len(data))
	g.write(at, data)
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
	b := g.read(at, n*g.Size)
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
