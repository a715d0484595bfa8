package head_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/c236555e/rehead/train/head"
)

// A head on a matrix of one's own: fit it, and count how many examples it gets right.
func ExampleFit() {
	rng := rand.New(rand.NewPCG(1, 2))
	ex := head.Examples{Classes: 3}
	for i := range 300 {
		row := make([]float32, 8)
		for j := range row {
			row[j] = float32(rng.NormFloat64())
		}
		label := i % 3
		row[label] += 5
		ex.Rows, ex.Labels = append(ex.Rows, row), append(ex.Labels, label)
	}
	fit, err := head.Fit(context.Background(), ex, head.Config{})
	if err != nil {
		panic(err)
	}
	logits, err := head.Logits(context.Background(), fit.Head, ex.Rows, 0)
	if err != nil {
		panic(err)
	}
	right := 0
	for i, label := range ex.Labels {
		row := logits[3*i : 3*i+3]
		if row[label] == max(row[0], row[1], row[2]) {
			right++
		}
	}
	fmt.Printf("converged: %t, more than 99 %% right: %t\n", fit.Converged, right > 297)
	// Output: converged: true, more than 99 % right: true
}
