package dataset_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
)

// TestOpenVOC reads Pascal VOC's folders, and annotations beside their pictures as Roboflow has
// them.
func TestOpenVOC(t *testing.T) {
	annotation := func(names ...string) []byte {
		text := "<annotation><folder>x</folder><filename>elsewhere.jpg</filename><size><width>3</width></size>"
		for _, name := range names {
			text += "<object><name>" + name + "</name><bndbox><xmin>0</xmin></bndbox></object>"
		}
		return []byte(text + "</annotation>")
	}
	voc := picturetest.Tree(t, "JPEGImages/1.png", "JPEGImages/2.png", "JPEGImages/3.png", "JPEGImages/4.png")
	for i, name := range []string{"cat", "dog", "cat"} {
		picturetest.Write(t, filepath.Join(voc, "Annotations", fmt.Sprintf("%d.xml", i+1)), annotation(name))
	}
	picturetest.Write(t, filepath.Join(voc, "Annotations", "4.xml"), annotation())
	picturetest.Write(t, filepath.Join(voc, "ImageSets", "Main", "train.txt"), []byte("1\n2\n"))
	picturetest.Write(t, filepath.Join(voc, "ImageSets", "Main", "val.txt"), []byte("3  1\n"))
	f, err := dataset.Open(voc, dataset.ManifestConfig{})
	if err != nil || strings.Join(f.Labels, " ") != "cat dog" || len(f.Items) != 3 || len(f.Problems) != 1 ||
		f.Items[2].Rel != "JPEGImages/3.png" || f.Items[2].Split != dataset.Validation || !f.Items[0].Fixed {
		t.Fatalf("got %+v, %v", f, err)
	}
	picturetest.Write(t, filepath.Join(voc, "Annotations", "4.xml"), annotation("cat", "dog"))
	if _, err := dataset.Open(voc, dataset.ManifestConfig{}); err == nil || !strings.Contains(err.Error(), `"4" (cat, dog)`) {
		t.Errorf("two objects: got %v", err)
	}
	if f, err := dataset.Open(voc, dataset.ManifestConfig{MultiLabel: true}); err != nil || f.LabelText(3) != "cat + dog" {
		t.Errorf("two objects, several labels: got %+v, %v", f, err)
	}
	roboflow := picturetest.Tree(t, each(2, "train", "test")...)
	for _, part := range []string{"train", "test"} {
		picturetest.Write(t, filepath.Join(roboflow, part, "0.xml"), annotation("cat"))
		picturetest.Write(t, filepath.Join(roboflow, part, "1.xml"), annotation("dog"))
	}
	f, err = dataset.Open(roboflow, dataset.ManifestConfig{})
	if err != nil || strings.Join(f.Labels, " ") != "cat dog" || len(f.Items) != 4 || !f.Given[dataset.Test] {
		t.Errorf("annotations beside pictures: got %+v, %v", f, err)
	}
	if f, err := dataset.Open(picturetest.Pack(t, voc, ".tar.gz"), dataset.ManifestConfig{MultiLabel: true}); err != nil || len(f.Items) != 4 {
		t.Errorf("in an archive: got %+v, %v", f, err)
	}
}

func TestOpen(t *testing.T) {
	open := func(root, want, note string) *dataset.Folder {
		t.Helper()
		f, err := dataset.Open(root, dataset.ManifestConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(f.Labels, " "); got != want || !strings.Contains(strings.Join(f.Notes, "; "), note) {
			t.Errorf("got labels %q, notes %q, want %q and a note that says %q", got, f.Notes, want, note)
		}
		return f
	}
	flat := picturetest.Tree(t, each(4, "pictures")...)
	list := "file_name,label\npictures/0.png,cat\npictures/1.png,dog\n"
	picturetest.Write(t, filepath.Join(flat, "metadata.csv"), []byte(list))
	open(flat, "cat dog", "metadata.csv")
	open(filepath.Join(flat, "metadata.csv"), "cat dog", "")

	parts := picturetest.Tree(t, each(4, "train", "test")...)
	for _, part := range []string{"train", "test"} {
		picturetest.Write(t, filepath.Join(parts, part, "metadata.jsonl"),
			[]byte(`{"file_name":"0.png","label":0}`+"\n"+`{"file_name":"1.png","label":1}`+"\n"))
	}
	if f := open(parts, "0 1", "as parts"); len(f.Items) != 4 || !f.Given[dataset.Test] || f.Given[dataset.Validation] {
		t.Errorf("parts with metadata: got %+v", f)
	}

	captions := picturetest.Tree(t, each(2, "a", "b")...)
	picturetest.Write(t, filepath.Join(captions, "metadata.csv"), []byte("file_name,text\na/0.png,words\n"))
	open(captions, "a b", "no column of labels")

	fiftyOne := picturetest.Tree(t, "data/1.png", "data/2.png")
	picturetest.Write(t, filepath.Join(fiftyOne, "labels.json"), []byte(`{"classes": ["x", "y"], "labels": {"1": 0, "2": 1}}`))
	open(fiftyOne, "x y", `start from the folder "data"`)

	other := picturetest.Tree(t, each(2, "a", "b")...)
	picturetest.Write(t, filepath.Join(other, "labels.json"), []byte(`{"0": "a", "1": "b"}`))
	open(other, "a b", "")

	roboflow := picturetest.Tree(t, each(2, "train", "valid")...)
	for _, part := range []string{"train", "valid"} {
		picturetest.Write(t, filepath.Join(roboflow, part, "_classes.csv"), []byte("filename, x, y\n0.png, 1, 0\n1.png, 0, 1\n"))
	}
	if f := open(roboflow, "x y", "as parts"); len(f.Items) != 4 || !f.Given[dataset.Validation] {
		t.Errorf("Roboflow: got %+v", f)
	}

	parquet := picturetest.Tree(t, "1.png", "2.png")
	picturetest.Write(t, filepath.Join(parquet, "metadata.parquet"), []byte("PAR1"))
	if _, err := dataset.Open(parquet, dataset.ManifestConfig{}); err == nil || !strings.Contains(err.Error(), "to_csv") {
		t.Errorf("parquet: %v", err)
	}
	if _, err := dataset.Open(filepath.Join(parquet, "nowhere"), dataset.ManifestConfig{}); err == nil {
		t.Error("a missing folder accepted")
	}
}
