package examples_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"

	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/matrix"
)

// Fit a head on a matrix of one's own, here of drawn numbers.
func Example_matrix() {
	var data matrix.Data // or matrix.ReadNPY and matrix.ReadLabels
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		row := []float32{float32(rng.NormFloat64()), float32(rng.NormFloat64())}
		row[i%2] += 9
		data.Rows, data.Labels = append(data.Rows, row), append(data.Labels, []string{"ripe", "unripe"}[i%2])
	}
	result, err := matrix.Fit(context.Background(), data, matrix.Config{Options: head.Options{L2: -1}})
	if err != nil {
		log.Fatal(err)
	}
	if err := result.Classifier.Save("fruit.safetensors"); err != nil { // matrix.Open reads it
		log.Fatal(err)
	}
	p, err := result.Classifier.Probabilities(context.Background(), [][]float32{{9, 0}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %.2f, %d of %d right\n", result.Classifier.Labels(), p[0], result.Metrics.Test.Correct,
		result.Metrics.Test.Images)
	// Output: [ripe unripe] [1.00 0.00], 30 of 30 right
}
