package kernel

import "testing"

// TestCover asserts that tiles cover all pixels, each once where sizes allow it.
func TestCover(t *testing.T) {
	for _, z := range []sizes{{4, 4}, {6, 6}, {4, 6}, {5, 8}} {
		for n := 1; n < 200; n++ {
			at := 7
			for _, r := range z.cover(7, n) {
				if r.first != at || r.tiles < 1 || r.pixels < z.least || r.pixels > z.most {
					t.Fatalf("%+v: %d pixels: bad run %+v at %d", z, n, r, at)
				}
				at += r.pixels * r.tiles
			}
			spare := at - 7 - n
			if spare < 0 || spare >= z.most || spare > 0 && z.least < z.most && n > 3*z.most {
				t.Errorf("%+v: %d pixels: %d to spare: %+v", z, n, spare, z.cover(7, n))
			}
		}
	}
}
