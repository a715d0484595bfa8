package examples_test

import (
	"context"
	"fmt"
	"log"

	"github.com/c236555e/rehead/nn"
)

// Build a network of one's own and compile it: an edge finder and its mean.
func Example_network() {
	g := nn.NewGraph()
	x, err := nn.Input(g, "x", 1, 1, 3, 3)
	if err != nil {
		log.Fatal(err)
	}
	w, err := nn.Param(g, "w", []float32{-1, 1}, 1, 1, 1, 2)
	if err != nil {
		log.Fatal(err)
	}
	for _, op := range []nn.Op{&nn.Conv2D{}, &nn.ReLU{}, &nn.GlobalAvgPool{}} {
		in := []*nn.Node{x}
		if _, ok := op.(*nn.Conv2D); ok {
			in = append(in, w)
		}
		if x, err = nn.Apply(op, in...); err != nil {
			log.Fatal(err)
		}
	}
	inputs := g.Inputs()
	program, err := nn.Compile(nn.Config{}, inputs[0], x)
	if err != nil {
		log.Fatal(err)
	}
	defer program.Close()
	mean := make([]float32, 1)
	if err := program.Run(context.Background(), 1, []float32{0, 0, 3, 0, 0, 3, 0, 0, 3}, mean); err != nil {
		log.Fatal(err)
	}
	fmt.Println(mean)
	// Output: [1.5]
}
