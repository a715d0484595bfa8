package dataset_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/source"
)

func rels(f *dataset.Folder) []string {
	var out []string
	for _, it := range f.Items {
		out = append(out, it.Rel)
	}
	return out
}

func TestScan(t *testing.T) {
	root := picturetest.Tree(t, "tulips/b.JPG", "tulips/a", "daisy/1.txt", "daisy/deep/er/2.png", "Übel/x.png",
		"C++/1.png",
		"C#/1.png",
		"daisy/.hidden.png", ".git/x/y.png", "daisy/.ipynb_checkpoints/1.png", "daisy/__MACOSX/1.png", "loose.png")
	picturetest.Write(t, filepath.Join(root, "LICENSE.txt"), []byte("words"))
	picturetest.Write(t, filepath.Join(root, ".DS_Store"), []byte("x"))
	picturetest.Write(t, filepath.Join(root, "daisy", "Thumbs.db"), []byte("x"))
	picturetest.Write(t, filepath.Join(root, "daisy", "empty.jpg"), nil)
	picturetest.Write(t, filepath.Join(root, "daisy", "notes.jpg"), []byte("these are words"))
	picturetest.Write(t, filepath.Join(root, "daisy", "phone.jpg"), []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"))
	picturetest.Write(t, filepath.Join(root, "empty label", ".keep"), []byte("x"))
	f, err := dataset.Scan(root, dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"C#", "C++", "daisy", "tulips", "Übel"}; !slices.Equal(f.Labels, want) {
		t.Errorf("labels: got %q, want %q", f.Labels, want)
	}
	want := []string{"C#/1.png", "C++/1.png", "daisy/1.txt", "daisy/deep/er/2.png", "tulips/a", "tulips/b.JPG",
		"Übel/x.png"}
	if got := rels(f); !slices.Equal(got, want) {
		t.Errorf("items: got %q, want %q", got, want)
	}
	for _, it := range f.Items {
		if label, _, _ := strings.Cut(it.Rel, "/"); f.Labels[it.Label] != label {
			t.Errorf("%s has label %q", it.Rel, f.Labels[it.Label])
		}
		if _, err := os.Stat(it.Path); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []struct{ name, reason string }{
		{"empty.jpg", "empty"}, {"notes.jpg", "text"}, {"phone.jpg", "HEIC"}, {"empty label", "no pictures"},
		{"loose.png", "outside"},
	} {
		if !slices.ContainsFunc(f.Problems, func(p source.Problem) bool {
			return filepath.Base(p.Path) == want.name && strings.Contains(p.Reason, want.reason)
		}) {
			t.Errorf("no problem about %s that says %q in %q", want.name, want.reason, f.Problems)
		}
	}
	if len(f.Problems) != 5 {
		t.Errorf("got %d problems, want 5: %q", len(f.Problems), f.Problems)
	}
	// .git, .DS_Store, LICENSE.txt, .hidden.png, .ipynb_checkpoints, __MACOSX, Thumbs.db, .keep
	if f.Ignored != 8 {
		t.Errorf("got %d ignored, want 8", f.Ignored)
	}
}

func TestScanRefuses(t *testing.T) {
	cyrillic, composed, decomposed := "цвет", "caf\u00e9", "cafe\u0301"
	file := filepath.Join(t.TempDir(), "file")
	picturetest.Write(t, file, []byte("x"))
	for _, test := range []struct {
		name, root string
		want       []string
	}{
		{"missing", filepath.Join(t.TempDir(), "nowhere"), []string{"nowhere"}},
		{"a file", file, []string{"file"}},
		{"empty", picturetest.Tree(t), []string{"no sub-folders"}},
		{"pictures but no folders", picturetest.Tree(t, "a.png", "b.png"), []string{"no sub-folders"}},
		{"one label", picturetest.Tree(t, cyrillic+"/1.png"), []string{"only one label", cyrillic, "at least 2"}},
		{"one name, two spellings", picturetest.Tree(t, composed+"/1.png", decomposed+"/1.png", "a/1.png"), []string{`\u00e9`, `e\u0301`}},
	} {
		_, err := dataset.Scan(test.root, dataset.ScanConfig{})
		if err == nil {
			t.Errorf("%s: accepted", test.name)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want one that says %q", test.name, err, want)
			}
		}
	}
	root := picturetest.Tree(t, "a/1.png", "a/2.png")
	picturetest.Write(t, filepath.Join(root, "b", "broken.jpg"), []byte("words"))
	if _, err := dataset.Scan(root, dataset.ScanConfig{}); err == nil || !strings.Contains(err.Error(), "broken.jpg") {
		t.Errorf("a label of nothing but problems: %v", err)
	}
	if f, err := dataset.Scan(root, dataset.ScanConfig{MinLabels: 1}); err != nil || len(f.Labels) != 1 ||
		len(f.Problems) != 2 {
		t.Errorf("with one label allowed: %+v, %v", f, err)
	}
	if _, err := dataset.Scan(root, dataset.ScanConfig{MinLabels: 1, MaxFiles: 2}); err == nil ||
		!strings.Contains(err.Error(), "more than 2 files") {
		t.Errorf("file limit: %v", err)
	}
}

func TestScanNormalizes(t *testing.T) {
	a, err := dataset.Scan(picturetest.Tree(t, "caf\u00e9/\u00e4.png", "x/1.png"), dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := dataset.Scan(picturetest.Tree(t, "cafe\u0301/a\u0308.png", "x/1.png"), dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.Labels, b.Labels) || !slices.Equal(rels(a), rels(b)) || a.Labels[0] != "caf\u00e9" {
		t.Errorf("got %+q and %+q", rels(a), rels(b))
	}
}

func TestScanLinks(t *testing.T) {
	root := picturetest.Tree(t, "a/1.png", "b/1.png")
	other := picturetest.Tree(t, "c/1.png", "c/2.png")
	for link, target := range map[string]string{
		"a/link.png": filepath.Join(other, "c", "1.png"),
		"c":          filepath.Join(other, "c"),
		"b/circle":   root,
		"b/dangling": filepath.Join(root, "nowhere"),
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	f, err := dataset.Scan(root, dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a/1.png", "a/link.png", "b/1.png", "c/1.png", "c/2.png"}; !slices.Equal(rels(f), want) {
		t.Errorf("got %q, want %q", rels(f), want)
	}
	if len(f.Problems) != 2 || !strings.Contains(f.Problems[0].Reason, "symbolic link") {
		t.Errorf("got %q, want the circle and the dangling link", f.Problems)
	}
}

func TestScanUnreadable(t *testing.T) {
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("needs file permissions that bind this user")
	}
	root := picturetest.Tree(t, "a/1.png", "a/2.png", "b/1.png", "b/sub/2.png")
	for _, name := range []string{"a/2.png", "b/sub"} {
		if err := os.Chmod(filepath.Join(root, name), 0); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Chmod(filepath.Join(root, name), 0o755) }()
	}
	f, err := dataset.Scan(root, dataset.ScanConfig{})
	if err != nil || len(f.Items) != 2 || len(f.Problems) != 2 {
		t.Errorf("got %+v, %v", f, err)
	}
}

// made is a folder that exists only in memory.
func made(root string, labels, each int) *dataset.Folder {
	f := &dataset.Folder{Root: root}
	for l := range labels {
		f.Labels = append(f.Labels, fmt.Sprintf("label%02d", l))
		for i := range each {
			rel := fmt.Sprintf("%s/%05d.jpg", f.Labels[l], i)
			f.Items = append(f.Items, dataset.Item{Path: root + "/" + rel, Rel: rel, Label: l})
		}
	}
	return f
}
