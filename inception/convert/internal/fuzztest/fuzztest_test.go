package fuzztest

import (
	"errors"
	"runtime"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// recorder notes whether it was failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(string, ...any) {
	r.failed = true
	runtime.Goexit()
}

// TestLimits: a tensor that is too large, and one that cannot be read, fail; others pass.
func TestLimits(t *testing.T) {
	tensor := func(d raw.DType, n int, err error) raw.Tensor {
		return raw.Tensor{Name: "x", Shape: []int{n}, DType: d, Load: func([]float32) error { return err }}
	}
	twice := func(size int) int { return 2 * size }
	broken := errors.New("cut short")
	for _, c := range []struct {
		limits Limits
		tensor raw.Tensor
		fails  bool
	}{
		{Limits{}, tensor(raw.F32, 10, nil), false},
		{Limits{}, tensor(raw.F32, 11, nil), true},
		{Limits{Elements: twice}, tensor(raw.F32, 20, nil), false},
		{Limits{Elements: twice}, tensor(raw.F32, 21, nil), true},
		{Limits{}, tensor(raw.I64, 100, broken), false},
		{Limits{}, tensor(raw.F16, 5, broken), true},
		{Limits{Unread: true}, tensor(raw.F16, 5, broken), false},
	} {
		r, done := &recorder{TB: t}, make(chan struct{})
		go func() {
			defer close(done)
			c.limits.check(r, 10, []raw.Tensor{c.tensor})
		}()
		if <-done; r.failed != c.fails {
			t.Errorf("%+v with a tensor of %d: failed %v, want %v", c.limits, c.tensor.Len(), r.failed, c.fails)
		}
	}
}
