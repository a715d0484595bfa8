package nn_test

import (
	"context"
	"fmt"
	"log"

	"github.com/c236555e/rehead/nn"
)

// A convolution with two filters and its ReLU: built once, run twice.
func Example() {
	g := nn.NewGraph()
	x, err := nn.Input(g, "image", 1, 1, 2, 3) // batch 1, one channel, 2 rows, 3 columns
	if err != nil {
		log.Fatal(err)
	}
	w, err := nn.Param(g, "weight", []float32{1, 1, -1, 1}, 2, 1, 1, 2) // sum and difference of neighbours
	if err != nil {
		log.Fatal(err)
	}
	y, err := nn.Apply(&nn.Conv2D{Name: "conv"}, x, w)
	if err != nil {
		log.Fatal(err)
	}
	if y, err = nn.Apply(&nn.ReLU{Name: "relu"}, y); err != nil {
		log.Fatal(err)
	}

	p, err := nn.Compile(nn.Config{}, x, y)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	images := []float32{ // two of them
		1, 2, 3,
		6, 5, 4,

		0, 0, 7,
		0, 0, 0,
	}
	out := make([]float32, 2*2*2*2)
	if err := p.Run(context.Background(), 2, images, out); err != nil {
		log.Fatal(err)
	}
	fmt.Println(out)

	m, err := nn.NewMachine(y) // the same graph on Gorgonia's tape machine
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	one, err := m.Run(map[string][]float32{"image": images[:6]})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(one[0])
	// Output:
	// [3 5 11 9 1 1 0 0 0 7 0 0 0 7 0 0]
	// [3 5 11 9 1 1 0 0]
}
