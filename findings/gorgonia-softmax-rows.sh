#!/usr/bin/env bash
# gorgonia.org/gorgonia v0.9.18, gorgonia.org/tensor v0.9.24: SoftMax of several rows is not stabilised
# by each row's own maximum.
#
# Version: gorgonia.org/gorgonia v0.9.18.
# Behaviour: the number taken off every row before the exponential is the larger of that row's maximum
# and the very first element of the whole tensor. A row far below that element underflows to 0/0 = NaN,
# though the same row alone, or above the large one, comes out right.
# Expected: softmax works on each row by itself; a row's answer does not depend on its neighbours.
# Seen 2026-11-30: [0 1] alone and in the first row: 0.269 0.731; below a row [200 0]: NaN NaN
# What follows: batched training shows NaN losses that vanish at batch size 1 or when the examples are
# shuffled. Take off each row's maximum before SoftMax.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export GOFLAGS=-mod=mod GOWORK=off
cat > main.go <<'E'
package main

import (
	"fmt"
	"log"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func softmax(logits ...float32) []float32 {
	g := gorgonia.NewGraph()
	in := tensor.New(tensor.WithShape(len(logits)/2, 2), tensor.WithBacking(logits))
	x := gorgonia.NewMatrix(g, tensor.Float32,
		gorgonia.WithShape(len(logits)/2, 2), gorgonia.WithName("x"), gorgonia.WithValue(in))
	y, err := gorgonia.SoftMax(x)
	if err != nil {
		log.Fatal(err)
	}
	m := gorgonia.NewTapeMachine(g)
	defer m.Close()
	if err := m.RunAll(); err != nil {
		log.Fatal(err)
	}
	return y.Value().Data().([]float32)
}

func main() {
	alone := softmax(0, 1)
	above := softmax(0, 1, 200, 0)[:2]
	below := softmax(200, 0, 0, 1)[2:]
	fmt.Println("the row [0 1] alone:             ", alone)
	fmt.Println("the row [0 1] above a row [200 0]:", above)
	fmt.Println("the row [0 1] below a row [200 0]:", below)
	right := func(p []float32) bool { return math.Abs(float64(p[0])-1/(1+math.E)) < 1e-6 }
	nan := math.IsNaN(float64(below[0])) && math.IsNaN(float64(below[1]))
	if !right(alone) || !right(above) || !nan {
		log.Fatal("the behaviour has changed")
	}
}
E
go mod init finding 2>/dev/null
go get gorgonia.org/gorgonia@v0.9.18 gorgonia.org/tensor@v0.9.24 \
	go4.org/unsafe/assume-no-moving-gc@v0.0.0-20231121144256-b99613f794b6 2>/dev/null
go run .
