// Package wrongfield is the error of a Config that says which of its fields is wrong, so that a
// command line can name the flag instead.
package wrongfield

import "fmt"

// Error says what is wrong with a field.
type Error struct {
	Where  string // the package and what it configures, such as "train: config"
	Fields string // the field, or several: "Epochs and Steps"
	Err    error  // what is wrong
}

func (e *Error) Error() string { return e.Where + ": " + e.Fields + ": " + e.Err.Error() }

// Unwrap is what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error.
func Errorf(where, fields, format string, args ...any) error {
	return &Error{where, fields, fmt.Errorf(format, args...)}
}
