#!/usr/bin/env bash
# gorgonia.org/gorgonia v0.9.18: AveragePool2D divides by the input's width, not by the window's area.
#
# Version: gorgonia.org/gorgonia v0.9.18.
# Behaviour: each window's sum is divided by the number of columns of the input. An input of ones
# gives 1 only where the width happens to equal the window's area (2x2 on 4 columns); on 8 columns it
# gives 0.5, on 2 columns 2. The height plays no part.
# Expected: the mean of a constant is that constant, whatever the input's size.
# Seen 2026-11-30: 4x4 -> 1, 4x8 -> 0.5, 8x4 -> 1, 4x2 -> 2
# What follows: a network with this operator is wrong by a factor that changes with the picture's size,
# and a test on one lucky size passes. Multiply by width / area, or pool by a convolution.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export GOFLAGS=-mod=mod GOWORK=off
cat > main.go <<'E'
package main

import (
	"fmt"
	"log"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func pool(h, w int) (float32, error) {
	ones := make([]float32, h*w)
	for i := range ones {
		ones[i] = 1
	}
	g := gorgonia.NewGraph()
	in := tensor.New(tensor.WithShape(1, 1, h, w), tensor.WithBacking(ones))
	x := gorgonia.NewTensor(g, tensor.Float32, 4,
		gorgonia.WithShape(1, 1, h, w), gorgonia.WithName("x"), gorgonia.WithValue(in))
	y, err := gorgonia.AveragePool2D(x, tensor.Shape{2, 2}, []int{0, 0}, []int{1, 1})
	if err != nil {
		return 0, err
	}
	m := gorgonia.NewTapeMachine(g)
	defer m.Close()
	if err := m.RunAll(); err != nil {
		return 0, err
	}
	return y.Value().Data().([]float32)[0], nil
}

func main() {
	for _, c := range []struct {
		h, w int
		seen float32
	}{{4, 4, 1}, {4, 8, 0.5}, {8, 4, 1}, {4, 2, 2}} {
		got, err := pool(c.h, c.w)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("2x2 average of a %dx%d input of ones: %v\n", c.h, c.w, got)
		if got != c.seen {
			log.Fatalf("the behaviour has changed: %v was seen before", c.seen)
		}
	}
}
E
go mod init finding 2>/dev/null
go get gorgonia.org/gorgonia@v0.9.18 gorgonia.org/tensor@v0.9.24 \
	go4.org/unsafe/assume-no-moving-gc@v0.0.0-20231121144256-b99613f794b6 2>/dev/null
go run .
