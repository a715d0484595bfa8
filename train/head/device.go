package head

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/linalg"
)

// deviceProducts is how many products of an evaluation's logits a device has to be given to gain. A core
// does some 5e10 of them a second and a GPU a hundred times as many, but the examples have to get there
// first, and nothing here was measured on hardware: so it is a third of a second of one core's work.
const deviceProducts = 1 << 33

// deviceGains says whether a device is to evaluate heads of k classes on n examples of f features.
func (c Config) deviceGains(n, f, k int) bool {
	return float64(n)*float64(f)*float64(k) >= cmp.Or(c.DeviceProducts, deviceProducts)
}

// onDevice is an objective whose values a device computes.
type onDevice struct {
	*objective
	at   nn.Regression
	b32  []float32
	mean []float64 // gradient by the bias, where sums was last
}

// attach puts the examples on the configured device, where it gains or has to.
func (s *solver) attach() error {
	o, c := s.obj, s.cfg
	s.deviceErr = nil
	if c.Device == "" || c.Device == "cpu" || !c.DeviceAlways && !c.deviceGains(o.n, o.f, o.k) {
		return nil
	}
	if o.ex.MultiLabel != nil {
		if c.DeviceAlways {
			return fmt.Errorf("train: fit: device %q: heads of several labels an example are fitted by the processor", c.Device)
		}
		return nil
	}
	e := nn.RegressionExamples{N: o.n, Features: o.f, Classes: o.k, On: o.targets.on, Off: o.targets.off,
		Labels: make([]int32, o.n), Weights: make([]float32, o.n),
		Row: func(i int, row []float32) { s.scale.apply(row, o.ex.Rows[i]) }}
	for i, l := range o.ex.Labels {
		e.Labels[i], e.Weights[i] = int32(l), float32(o.targets.of[i]*o.targets.has[l])
	}
	at, err := nn.NewRegression(c.Device, e)
	switch {
	case err == nil:
		o.device = &onDevice{objective: o, at: at, b32: make([]float32, o.k), mean: make([]float64, o.k)}
	case c.DeviceAlways:
		return fmt.Errorf("train: fit: %w", err)
	case !errors.Is(err, nn.ErrNoRegression):
		s.deviceErr = err
	}
	return nil
}

// on names what evaluates, and says why another device does not.
func (s *solver) on() (string, error) {
	if s.obj.device == nil {
		return "cpu", s.deviceErr
	}
	return s.obj.device.at.Device(), nil
}

// detach takes the examples off the device.
func (s *solver) detach() error {
	d := s.obj.device
	if d == nil {
		return nil
	}
	s.obj.device = nil
	if err := d.at.Close(); err != nil {
		return fmt.Errorf("train: fit: %w", err)
	}
	return nil
}

// value is objective.value.
func (d *onDevice) value(theta, grad []float64) (float64, error) {
	w := d.k * d.f
	for i := range d.w32 {
		d.w32[i] = float32(theta[i])
	}
	if err := d.at.Logits(d.ctx, d.w32); err != nil {
		return 0, fmt.Errorf("train: fit: %w", err)
	}
	b := slices.Clone(theta[w:])
	if _, err := d.bestBias(d, b, nearBias); err != nil {
		return 0, err
	}
	loss, err := d.at.Gradient(d.ctx, d.narrow(b), grad[w:], grad[:w])
	if err != nil {
		return 0, fmt.Errorf("train: fit: %w", err)
	}
	copy(theta[w:], b)
	return d.regularise(loss, theta, grad), nil
}

// narrow is b in float32.
func (d *onDevice) narrow(b []float64) []float32 {
	for i, v := range b {
		d.b32[i] = float32(v)
	}
	return d.b32
}

// sums is part of biasPasses.
func (d *onDevice) sums(b, sums []float64) (loss float64, err error) {
	if loss, err = d.at.Sums(d.ctx, d.narrow(b), sums); err != nil {
		return 0, fmt.Errorf("train: fit: %w", err)
	}
	for l, v := range sums {
		d.mean[l] = v / float64(d.n)
	}
	return loss, nil
}

// curvature is part of biasPasses. The mean of the weighted probabilities is what is wanted of them and
// what the gradient lacks of that.
func (d *onDevice) curvature(b []float64) (func(g []float64) error, error) {
	diagonal := make([]float64, d.k)
	for l, v := range d.mean {
		diagonal[l] = d.targets.wanted[l] + v
	}
	byDiagonal := func(g []float64) error {
		divide(g, diagonal)
		return nil
	}
	if d.k > fullBias {
		return byDiagonal, nil
	}
	cross := linalg.New(make([]float64, d.k*d.k), d.k, d.k)
	if err := d.at.Products(d.ctx, d.narrow(b), cross.Data); err != nil {
		return nil, fmt.Errorf("train: fit: %w", err)
	}
	for i := range cross.Data {
		cross.Data[i] /= -float64(d.n)
	}
	return scaledSolve(cross, diagonal, byDiagonal)
}
