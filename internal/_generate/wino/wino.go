// Package wino writes the Winograd kernels of nn/internal/kernel for amd64.
package wino

var outputs = [][2]int{{2, 4}, {2, 6}, {4, 6}, {4, 8}, {6, 8}, {4, 10}, {6, 12}}

// Write adds the functions of wino_amd64.s.
func Write() {
	forwards(narrow)
	for _, s := range outputs {
		inverse(narrow, s[0], s[1], false)
		inverse(narrow, s[0], s[1], true)
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

func forwards(f form) {
	for _, n := range []int{4, 6, 8, 10, 12} {
		forward(f, n)
	}
}

// WritePairs adds the functions that read and write bfloat16, a block of 16 channels at a time, and
// compute with float32. What saves little beside pairs of products is left out: stride 2, and two
// outputs of five taps.
func WritePairs() {
	forwards(pairs)
	forwards(wide)
	for _, s := range outputs {
		if s != [2]int{2, 6} {
			inverse(wide, s[0], s[1], false)
			inverse(wide, s[0], s[1], true)
		}
	}
	for r := 1; r <= 16; r++ {
		multiplyPairs(r)
	}
}
