package examples_test

import (
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"log"
	"os"
	"sync"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// Eight goroutines ask one classifier.
func Example_concurrent() {
	weights, err := inception.Random(inception.RandomConfig{Width: 0.1, Classes: 3, Size: 75})
	if err != nil {
		log.Fatal(err)
	}
	model, err := inception.ModelFromWeights(weights)
	if err != nil {
		log.Fatal(err)
	}
	classifier, err := inception.NewClassifier(model, nn.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer classifier.Close()
	file, err := os.Open("new.jpg")
	if err != nil {
		log.Fatal(err)
	}
	picture, err := jpeg.Decode(file)
	if err != nil {
		log.Fatal(err)
	}
	var answers [8]inception.Prediction
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			results, err := classifier.ClassifyImages(context.Background(), []image.Image{picture}, inception.Options{})
			if err != nil {
				log.Fatal(err)
			}
			answers[i] = results[0].Predictions[0]
		})
	}
	all.Wait()
	fmt.Println("all answer alike:", answers == [8]inception.Prediction{answers[0], answers[0], answers[0], answers[0],
		answers[0], answers[0], answers[0], answers[0]})
	// Output: all answer alike: true
}
