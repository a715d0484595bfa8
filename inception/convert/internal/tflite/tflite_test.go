package tflite

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/fuzztest"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/internal/fixture"
	"github.com/c236555e/rehead/internal/boundtest"
)

func TestRead(t *testing.T) {
	b := fixture.Read(t, "chain.tflite")
	if !Is(b) {
		t.Error("is not told by its first bytes")
	}
	g, rounded, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil || rounded {
		t.Fatalf("got %v, rounded %v", err, rounded)
	}
	count := map[string]int{}
	for _, n := range g.Nodes {
		count[n.Op]++
	}
	if count["Conv2D"] != 94 || count["AvgPool"] != 9 || count["MaxPool"] != 4 || count["Softmax"] != 1 {
		t.Errorf("got operators %v, want those of InceptionV3", count)
	}
	for n := 0; n < len(b); n += len(b)/50 + 1 {
		if _, _, err := Read(bytes.NewReader(b[:n]), int64(n)); err == nil {
			t.Errorf("cut to %d bytes: want an error", n)
		}
	}
}

// fields are a table's, in the order of the schema; nil leaves one out.
type fields []any

// point lets the offset at a place of a FlatBuffer point to a value that it appends.
func point(b []byte, at int, v any) []byte {
	b = append(b, make([]byte, -len(b)&3)...)
	le, start := binary.LittleEndian, len(b)
	switch v := v.(type) {
	case string:
		b = append(le.AppendUint32(b, uint32(len(v))), v...)
	case []int32:
		b = le.AppendUint32(b, uint32(len(v)))
		for _, x := range v {
			b = le.AppendUint32(b, uint32(x))
		}
	case []any:
		b = append(le.AppendUint32(b, uint32(len(v))), make([]byte, 4*len(v))...)
		for i, x := range v {
			b = point(b, start+4+4*i, x)
		}
	case fields:
		b = le.AppendUint16(le.AppendUint16(b, uint16(4+2*len(v))), uint16(4+4*len(v)))
		for i, x := range v {
			if x == nil {
				b = le.AppendUint16(b, 0)
			} else {
				b = le.AppendUint16(b, uint16(4+4*i))
			}
		}
		b = append(b, make([]byte, -len(b)&3)...)
		list := start
		start = len(b)
		b = append(le.AppendUint32(b, uint32(start-list)), make([]byte, 4*len(v))...)
		for i, x := range v {
			if x, ok := x.(int); ok {
				le.PutUint32(b[start+4+4*i:], uint32(x))
			} else if v[i] != nil {
				b = point(b, start+4+4*i, v[i])
			}
		}
	}
	le.PutUint32(b[at:], uint32(start-at))
	return b
}

// model is a picture of 2x2 through a quantised convolution, a mean and a dense layer.
func model() []byte {
	quantised := fields{nil, nil, []int32{0x3d000000, 0x3c800000}, nil, nil, nil, 0}
	tensors := []any{fields{[]int32{1, 2, 2, 3}, 0, 0, "picture"}, fields{[]int32{2, 1, 1, 3}, 9, 1, "kernel", quantised},
		fields{[]int32{2}, 0, 2, "bias"}, fields{[]int32{1, 2, 2, 2}, 0, 0, "conv"}, fields{[]int32{2}, 2, 3, "axes"},
		fields{[]int32{1, 2}, 0, 0, "mean"}, fields{[]int32{1, 2}, 0, 2, "weights"}, fields{[]int32{1, 1}, 0, 0, "logits"}}
	buffers := []any{fields{}, fields{"abcdef"}, fields{"\x00\x00\x80\x3f\x00\x00\x00\x40"},
		fields{"\x01\x00\x00\x00\x02\x00\x00\x00"}, fields{"two\nlabels"}}
	operators := []any{
		fields{0, []int32{0, 1, 2}, []int32{3}, nil, fields{0, 1, 1, 1}},
		fields{1, []int32{3, 4}, []int32{5}, nil, fields{}},
		fields{2, []int32{5, 6, -1}, []int32{7}, nil, fields{1}}}
	graph := fields{tensors, []int32{0}, []int32{7}, operators, "main"}
	b := point([]byte("----TFL3"), 0, fields{3, []any{fields{3}, fields{40}, fields{9}}, []any{graph}, "made here", buffers, nil,
		[]any{fields{"labels", 4}}})
	return b
}

func TestSmall(t *testing.T) {
	b := model()
	g, rounded, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil || !rounded {
		t.Fatalf("got %v, rounded %v; want weights that were rounded", err, rounded)
	}
	ops := []string{}
	for _, n := range g.Nodes {
		ops = append(ops, n.Op)
	}
	if want := []string{"Conv2D", "BiasAdd", "Relu", "Mean", "MatMul", "Relu"}; !slices.Equal(ops, want) {
		t.Errorf("got operators %v, want %v", ops, want)
	}
	if got := g.Texts["metadata:labels"]; got != "two\nlabels" {
		t.Errorf("got labels %q", got)
	}
}

// TestShared reads a model of 65,536 tensors that share one shape of as many sides.
func TestShared(t *testing.T) {
	const many = 1 << 16
	b := point([]byte("----TFL3"), 0, fields{3, []any{}, []any{fields{make([]any, many)}}})
	list, first := len(b)-4*many, len(b)
	b = point(append(b, 0, 0, 0, 0), first, fields{make([]int32, many)})
	to := first + int(binary.LittleEndian.Uint32(b[first:]))
	for i := range many {
		binary.LittleEndian.PutUint32(b[list+4*i:], uint32(to-list-4*i))
	}
	defer boundtest.Reader(t, len(b))()
	_, _, err := Read(bytes.NewReader(b), int64(len(b)))
	if err == nil || !strings.Contains(err.Error(), "four times") {
		t.Errorf("got %v, want an error about lists that are read again and again", err)
	}
}

func FuzzRead(f *testing.F) {
	fuzztest.Graph(f, fuzztest.Limits{Elements: func(n int) int { return 4 * n }, Unread: true},
		func(b []byte) (*graph.Graph, error) {
			g, _, err := Read(bytes.NewReader(b), int64(len(b)))
			return g, err
		}, model())
}
