package picture

import (
	"math"
	"slices"
	"testing"
)

// TestFixedView: views of a plane that rises evenly are its parts, and mirrored ones the others backwards.
func TestFixedView(t *testing.T) {
	const size = 16
	input := make([]float32, 3*size*size)
	for i := range input {
		c, y, x := i/size/size, i/size%size, i%size
		input[i] = float32(100*c + 3*y + x)
	}
	seen := map[string]bool{}
	for k := range MaxViews {
		got := make([]float32, len(input))
		if err := FixedView(k, size, input, got); err != nil {
			t.Fatal(err)
		}
		if k%2 == 1 {
			before := make([]float32, len(input))
			if err := FixedView(k-1, size, input, before); err != nil {
				t.Fatal(err)
			}
			for row := range slices.Chunk(before, size) {
				slices.Reverse(row)
			}
			if !slices.Equal(got, before) {
				t.Errorf("view %d is not view %d mirrored", k, k-1)
			}
			continue
		}
		side := 1.0
		if k >= 2 {
			side = []float64{7. / 8, 3. / 4}[(k-2)/10]
		}
		at := func(c, y, x int) float64 { return float64(got[c*size*size+y*size+x]) }
		if d := at(2, 7, 9) - at(2, 7, 8); !(math.Abs(d-side) <= 1e-4) {
			t.Errorf("view %d: neighbours differ by %v, want %v", k, d, side)
		}
		if d := at(2, 8, 8) - at(0, 8, 8); !(math.Abs(d-200) <= 1e-3) {
			t.Errorf("view %d: planes differ by %v, want 200", k, d)
		}
		corner := string([]byte{byte(int(16 * side)), byte(int(4 * at(0, 0, 0)))})
		if seen[corner] {
			t.Errorf("view %d is one of those before", k)
		}
		seen[corner] = true
	}
	got := make([]float32, len(input))
	if err := FixedView(0, size, input, got); err != nil || !slices.Equal(got, input) {
		t.Errorf("view 0 is not the input, or has error %v", err)
	}
	for _, bad := range []error{FixedView(-1, size, input, got), FixedView(MaxViews, size, input, got),
		FixedView(2, size+1, input, got), FixedView(2, size, input, got[:9]), FixedView(1, 0, nil, nil)} {
		if bad == nil {
			t.Error("got no error for another number, size or length")
		}
	}
}
