package nn

import (
	"errors"
	"fmt"
)

// ErrClosed is found by errors.Is in the error of a Program, Machine or Calibrator that was used
// after its Close, and of everything that computes with one.
var ErrClosed = errors.New("it is closed")

// ErrDevice is found by errors.Is in the error of a Config.Device that this program does not have, that
// cannot be used on this machine, or that lacks the Kernel or Precision asked for: another may do.
var ErrDevice = errors.New("the device cannot be used")

// deviceError is an error that says what is wrong with a device.
type deviceError struct{ error }

func (deviceError) Is(target error) bool { return target == ErrDevice }

func (e deviceError) Unwrap() error { return e.error }

// A ShapeError says that an operator was given something of the wrong shape.
// Callers that build graphs from untrusted weights branch on it with errors.As.
type ShapeError struct {
	Op   string // kind of operator, such as "conv2d"
	Name string // the operator's own name, may be empty
	What string // what is wrong, such as "weight"
	Got  string // what was found
	Want string // what the operator accepts
}

func (e *ShapeError) Error() string {
	return fmt.Sprintf("nn: %s %q: %s: got %s, want %s", e.Op, e.Name, e.What, e.Got, e.Want)
}
