#!/usr/bin/env bash
# gonum.org/v1/gonum v0.17.0: a matrix product hides NaN and infinity behind zeros, in three of its
# four forms.
#
# Version: gonum.org/v1/gonum v0.17.0.
# Behaviour: 0 * NaN and 0 * Inf are NaN, but Mul passes over the zeros of its left factor, so that what
# stands opposite to them does not count. Only A times a transposed B computes every term. The
# matrix-vector product of the very same numbers gives NaN.
# Expected: one product, one answer, whichever factor is stored transposed.
# Seen 2026-11-30, [0 1] by [NaN 2]: A*B 2, A'*B 2, A'*B' 2, A*B' NaN; MulVec NaN
# What follows: behind a ReLU most left factors are zero, so weights that have become NaN can leave the
# forward pass finite while the backward pass, which transposes, blows up. Check the weights themselves,
# not the outputs.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export GOFLAGS=-mod=mod GOWORK=off
cat > main.go <<'E'
package main

import (
	"fmt"
	"log"
	"math"

	"gonum.org/v1/gonum/mat"
)

func main() {
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		row, col := mat.NewDense(1, 2, []float64{0, 1}), mat.NewDense(2, 1, []float64{0, 1})
		badRow, badCol := mat.NewDense(1, 2, []float64{bad, 2}), mat.NewDense(2, 1, []float64{bad, 2})
		for _, c := range []struct {
			name string
			a, b mat.Matrix
			nan  bool
		}{
			{"A  * B ", row, badCol, false},
			{"A' * B ", col.T(), badCol, false},
			{"A' * B'", col.T(), badRow.T(), false},
			{"A  * B'", row, badRow.T(), true},
		} {
			var p mat.Dense
			p.Mul(c.a, c.b)
			fmt.Printf("[0 1] by [%v 2] as %s = %v\n", bad, c.name, p.At(0, 0))
			if math.IsNaN(p.At(0, 0)) != c.nan || !c.nan && p.At(0, 0) != 2 {
				log.Fatal("the behaviour has changed")
			}
		}
		var v mat.VecDense
		v.MulVec(row, mat.NewVecDense(2, []float64{bad, 2}))
		fmt.Printf("[0 1] by [%v 2] as MulVec  = %v\n", bad, v.AtVec(0))
		if !math.IsNaN(v.AtVec(0)) {
			log.Fatal("the behaviour has changed")
		}
	}
}
E
go mod init finding 2>/dev/null
go get gonum.org/v1/gonum@v0.17.0 2>/dev/null
go run .
