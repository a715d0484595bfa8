package source_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/source"
)

func TestList(t *testing.T) {
	root := picturetest.Tree(t, "b.png", "a/2.png", "a/1.png", ".x.png")
	picturetest.Write(t, filepath.Join(root, "words.txt"), []byte("words"))
	files, problems, err := source.List(root)
	var rels []string
	for _, f := range files {
		rels = append(rels, f.Rel)
	}
	if err != nil || !slices.Equal(rels, []string{"a/1.png", "a/2.png", "b.png"}) || len(problems) != 1 {
		t.Errorf("got %+v, %+v, %v", files, problems, err)
	}
	if _, _, err := source.List(picturetest.Tree(t)); err == nil || !strings.Contains(err.Error(), "no picture") {
		t.Errorf("an empty folder: %v", err)
	}
}
