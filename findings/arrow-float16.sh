#!/usr/bin/env bash
# github.com/apache/arrow-go/v18 v18.8.0: float16.New cuts digits off instead of rounding, and numbers
# below 2^-14 are lost both ways.
#
# Version: github.com/apache/arrow-go/v18 v18.8.0.
# Behaviour: the mantissa's low 13 bits are dropped (IEEE 754 and numpy round to nearest, ties to even),
# numbers that float16 can hold as subnormals become 0, and a NaN whose payload lies in the dropped bits
# becomes infinity. Num.Float32 reads subnormals that others wrote as about 1e-39.
# Expected: 2051 becomes 2052, 1.0009 becomes 1.00098, 3e-5 stays 3e-5 both ways, NaN stays NaN.
# Seen 2026-11-30: 2051 -> 2050, 1.0009 -> 1, 3e-05 -> 0, NaN 7f800001 -> +Inf; the bits 01f7, which are
# 3e-5, read as 5.774157e-39
# What follows: a column of float16 features written through it is biased towards zero, by half a unit
# in the last place on average and twice the largest error of rounding, and small probabilities are 0.
# Make and read the bits with code that rounds; only FromBits and Uint16 are safe.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export GOFLAGS=-mod=mod GOWORK=off
cat > main.go <<'E'
package main

import (
	"fmt"
	"log"
	"math"

	"github.com/apache/arrow-go/v18/arrow/float16"
)

func main() {
	for _, c := range []struct {
		in     float32
		seen   uint16 // what New makes
		wanted uint16 // round to nearest, ties to even
	}{
		{2051, 0x6801, 0x6802},
		{1.0009, 0x3c00, 0x3c01},
		{3e-5, 0x0000, 0x01f7},
		{6e-8, 0x0000, 0x0001},
		{math.Float32frombits(0x7f800001), 0x7c00, 0x7e00},
	} {
		got := float16.New(c.in)
		fmt.Printf("%v -> %v, bits %04x; to the nearest: bits %04x\n", c.in, got.Float32(), got.Uint16(), c.wanted)
		if got.Uint16() != c.seen {
			log.Fatalf("the behaviour has changed: %04x was seen before", c.seen)
		}
	}
	back := float16.FromBits(0x01f7).Float32()
	fmt.Printf("bits 01f7 (3e-5) read as %v\n", back)
	if back != 5.774157e-39 {
		log.Fatal("the behaviour has changed")
	}
	// The bias: each of these lies somewhere between two neighbours of float16.
	var sum float64
	const n = 8192
	for i := range n {
		x := math.Float32frombits(0x3f800000 + uint32(i)*0x3ff) // 1 to 2
		sum += (float64(float16.New(x).Float32()) - float64(x)) * 1024
	}
	fmt.Printf("mean error over 1..2: %.3f units in the last place (rounding: 0.000)\n", sum/n)
	if !(math.Abs(sum/n+0.5) < 0.01) {
		log.Fatal("the behaviour has changed")
	}
}
E
go mod init finding 2>/dev/null
go get github.com/apache/arrow-go/v18@v18.8.0 2>/dev/null
go run .
