package nn

import "fmt"

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
