// Package wino writes the Winograd kernels of nn/internal/kernel for amd64.
package wino

// Write adds the functions of wino_amd64.s.
func Write() {
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
		multiply(r)
	}
	for r := 1; r <= 16; r++ {
		multiplyWide(r)
	}
	expand(false)
	expand(true)
}
