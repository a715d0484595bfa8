package main

import (
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
)

// A model that was saved without its trunk is served with the trunk of --weights, and only if the
// self-test that it carries agrees.
func TestServeHoldsAModelWithoutTrunkToItsSelfTest(t *testing.T) {
	dir := t.TempDir()
	trunk, pictures := narrow(t, dir), filepath.Join(dir, "pictures")
	if err := draw.Folder(pictures, 2, 12, 3); err != nil {
		t.Fatal(err)
	}
	lean, wrong := filepath.Join(dir, "lean"), filepath.Join(dir, "wrong")
	must(t, nil, "train", pictures, "--weights", trunk, "--no-trunk", "--cache", "none", "-o", lean, "--json")
	m, err := inception.OpenModel(lean)
	if err != nil || m.Trunk != nil || m.SelfTest == nil {
		t.Fatalf("the model has a trunk: %v, a self-test: %v (%v); want the latter alone", m.Trunk != nil, m.SelfTest != nil, err)
	}
	_, stop := serveWith(t, nil, "serve", lean, "--weights", trunk, "--addr", "127.0.0.1:0")
	if o := stop(); o.code != exitDone {
		t.Errorf("code %d: %s", o.code, o.stderr)
	}
	fails(t, []string{"serve", lean, "--addr", "127.0.0.1:0"}, "without its trunk")
	m.SelfTest.Bottlenecks[0][0] += 1
	if err := m.Save(wrong, inception.SaveOptions{NoTrunk: true}); err != nil {
		t.Fatal(err)
	}
	fails(t, []string{"serve", wrong, "--weights", trunk, "--addr", "127.0.0.1:0"}, "self-test", "bottleneck of picture 0")
}
