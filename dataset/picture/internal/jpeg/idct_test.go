package jpeg

import (
	"math/rand/v2"
	"testing"
)

// TestTransformsAgree compares the transforms on blocks of every size, up to those that overflow,
// and looks at what lies around.
func TestTransformsAgree(t *testing.T) {
	const stride, margin = 13, 40
	rng := rand.New(rand.NewPCG(1, 1))
	for round := range 2000 {
		var b, quant block
		for i := range b {
			if rng.IntN(4) > round%4 {
				b[i] = int32(rng.Uint32()) >> (12 + rng.IntN(20))
			}
			quant[i] = int32(1 + rng.IntN(1<<(1+rng.IntN(16))))
		}
		if round%50 == 0 {
			for i := range b {
				b[i] = int32(rng.Uint32())
			}
		}
		var want []uint8
		for _, name := range []string{"plain", "best"} {
			got := make([]uint8, margin+8*stride+margin)
			in, steps := b, quant
			transforms[name](&in, &steps, got[margin:margin+7*stride+8], stride)
			if in != b || steps != quant {
				t.Fatalf("%s changed what it reads", name)
			}
			for i, v := range got {
				at := i - margin
				inside := 0 <= at && at < 7*stride+8 && at%stride < 8
				if want != nil && v != want[i] || !inside && v != 0 {
					t.Fatalf("round %d: %s wrote %d at %d (inside: %t), plain wrote %v", round, name, v, at, inside, want)
				}
			}
			want = got
		}
	}
}

// TestFlat: a block with one coefficient has one colour, that of the transform.
func TestFlat(t *testing.T) {
	for dc := int32(-20000); dc < 20000; dc += 7 {
		var quant block
		quant[0] = 1
		var want, got [64]uint8
		plainTransform(&block{dc}, &quant, want[:], 8)
		flat(dc, got[:], 8)
		if got != want {
			t.Fatalf("coefficient %d: got %v, want %v", dc, got[0], want[0])
		}
	}
}
