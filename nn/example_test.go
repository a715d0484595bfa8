package nn_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

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

// A small network is trained with Gorgonia's solver, and compiled: its batch norm then goes by what it has seen.
func ExampleBatchNormTraining() {
	must := func(n *nn.Node, err error) *nn.Node {
		if err != nil {
			log.Fatal(err)
		}
		return n
	}
	const n = 4
	g := nn.NewGraph()
	x := must(nn.Input(g, "pictures", n, 1, 2, 2))
	params := gorgonia.Nodes{must(nn.Param(g, "gamma", []float32{1}, 1)), must(nn.Param(g, "beta", []float32{0}, 1)),
		must(nn.Param(g, "weight", make([]float32, 8), 2, 4)), must(nn.Param(g, "bias", make([]float32, 2), 2))}
	seen := new(nn.Running)
	y := must(nn.Apply(&nn.BatchNormTraining{Eps: 1e-3, Running: seen}, x, params[0], params[1]))
	y = must(nn.Apply(&nn.Dense{}, must(nn.Apply(&nn.Flatten{}, y)), params[2], params[3]))
	// Of each picture which of two kinds it is, and its share of the loss.
	targets := must(nn.Param(g, "targets", []float32{1, 0, 1, 0, 0, 1, 0, 1}, n, 2))
	weights := must(nn.Param(g, "weights", []float32{0.25, 0.25, 0.25, 0.25}, n))
	loss := must(nn.Apply(&nn.CrossEntropy{}, y, targets, weights))
	if _, err := gorgonia.Grad(loss, params...); err != nil {
		log.Fatal(err)
	}
	pictures := []float32{9, 8, 0, 1, 7, 9, 1, 0, 8, 1, 9, 0, 9, 0, 7, 1} // bright above, or bright at the left
	machine := gorgonia.NewTapeMachine(g, gorgonia.BindDualValues(params...))
	defer machine.Close()
	solver := gorgonia.NewAdamSolver(gorgonia.WithLearnRate(0.1))
	for range 30 {
		batch := tensor.New(tensor.WithShape(x.Shape()...), tensor.WithBacking(pictures))
		if err := errors.Join(gorgonia.Let(x, batch), machine.RunAll(),
			solver.Step(gorgonia.NodesToValueGrads(params))); err != nil {
			log.Fatal(err)
		}
		machine.Reset()
	}

	program, err := nn.Compile(nn.Config{}, x, y)
	if err != nil {
		log.Fatal(err)
	}
	defer program.Close()
	logits := make([]float32, 4)
	if err := program.Run(context.Background(), 2, []float32{7, 8, 1, 1, 8, 0, 8, 0}, logits); err != nil {
		log.Fatal(err)
	}
	fmt.Println(seen.Batches, logits[0] > logits[1], logits[2] > logits[3])
	// Output: 30 true false
}
