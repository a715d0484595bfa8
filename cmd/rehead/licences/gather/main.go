// Command gather writes the licences of the modules that rehead's binary is linked from, on any
// platform it is built for, as one text, and the same beside it with gzip.
package main

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"os"
)

func main() {
	out := flag.String("o", "third_party.txt", "file to write")
	flag.Parse()
	text, err := gather()
	if err == nil {
		err = write(*out, []byte(text))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gather:", err)
		os.Exit(1)
	}
}

// write writes the text, and to path.gz the same packed.
func write(path string, text []byte) error {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	for name, data := range map[string][]byte{path: text, path + ".gz": packed.Bytes()} {
		if err == nil {
			err = os.WriteFile(name, data, 0o644) //nolint:gosec // everybody may read it
		}
	}
	return err
}
