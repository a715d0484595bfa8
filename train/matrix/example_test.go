package matrix_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/matrix"
)

// A head on a matrix of one's own, here of drawn numbers: L2 searched for, measured on rows that were
// held out, saved, opened and asked.
func Example() {
	ctx, rng := context.Background(), rand.New(rand.NewPCG(1, 2))
	var data matrix.Data // or Rows of matrix.ReadNPY and Labels of matrix.ReadLabels
	for i := range 500 {
		row := []float32{float32(rng.NormFloat64()), float32(rng.NormFloat64()), float32(rng.NormFloat64())}
		row[i%2] += 4
		data.Rows, data.Labels = append(data.Rows, row), append(data.Labels, []string{"ripe", "unripe"}[i%2])
	}
	result, err := matrix.Fit(ctx, data, matrix.Config{Options: head.Options{L2: -1}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of %d test rows are right\n", result.Metrics.Test.Correct, result.Metrics.Test.Images)

	dir, err := os.MkdirTemp("", "head")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "fruit.safetensors")
	if err := result.Classifier.Save(path); err != nil {
		log.Fatal(err)
	}
	classifier, err := matrix.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	answers, err := classifier.Classify(ctx, [][]float32{{4, 0, 0}})
	if err != nil {
		log.Fatal(err)
	}
	best := answers[0].Predictions[0]
	fmt.Printf("%s %.2f\n", best.Label, best.Probability)
	// Output:
	// 49 of 50 test rows are right
	// ripe 1.00
}
