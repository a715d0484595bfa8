// Package licences holds the licences of everything that is in the binary: rehead's own modules,
// Go's standard library and the embedded trunk.
//
// third_party.txt, and third_party.txt.gz of the same, are written by the program in folder gather from
// the modules that `go list` finds the binary to be linked from, and their own files; a test compares
// them with what that program writes now.
package licences

import (
	"compress/gzip"
	_ "embed"
	"io"
	"strings"
)

//go:generate go run ./gather -o third_party.txt

//go:embed third_party.txt.gz
var packed string

// Text is the whole list, plain text.
func Text() (string, error) {
	r, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}
