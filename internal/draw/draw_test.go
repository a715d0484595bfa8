package draw_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/draw"
)

func TestLabelsDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for i := range draw.MaxClasses {
		if name := draw.Label(i); seen[name] {
			t.Errorf("%s comes twice", name)
		} else {
			seen[name] = true
		}
	}
}

func TestFolder(t *testing.T) {
	a, b, c := t.TempDir(), t.TempDir(), t.TempDir()
	for dir, seed := range map[string]uint64{a: 1, b: 1, c: 2} {
		if err := draw.Folder(dir, 4, 6, seed); err != nil {
			t.Fatal(err)
		}
	}
	f, err := dataset.Scan(a, dataset.ScanConfig{})
	if err != nil || len(f.Labels) != 4 || len(f.Items) != 24 || len(f.Problems) != 0 {
		t.Fatalf("got %+v, %v", f, err)
	}
	for _, it := range f.Items {
		var bytesOf [3][]byte
		for i, dir := range []string{a, b, c} {
			if bytesOf[i], err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(it.Rel))); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(bytesOf[0], bytesOf[1]) || bytes.Equal(bytesOf[0], bytesOf[2]) {
			t.Errorf("%s: equal seeds, equal bytes: %v; other seeds, other bytes: %v", it.Rel,
				bytes.Equal(bytesOf[0], bytesOf[1]), !bytes.Equal(bytesOf[0], bytesOf[2]))
		}
		if _, info, err := picture.Decode(bytesOf[0], picture.Limits{}); err != nil || info.Width < 96 || info.Height < 96 {
			t.Errorf("%s: %+v, %v", it.Rel, info, err)
		}
	}
	for _, classes := range []int{0, draw.MaxClasses + 1} {
		if draw.Folder(t.TempDir(), classes, 1, 1) == nil {
			t.Errorf("%d classes accepted", classes)
		}
	}
	if draw.Folder(t.TempDir(), 2, 0, 1) == nil {
		t.Error("no pictures accepted")
	}
}
