package dataset_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
)

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

	parquet := picturetest.Tree(t, "1.png", "2.png")
	picturetest.Write(t, filepath.Join(parquet, "metadata.parquet"), []byte("PAR1"))
	if _, err := dataset.Open(parquet, dataset.ManifestConfig{}); err == nil || !strings.Contains(err.Error(), "to_csv") {
		t.Errorf("parquet: %v", err)
	}
	if _, err := dataset.Open(filepath.Join(parquet, "nowhere"), dataset.ManifestConfig{}); err == nil {
		t.Error("a missing folder accepted")
	}
}
