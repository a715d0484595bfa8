package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra/doc"
)

var man = flag.String("man", "", "folder to write the manual's pages to")

// TestManPages: every command has a page, which deploy/release.sh takes from -man. The generator is
// part of the test, not of the binary.
func TestManPages(t *testing.T) {
	dir := *man
	if dir == "" {
		dir = t.TempDir()
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		seconds = 0
	}
	date := time.Unix(seconds, 0).UTC()
	all := commands()
	root := all[0]
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Title: "REHEAD", Section: "1", Source: "rehead", Manual: "Rehead", Date: &date}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range all {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		page, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Contains(page, []byte(".SH SYNOPSIS")) {
			t.Errorf("%s: got %d bytes (%v), want a page with a synopsis", name, len(page), err)
		}
	}
}
