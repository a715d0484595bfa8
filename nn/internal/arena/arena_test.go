package arena

import (
	"math/rand/v2"
	"testing"
)

// TestPlace draws buffers: none may overlap another of its time, and what follows another in a line
// takes no more than two of them.
func TestPlace(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var list []*Buffer
		for range 30 {
			first := r.IntN(20)
			list = append(list, &Buffer{Size: 1 + r.IntN(100), First: first, Last: first + r.IntN(5)})
		}
		total := Place(list)
		if half := len(list) / 2; r.IntN(2) == 0 {
			var least int
			least, total = PlaceTwo(list[:half], list[half:])
			for _, b := range list[:half] {
				if b.At+b.Size > least {
					t.Fatalf("%+v: got a place outside of the first %d", b, least)
				}
			}
		}
		for i, a := range list {
			if a.At < 0 || a.At+a.Size > total {
				t.Fatalf("%+v: got a place outside of %d", a, total)
			}
			for _, b := range list[:i] {
				if a.First <= b.Last && b.First <= a.Last && a.At < b.At+b.Size && b.At < a.At+a.Size {
					t.Fatalf("%+v and %+v overlap", a, b)
				}
			}
		}
	}
	var line []*Buffer
	for i := range 10 {
		line = append(line, &Buffer{Size: 8, First: i, Last: i + 1})
	}
	if got := Place(line); got != 16 {
		t.Errorf("a line: got %d, want 16", got)
	}
}
