// Command _generate_wino writes the Winograd kernels of nn/internal/kernel for
// amd64. Run it through go generate in that folder.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	for _, n := range []int{4, 6, 8, 10, 12} {
		forward(n)
	}
	for _, s := range [][2]int{{2, 4}, {2, 6}, {4, 6}, {4, 8}, {6, 8}, {4, 10}, {6, 12}} {
		inverse(s[0], s[1], false)
		inverse(s[0], s[1], true)
	}
	forwardStrided()
	inverseStrided(false)
	inverseStrided(true)
	for r := 1; r <= 6; r++ {
		product(r)
	}
	for r := 1; r <= 16; r++ {
		productWide(r)
	}
	expand(false)
	expand(true)
	Generate()
}

var ymm = []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15}

var xmm = []VecPhysical{X0, X1, X2, X3}

var zmm = []VecPhysical{
	Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15, Z16, Z17,
}
