package dataset_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
)

// described is what a folder holds, in words that do not depend on where it lies.
func described(t *testing.T, f *dataset.Folder, root string) string {
	t.Helper()
	var b strings.Builder
	for i, it := range f.Items {
		data, err := it.File().Read(picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(it.Rel + ":" + f.LabelText(i) + ":" + it.Split.String() + ":" + string(data[:8]) + "\n")
	}
	for _, p := range f.Problems {
		b.WriteString(p.Path + " " + p.Reason + "\n")
	}
	return strings.NewReplacer(root+"/", "", root, "").Replace(b.String() + strings.Join(f.Notes, "\n"))
}

// TestArchivesAsFolders: every layout is read alike from a folder and from archives of it.
func TestArchivesAsFolders(t *testing.T) {
	for name, tree := range map[string]func() string{
		"labels": func() string {
			root := picturetest.Tree(t, "a/1.png", "a/deep/2.png", "b/1.png", ".hidden/1.png")
			picturetest.Write(t, filepath.Join(root, "b", "words.jpg"), []byte("words"))
			return root
		},
		"parts": func() string {
			return picturetest.Tree(t, "train/a/1.png", "train/b/1.png", "valid/a/2.png", "test/b/3.png", "foreign/x.png")
		},
		"parts within": func() string { return picturetest.Tree(t, "a/train/1.png", "a/test/1.png", "b/train/1.png") },
		"metadata": func() string {
			root := picturetest.Tree(t, "train/1.png", "train/2.png", "test/3.png")
			picturetest.Write(t, filepath.Join(root, "train", "metadata.csv"), []byte("file_name,label\n1.png,x\n2.png,y\n"))
			picturetest.Write(t, filepath.Join(root, "test", "metadata.jsonl"), []byte(`{"file_name":"3.png","label":"x"}`))
			return root
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree()
			want, err := dataset.Open(root, dataset.ManifestConfig{})
			if err != nil {
				t.Fatal(err)
			}
			for _, ending := range picturetest.Archives() {
				path := picturetest.Pack(t, root, ending)
				got, err := dataset.Open(path, dataset.ManifestConfig{})
				if err != nil {
					t.Errorf("%s: %v", ending, err)
					continue
				}
				if got, want := described(t, got, path+"!"), described(t, want, root); got != want {
					t.Errorf("%s: got\n%s\nwant\n%s", ending, got, want)
				}
			}
		})
	}
}

// TestManifestInArchive: a list within an archive, and one beside it, as Kaggle gives them.
func TestManifestInArchive(t *testing.T) {
	root := picturetest.Tree(t, "train/1.png", "train/2.png", "train/3.png")
	const list = "id,label\n1,x\n2,y\n3,y\n"
	picturetest.Write(t, filepath.Join(root, "train.csv"), []byte(strings.ReplaceAll(list, "\n", "\ntrain/")[:len(list)+3*6]))
	beside := filepath.Join(t.TempDir(), "train.csv")
	picturetest.Write(t, beside, []byte(list))
	for _, ending := range picturetest.Archives() {
		path := picturetest.Pack(t, root, ending)
		for _, test := range []struct{ list, images string }{
			{path + "!/train.csv", ""}, {beside, path + "!/train"}, {path + "!/train.csv", root},
		} {
			f, err := dataset.Open(test.list, dataset.ManifestConfig{Root: test.images})
			if err != nil || len(f.Items) != 3 || strings.Join(f.Labels, "") != "xy" {
				t.Errorf("%+v: got %+v, %v", test, f, err)
				continue
			}
			want, _ := os.ReadFile(filepath.Join(root, "train", "2.png"))
			if data, err := f.Items[1].File().Read(picture.Limits{}); err != nil || string(data) != string(want) {
				t.Errorf("%+v: %s: %d bytes, %v", test, f.Items[1].Path, len(data), err)
			}
		}
	}
}
