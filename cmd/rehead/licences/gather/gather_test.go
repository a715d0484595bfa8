package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/licences"
)

// The committed list is that of the modules that the binary is linked from now.
func TestListIsCurrent(t *testing.T) {
	want, err := gather()
	if err != nil {
		t.Fatal(err)
	}
	packed, err := licences.Text()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := os.ReadFile(filepath.Join("..", "third_party.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"third_party.txt": string(plain), "third_party.txt.gz": packed} {
		g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				t.Fatalf("%s, line %d: got %q, want %q: run go generate ./cmd/rehead/licences", name, i+1, g[i], w[i])
			}
		}
		if len(g) != len(w) {
			t.Fatalf("%s has %d lines, want %d: run go generate ./cmd/rehead/licences", name, len(g), len(w))
		}
	}
	for _, text := range []string{"github.com/gin-gonic/gin v", "gorgonia.org/gorgonia v",
		"github.com/disintegration/imaging v", "Inception-2015-12-05", "Redistribution and use"} {
		if !strings.Contains(want, text) {
			t.Errorf("the list has no %q", text)
		}
	}
}

func TestModuleWithoutLicence(t *testing.T) {
	dir := t.TempDir()
	if _, err := legal(dir, ""); err == nil || !strings.Contains(err.Error(), "no licence") {
		t.Errorf("got %v, want an error", err)
	}
	for _, name := range []string{"LICENSE.md", "license.go", "NOTICE", "README"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := legal(dir, ""); err != nil || strings.Join(got, " ") != "LICENSE.md NOTICE" {
		t.Errorf("got %q and %v, want the licence and the notice", got, err)
	}
}
