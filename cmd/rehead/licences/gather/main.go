// Command gather writes the licences of the modules that rehead's binary is linked from, on any
// platform it is built for, as one text.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	out := flag.String("o", "third_party.txt", "file to write")
	flag.Parse()
	text, err := gather()
	if err == nil {
		err = os.WriteFile(*out, []byte(text), 0o644) //nolint:gosec // everybody may read it
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gather:", err)
		os.Exit(1)
	}
}
