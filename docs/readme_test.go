// Package docs_test keeps the README's Go true: its blocks are the examples of this file.
package docs_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"image"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train"
)

// here is the folder of this file; the examples run in another, that has pictures.
var here string

// TestMain runs the examples where photos has three label folders and new.jpg is one more picture.
func TestMain(m *testing.M) {
	os.Exit(inFolder(m))
}

func inFolder(m *testing.M) int {
	dir, err := os.MkdirTemp("", "readme")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if here, err = os.Getwd(); err != nil {
		log.Fatal(err)
	}
	if err := draw.Folder(filepath.Join(dir, "photos"), 3, 6, 1); err != nil {
		log.Fatal(err)
	}
	if err := os.Chdir(dir); err != nil {
		log.Fatal(err)
	}
	if err := os.Rename(filepath.Join("photos", draw.Label(0), "0000.jpg"), "new.jpg"); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	if err := os.Chdir(here); err != nil {
		log.Fatal(err)
	}
	return code
}

func Example() {
	ctx := context.Background()
	photos, err := dataset.Scan("photos", dataset.ScanConfig{}) // a folder a label
	if err != nil {
		log.Fatal(err)
	}
	trunk, err := embedded.Weights() // or convert.Load of a weight file
	if err != nil {
		log.Fatal(err)
	}
	result, err := train.Run(ctx, photos, trunk, train.Config{EmbedConfig: train.EmbedConfig{CacheDir: "cache"}})
	if err != nil {
		log.Fatal(err)
	}
	if err := result.Model.Save("model", inception.SaveOptions{}); err != nil {
		log.Fatal(err)
	}

	model, err := inception.OpenModel("model")
	if err != nil {
		log.Fatal(err)
	}
	classifier, err := inception.NewClassifier(model, nn.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer classifier.Close()
	image, err := os.ReadFile("new.jpg")
	if err != nil {
		log.Fatal(err)
	}
	results, err := classifier.Classify(ctx, &inception.Input{Data: image})
	if err != nil {
		log.Fatal(err)
	}
	best := results[0].Predictions[0]
	fmt.Println(best.Label, best.Probability > 0.5)
	// Output: red-circle true
}

func Example_library() {
	weights, err := embedded.Weights() // or convert.Load of a weight file
	if err != nil {
		log.Fatal(err)
	}
	trunk, err := inception.NewTrunk(weights, nn.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer trunk.Close()
	pictures := []image.Image{image.NewGray(image.Rect(0, 0, 99, 99)), image.NewRGBA(image.Rect(0, 0, 99, 99))}
	rows, err := trunk.EmbedImages(context.Background(), pictures, inception.EmbedConfig{})
	fmt.Println(len(rows), len(rows[0]) == trunk.Features(), err)
	// Output: 2 true <nil>
}

// TestReadmeExamples: each Go block of the README is an example of this file, letter by letter.
func TestReadmeExamples(t *testing.T) {
	source := filepath.Join(here, "readme_test.go")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, source, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	examples := map[string]bool{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Example") {
			examples[string(text[files.Position(f.Pos()).Offset:files.Position(f.End()).Offset])] = true
		}
	}
	readme, err := os.ReadFile(filepath.Join(here, "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)\n```").FindAllSubmatch(readme, -1)
	if len(blocks) != len(examples) || len(blocks) == 0 {
		t.Errorf("the README has %d Go blocks, want one for each of the %d examples", len(blocks), len(examples))
	}
	for _, b := range blocks {
		if !examples[string(b[1])] {
			t.Errorf("no example of readme_test.go is\n%s", b[1])
		}
	}
}
