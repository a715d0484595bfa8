// Package licences holds the licences of everything that is in the binary: rehead's own modules,
// Go's standard library and the embedded trunk.
//
// third_party.txt is written by the program in folder gather from the modules that `go list` finds
// the binary to be linked from, and their own files; a test compares it with what that program
// writes now.
package licences

import _ "embed"

//go:generate go run ./gather -o third_party.txt

//go:embed third_party.txt
var text string

// Text is the whole list, plain text.
func Text() string { return text }
