package convert_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/internal/safetensors"
)

// pytorchFile writes a narrow network with made-up weights under the names that PyTorch's files
// have.
func pytorchFile(path string) error {
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Classes: 3})
	if err != nil {
		return err
	}
	var tensors []safetensors.Tensor
	for name, t := range w.Tensors {
		if p, ok := strings.CutSuffix(name, ".weight"); ok && p != "fc" {
			name = p + ".conv.weight"
		}
		tensors = append(tensors, safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: t.Shape, Values: t.Data})
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := safetensors.Write(f, map[string]string{"format": "pt"}, tensors); err != nil {
		return err
	}
	return f.Close()
}

// A file of another framework becomes one of rehead's own, at half the size, and says what it is.
func ExampleConvert() {
	dir, err := os.MkdirTemp("", "convert")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	in, out := filepath.Join(dir, "mine.safetensors"), filepath.Join(dir, "trunk.safetensors")
	if err := pytorchFile(in); err != nil {
		log.Fatal(err)
	}
	r, err := convert.Convert(in, out, convert.Options{DType: "f16"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Weights.Flavor, r.Weights.Width, r.Weights.Classes)
	info, err := convert.Describe(out, convert.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Notes["source_format"], "->", info.Format, info.Features, "features")
	// Output:
	// timm 0.1 3
	// safetensors -> safetensors 203 features
}

// A network of one's own, trained with ImageNet's mean and deviation, says so when it is loaded.
func ExampleLoad_options() {
	dir, err := os.MkdirTemp("", "convert")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "mine.safetensors")
	if err := pytorchFile(path); err != nil {
		log.Fatal(err)
	}
	w, err := convert.Load(path, convert.Options{
		Flavor: inception.Timm,
		Mean:   &[3]float32{123.675, 116.28, 103.53},
		Std:    &[3]float32{58.395, 57.12, 57.375},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(w.Recipe.Geometry, w.Recipe.Size, w.Recipe.Mean)
	// Output: crop 299 [123.675 116.28 103.53]
}
