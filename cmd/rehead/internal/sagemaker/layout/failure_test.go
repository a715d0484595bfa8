package layout

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// Contract 5: at most 1,024 characters, and the first reason stays.
func TestWriteFailure(t *testing.T) {
	l := Tree(t.TempDir())
	if err := l.WriteFailure(strings.Repeat("é", 2000)); err != nil {
		t.Fatal(err)
	}
	if err := l.WriteFailure("later"); err != nil { // of the same run
		t.Fatal(err)
	}
	got, err := os.ReadFile(l.Failure())
	if err != nil || string(got) != strings.Repeat("é", 1024) {
		t.Errorf("got %d bytes, %v; want the first 1,024 characters of the first reason", len(got), err)
	}
	if err := errors.Join(l.ClearFailure(), l.ClearFailure(), l.WriteFailure("next run")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(l.Failure()); err != nil || string(got) != "next run" {
		t.Errorf("a later run: got %q, %v", got, err)
	}
}
