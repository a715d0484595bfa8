package onnxruntime

import (
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn/internal/ir"
)

// TestHalfHolds: a weight beyond float16 is refused with its step, and is no matter in float32.
func TestHalfHolds(t *testing.T) {
	net := &ir.Net{Values: []ir.Value{{Name: "in", Shape: []int{1, 2, 3}}, {Name: "out", Shape: []int{1, 2, 3}}},
		Steps:   []ir.Step{{Kind: ir.Affine, Name: "wide", In: []int{0}, Out: 1, W: []float32{70000}, B: []float32{0}}},
		Outputs: []int{1}}
	if _, err := newGraph(net, true); err == nil || !strings.Contains(err.Error(), `"wide": weight 0 is 70000`) {
		t.Errorf("float16: got %v, want the step and the weight", err)
	}
	if g, err := newGraph(net, false); err != nil || len(g.model) == 0 || len(g.outputs) != 1 {
		t.Errorf("float32: got %v", err)
	}
	net.Steps[0].Kind = 99
	if _, err := newGraph(net, false); err == nil || !strings.Contains(err.Error(), "has no translation") {
		t.Errorf("a kind that there is none of: got %v", err)
	}
}

// TestBatch: GPUs are given many images at once, the processor few.
func TestBatch(t *testing.T) {
	for most, want := range map[int]int{128: 32, 8: 4, 2: 2} {
		if got := (&executor{batch: most}).Batch(); got != want {
			t.Errorf("of at most %d: got %d, want %d", most, got, want)
		}
	}
}

func TestParseOptions(t *testing.T) {
	got, err := ParseOptions("prefer_nhwc=1, cudnn_conv_algo_search=EXHAUSTIVE")
	if want := [][2]string{{"prefer_nhwc", "1"}, {"cudnn_conv_algo_search", "EXHAUSTIVE"}}; err != nil ||
		!slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if got, err := ParseOptions(""); err != nil || got != nil {
		t.Errorf("nothing: got %v, %v", got, err)
	}
	for _, text := range []string{"prefer_nhwc", "=1"} {
		if _, err := ParseOptions(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
