package inception_test

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"log"
	"os"
	"path/filepath"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
)

// A model is saved, opened and asked about a picture. Its weights are made up, so it answers but
// knows nothing.
func Example() {
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Size: 128, Classes: 2})
	if err != nil {
		log.Fatal(err)
	}
	m, err := inception.ModelFromWeights(w)
	if err != nil {
		log.Fatal(err)
	}
	m.Labels = []string{"daisy", "rose"}
	dir, err := os.MkdirTemp("", "model")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := m.Save(filepath.Join(dir, "m"), inception.SaveOptions{DType: "f16"}); err != nil {
		log.Fatal(err)
	}

	opened, err := inception.OpenModel(filepath.Join(dir, "m"))
	if err != nil {
		log.Fatal(err)
	}
	c, err := inception.NewClassifier(opened, nn.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	var pic bytes.Buffer
	if err := png.Encode(&pic, draw.Picture(0, 0, 1)); err != nil {
		log.Fatal(err)
	}
	results, err := c.Classify(context.Background(),
		&inception.Input{Data: pic.Bytes()}, &inception.Input{Data: []byte("no picture")})
	if err != nil {
		log.Fatal(err)
	}
	p := results[0].Predictions
	fmt.Printf("%d labels, probabilities add up to %.3f\n", len(p), p[0].Probability+p[1].Probability)
	fmt.Println("the second is refused:", results[1].Err != nil)
	// Output:
	// 2 labels, probabilities add up to 1.000
	// the second is refused: true
}

// Pictures become bottlenecks, the vectors that heads are trained on: the trunk alone, with the
// recipe that its weights ask for.
func ExampleTrunk_Embed() {
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Size: 128})
	if err != nil {
		log.Fatal(err)
	}
	trunk, err := inception.NewTrunk(w, nn.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer trunk.Close()
	var pic bytes.Buffer
	if err := png.Encode(&pic, draw.Picture(0, 0, 1)); err != nil {
		log.Fatal(err)
	}
	pixels := make([]float32, 3*trunk.Size()*trunk.Size())
	if _, err := w.Recipe.Load(pic.Bytes(), picture.Limits{}, pixels); err != nil {
		log.Fatal(err)
	}
	bottleneck := make([]float32, trunk.Features())
	if err := trunk.Embed(context.Background(), 1, pixels, bottleneck); err != nil {
		log.Fatal(err)
	}
	fmt.Println(trunk.Size(), len(bottleneck))
	// Output: 128 203
}
