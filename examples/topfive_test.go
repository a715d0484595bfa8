package examples_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// The five best of a thousand classes, here of made-up weights.
func Example_topFive() {
	weights, err := inception.Random(inception.RandomConfig{Width: 0.1, Classes: 1000, Size: 75})
	if err != nil {
		log.Fatal(err)
	}
	model, err := inception.ModelFromWeights(weights) // or convert.OpenModel of a published weight file
	if err != nil {
		log.Fatal(err)
	}
	classifier, err := inception.NewClassifier(model, nn.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer classifier.Close()
	data, err := os.ReadFile("new.jpg")
	if err != nil {
		log.Fatal(err)
	}
	results, err := classifier.ClassifyEncoded(context.Background(), [][]byte{data}, inception.Options{TopK: 5})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(results[0].Predictions), "of", len(model.Labels), "labels")
	// Output: 5 of 1000 labels
}
