package examples_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/nn"
)

// Embed pictures and compare them.
func Example_embed() {
	weights, err := embedded.Weights() // or convert.Load of a weight file
	if err != nil {
		log.Fatal(err)
	}
	trunk, err := inception.NewTrunk(weights, nn.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer trunk.Close()
	var files [][]byte
	for _, path := range []string{"new.jpg", "photos/red-circle/0001.jpg", "photos/blue-cross/0001.jpg"} {
		data, err := os.ReadFile(path)
		if err != nil {
			log.Fatal(err)
		}
		files = append(files, data)
	}
	rows, err := trunk.EmbedEncoded(context.Background(), files, inception.EmbedConfig{})
	if err != nil {
		log.Fatal(err)
	}
	circle, cross := inception.Cosine(rows[0], rows[1]), inception.Cosine(rows[0], rows[2])
	fmt.Println(len(rows[0]), "values; the circle is nearer than the cross:", circle > cross)
	// Output: 1024 values; the circle is nearer than the cross: true
}
