package aten

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// list is an argument of integers.
func list(v ...int64) []any {
	out := make([]any, len(v))
	for i, x := range v {
		out[i] = x
	}
	return out
}

// TestOperators: what an operator of PyTorch's is in ONNX.
func TestOperators(t *testing.T) {
	x, w, b := Tensor("x"), Tensor("w"), Tensor("b")
	for _, c := range []struct {
		op   string
		args []any
		want string // the operator, its inputs and the attributes that are not their types' zero
	}{
		{"conv2d", []any{x, w, nil, list(2, 2), list(0, 3)}, "Conv [x w] dilations=[1 1] group=1 pads=[0 3 0 3] strides=[2 2]"},
		{"_convolution", []any{x, w, b, list(1, 1), list(1), list(1, 1), false, list(0, 0), int64(1)},
			"Conv [x w b] dilations=[1 1] group=1 pads=[1 1 1 1] strides=[1 1]"},
		{"batch_norm", []any{x, nil, b, w, b, false, 0.1, 1e-3}, "BatchNormalization [x  b w b] epsilon=0.001"},
		{"max_pool2d", []any{x, list(3, 3), list(2, 2)}, "MaxPool [x] kernel_shape=[3 3] pads=[0 0 0 0] strides=[2 2]"},
		{"avg_pool2d", []any{x, list(3, 3), list(1, 1), list(1, 1)},
			"AveragePool [x] count_include_pad=1 kernel_shape=[3 3] pads=[1 1 1 1] strides=[1 1]"},
		{"avg_pool2d", []any{x, list(8), nil, nil, false, false},
			"AveragePool [x] kernel_shape=[8 8] pads=[0 0 0 0] strides=[8 8]"},
		{"adaptive_avg_pool2d", []any{x, list(1, 1)}, "GlobalAveragePool [x]"},
		{"adaptive_avg_pool2d", []any{x, list(7, 7)}, "aten.adaptive_avg_pool2d [x]"},
		{"adaptive_max_pool2d", []any{x, int64(1)}, "GlobalMaxPool [x]"},
		{"mean", []any{x, list(-1, -2), true}, "ReduceMean [x] axes=[-2 -1]"},
		{"cat", []any{[]any{x, w}, int64(1)}, "Concat [x w] axis=1"},
		{"linear", []any{x, w, b}, "Gemm [x w b] transB=1"},
		{"addmm", []any{b, x, w}, "Gemm [x w b]"},
		{"matmul", []any{x, Tensor("turned")}, "Gemm [x w] transB=1"},
		{"hardtanh_", []any{x, int64(0), int64(6)}, "Clip [x] max=6"},
		{"relu6", []any{x}, "Clip [x] max=6"},
		{"gelu", []any{x, "tanh"}, "Gelu [x] approximate=tanh"},
		{"leaky_relu", []any{x, 0.2}, "LeakyRelu [x] alpha=0.2"},
		{"softmax", []any{x, int64(1), nil}, "Softmax [x] axis=1"},
		{"select", []any{x, int64(1), int64(2)}, "Gather [x constant/1]"},
		{"slice", []any{x, int64(0), int64(0), int64(last), int64(1)}, "Identity [x]"},
		{"slice", []any{x, int64(1), int64(1), int64(2)}, "Gather [x constant/1]"},
		{"slice", []any{x, int64(2), int64(1), int64(100)}, "aten.slice [x]"},
		{"index", []any{x, []any{nil, b}}, "Gather [x b]"},
		{"flip", []any{x, list(1)}, "ReverseV2 [x]"},
		{"linalg_vector_norm", []any{x, 2.0, list(1), true}, "ReduceL2 [x]"},
		{"dropout", []any{x, 0.5, false}, "Dropout [x]"},
		{"rsub", []any{x, int64(1)}, "Sub [constant/1 x]"},
		{"hardswish", []any{x}, "HardSwish [x]"},
		{"celu", []any{x}, "aten.celu [x]"},
	} {
		e := New()
		if err := e.Constant(bytes.NewReader(nil), "w", raw.Tensor{Shape: []int{2, 3}, DType: raw.F32}); err != nil {
			t.Fatal(err)
		}
		if err := e.Call("t", []any{w}, nil, "turned"); err != nil {
			t.Fatal(err)
		}
		if err := e.Call(c.op, c.args, nil, "y"); err != nil {
			t.Errorf("%s: %v", c.op, err)
			continue
		}
		n := e.G.By["y"]
		var attrs []string
		for name, a := range n.Attrs {
			for _, v := range []any{a.Ints, a.Int, a.Float, a.Text} {
				if s := fmt.Sprint(v); s != "[]" && s != "0" && s != "" {
					attrs = append(attrs, fmt.Sprintf(" %s=%s", name, s))
				}
			}
		}
		slices.Sort(attrs)
		if got := fmt.Sprint(n.Op, " ", n.Inputs) + strings.Join(attrs, ""); got != c.want {
			t.Errorf("%s: got %s, want %s", c.op, got, c.want)
		}
	}
}

// TestInPlace: who reads a value later reads what an operator in place made of it.
func TestInPlace(t *testing.T) {
	e := New()
	for _, c := range [][2]string{{"relu_", "a"}, {"sigmoid", "b"}, {"relu_", "c"}, {"tanh", "d"}} {
		if err := e.Call(c[0], []any{Tensor("x")}, nil, c[1]); err != nil {
			t.Fatal(err)
		}
	}
	for out, in := range map[string]string{"a": "x", "b": "a", "c": "a", "d": "c"} {
		if got := e.G.By[out].Inputs; len(got) != 1 || got[0] != in {
			t.Errorf("%s reads %v, want %s", out, got, in)
		}
	}
}

// TestRefused: variants that would compute something else.
func TestRefused(t *testing.T) {
	x := Tensor("x")
	for say, c := range map[string][]any{
		"transposed": {"convolution", x, x, nil, nil, nil, nil, true}, "net.eval()": {"dropout", x, 0.5, true},
		"number of its own": {"avg_pool2d", x, int64(3), nil, nil, false, true, int64(5)},
		"two numbers":       {"max_pool2d", x, list(1, 2, 3)}, "want numbers": {"mean", x},
		"variant": {"add", x, x, int64(2)}, "want a tensor or a number": {"mul", x, "y"}, "dilation": {"max_pool2d", x, int64(3),
			nil, nil, int64(2)}, "has no input": {"relu"},
	} {
		err := New().Call(c[0].(string), c[1:], nil, "y")
		if err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%v: got %v, want an error with %q", c[0], err, say)
		}
	}
}
