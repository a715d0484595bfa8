package nn

import (
	"context"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/nn/internal/device"
)

// RegressionExamples are what a softmax is fitted to.
type RegressionExamples struct {
	N, Features, Classes int                        // each at least 1
	Row                  func(i int, row []float32) // writes row i, [Features], for one i after the other
	Labels               []int32                    // [N], 0 to Classes-1
	Weights              []float32                  // [N], how much each example counts
	On, Off              float64                    // targets of an example's label, and of all others
}

func (e RegressionExamples) validate() error {
	if e.N < 1 || e.Features < 1 || e.Classes < 1 || e.Row == nil || len(e.Labels) != e.N || len(e.Weights) != e.N {
		return fmt.Errorf("nn: regression: got %d examples of %d features and %d classes, %d labels and %d weights, want "+
			"at least one of each, a label and a weight for each, and rows", e.N, e.Features, e.Classes, len(e.Labels),
			len(e.Weights))
	}
	for i, l := range e.Labels {
		if l < 0 || int(l) >= e.Classes {
			return fmt.Errorf("nn: regression: example %d: got label %d, want 0 to %d", i, l, e.Classes-1)
		}
	}
	return nil
}

// A Regression is the weighted cross entropy of examples with softmax(W x + b), on a device that has
// the examples in its memory. Products are exact float32; sums over the examples are float32 within
// chunks, in one order. One goroutine uses it at a time.
type Regression interface {
	// Device names the device, such as "cuda:0".
	Device() string
	// Logits computes W x of all examples, for the calls that follow. w is [Classes,Features].
	Logits(ctx context.Context, w []float32) error
	// Sums returns the sum of the losses with the bias b [Classes], and writes that of their gradients
	// by the bias to sums [Classes].
	Sums(ctx context.Context, b []float32, sums []float64) (loss float64, err error)
	// Products writes the sum of weight times p p' to cross [Classes,Classes], p being an example's
	// probabilities with the bias b [Classes].
	Products(ctx context.Context, b []float32, cross []float64) error
	// Gradient is Sums, and also writes the sum of the gradients by the weights to grad
	// [Classes,Features].
	Gradient(ctx context.Context, b []float32, sums, grad []float64) (loss float64, err error)
	// Close releases what the device has of it. Nothing else may follow.
	Close() error
}

// regression checks what it hands on.
type regression struct {
	device string
	of     device.Regression
	n      RegressionExamples
}

// ErrNoRegression says that a device computes networks, but no regressions.
var ErrNoRegression = errors.New("it does not fit heads")

// NewRegression copies the examples to a device, named as in Config.Device; of several the first that
// can do it, of several units the first. The processor is none of them: see package linalg.
func NewRegression(name string, e RegressionExamples) (Regression, error) {
	if err := e.validate(); err != nil {
		return nil, err
	}
	r, c, err := regressor(name)
	if err != nil {
		return nil, err
	}
	of, err := r.Regress(c.unit, device.Examples(e))
	if err != nil {
		return nil, fmt.Errorf("nn: regression: %w", err)
	}
	return &regression{c.String(), of, e}, nil
}

// ProbeRegression says why the device of that name cannot fit regressions on this machine: what
// NewRegression would say, before there are examples.
func ProbeRegression(name string) error {
	_, _, err := regressor(name)
	return err
}

// regressor finds the device of that name that fits regressions.
func regressor(name string) (device.Regressor, choice, error) {
	list, unit, err := named(name)
	if err != nil {
		return nil, choice{}, err
	}
	for _, d := range list {
		if r, ok := d.(device.Regressor); ok {
			if err := usable(d, unit, Config{}); err != nil {
				return nil, choice{}, fmt.Errorf("nn: device %q %w", name, err)
			}
			return r, choice{d, unit}, nil
		}
	}
	return nil, choice{}, fmt.Errorf("nn: device %q: %w, want cuda or the processor", name, ErrNoRegression)
}

func (r *regression) Device() string { return r.device }

func (r *regression) Logits(ctx context.Context, w []float32) error {
	if err := r.fits("weights", len(w), r.n.Classes*r.n.Features); err != nil {
		return err
	}
	return told(r.of.Logits(ctx, w))
}

func (r *regression) Sums(ctx context.Context, b []float32, sums []float64) (loss float64, err error) {
	if err := r.fitBias(b, sums); err != nil {
		return 0, err
	}
	loss, err = r.of.Sums(ctx, b, sums)
	return loss, told(err)
}

func (r *regression) Products(ctx context.Context, b []float32, cross []float64) error {
	if err := r.fits("bias", len(b), r.n.Classes); err != nil {
		return err
	}
	if err := r.fits("products", len(cross), r.n.Classes*r.n.Classes); err != nil {
		return err
	}
	return told(r.of.Products(ctx, b, cross))
}

func (r *regression) Gradient(ctx context.Context, b []float32, sums, grad []float64) (loss float64, err error) {
	if err := r.fitBias(b, sums); err != nil {
		return 0, err
	}
	if err := r.fits("gradient", len(grad), r.n.Classes*r.n.Features); err != nil {
		return 0, err
	}
	loss, err = r.of.Gradient(ctx, b, sums, grad)
	return loss, told(err)
}

func (r *regression) Close() error { return told(r.of.Close()) }

func (r *regression) fitBias(b []float32, sums []float64) error {
	if err := r.fits("bias", len(b), r.n.Classes); err != nil {
		return err
	}
	return r.fits("sums", len(sums), r.n.Classes)
}

// fits compares lengths.
func (*regression) fits(what string, got, want int) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("nn: regression: %s: got %d values, want %d", what, got, want)
}

// told is err as the caller reads it.
func told(err error) error {
	if err != nil {
		err = fmt.Errorf("nn: regression: %w", err)
	}
	return err
}
