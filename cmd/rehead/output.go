package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/c236555e/rehead/dataset/source"
)

// printJSON writes v as one line of JSON to w.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// parentExists asks that the folder that path is to be written into is there, before any work is
// done.
func parentExists(path string) error {
	if source.Scheme(path) != "" {
		return fmt.Errorf("%s: is an address that nothing is written to, want s3://BUCKET/NAME or a path on this machine",
			path)
	}
	dir := filepath.Dir(filepath.Clean(path))
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("%s: the folder %s does not exist; create it first or choose another place", path, dir)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: %s is not a folder", path, dir)
	}
	return nil
}

// columns is how wide text for people is at most, where it can be broken.
const columns = 80

// styles are what app.paint adds.
var styles = regexp.MustCompile("\x1b\\[[0-9]*m")

// wrapped breaks a text between its words into lines of at most columns, those after the first
// begun with indent; first is how much of the first line is taken.
func wrapped(text string, first int, indent string) string {
	var b strings.Builder
	at := first
	for i, word := range strings.Split(text, " ") {
		n := cells(styles.ReplaceAllString(word, ""))
		switch {
		case i == 0:
		case at+1+n > columns:
			b.WriteString("\n" + indent)
			at = len(indent)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
