package nn

import (
	"context"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/internal/par"
)

// A Calibrator runs a graph in float32 and finds the [Ranges] that [Int8] needs
// from what passes through it. It is for one goroutine.
type Calibrator struct {
	program *Program
	names   []string // of the tensors in the order of the program's outputs
	out     [][]float32
	seen    []histogram
	input   string
	low     float32 // of the input
	high    float32
	images  int
}

// NewCalibrator compiles what lies between input and outputs with cfg, whose
// Precision and Ranges are not used. Two operators of one name are an error.
func NewCalibrator(cfg Config, input *Node, outputs ...*Node) (*Calibrator, error) {
	cfg.Precision, cfg.Ranges = Float32, nil
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	net, err := lower(input, outputs)
	if err != nil {
		return nil, err
	}
	c := &Calibrator{input: net.Values[net.Input].Name}
	net.Outputs = nil
	known := map[string]bool{c.input: true}
	for _, s := range net.Steps {
		v := net.Values[s.Out]
		if len(v.Shape) != 3 { // a vector stays float32
			continue
		}
		if known[v.Name] {
			return nil, fmt.Errorf("nn: calibrate: two operators are called %q, want a name for each", v.Name)
		}
		known[v.Name] = true
		net.Outputs, c.names = append(net.Outputs, s.Out), append(c.names, v.Name)
		c.out = append(c.out, make([]float32, v.Size()))
	}
	if len(c.names) == 0 {
		return nil, errors.New("nn: calibrate: the graph computes no [C,H,W] tensor, want at least one")
	}
	c.seen = make([]histogram, len(c.names))
	c.program, err = compileNet(cfg, net)
	return c, err
}

// Add runs one image, in [the input's shape], and keeps what it says of the ranges.
func (c *Calibrator) Add(ctx context.Context, in []float32) error {
	if err := c.program.Run(ctx, 1, in, c.out...); err != nil {
		return fmt.Errorf("nn: calibrate: %w", err)
	}
	for i, v := range in {
		if c.images == 0 && i == 0 {
			c.low, c.high = v, v
		}
		c.low, c.high = min(c.low, v), max(c.high, v)
	}
	c.images++
	par.Do(c.program.Threads(), len(c.out), func(i int) { c.seen[i].add(c.out[i]) })
	return nil
}

// Ranges returns the ranges of what was added: of the input all of it, of any
// other tensor from zero to where cutting off costs as much as it gains.
func (c *Calibrator) Ranges() (Ranges, error) {
	if c.images == 0 {
		return nil, errors.New("nn: calibrate: got no image, want at least one")
	}
	r := Ranges{c.input: {Low: c.low, High: c.high}}
	for i, name := range c.names {
		r[name] = Range{High: c.seen[i].clip()}
	}
	return r, nil
}

// Close releases the program.
func (c *Calibrator) Close() error { return c.program.Close() }
