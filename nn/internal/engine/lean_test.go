package engine

import (
	"testing"

	"github.com/c236555e/rehead/nn/internal/kernel"
)

// TestLean: a lean program takes none of the convolutions that have more weights than there are.
func TestLean(t *testing.T) {
	s := wanted{Spec: kernel.Spec{KH: 3, KW: 3, StrideH: 1, StrideW: 1}, ins: 64, outs: 64}
	s.Out.H, s.Out.W = 17, 17
	for _, set := range kernel.Sets() {
		_, fast := tiling(set, &s)
		lean := s
		lean.lean = true
		if _, ok := tiling(set, &lean); ok || fast != (set != kernel.Ref) {
			t.Errorf("%v: fast %v, and %v when lean, want none of it then", set, fast, ok)
		}
	}
}
