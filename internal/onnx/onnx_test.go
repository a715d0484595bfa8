package onnx

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// TestWrite reads the lengths of what was written: the graph is a message, whole, and the weights are
// in it as they are.
func TestWrite(t *testing.T) {
	g := Graph{Inputs: []Value{{"x", []int{2}}}, Outputs: []Value{{"y", []int{2}}}}
	g.Tensor("w", []int{2}, []float32{1, -2})
	g.Raw("h", Float16, []int{2}, []byte{0, 0x3c, 0, 0xc0})
	g.Node("Mul", "y", []string{"x", "w"}, Int("one", -1), Ints("many", 1, 2), Real("real", 0.5))
	var b bytes.Buffer
	if err := (File{Graph: &g, Tool: "t", Meta: [][2]string{{"key", "value"}}}).Write(&b); err != nil {
		t.Fatal(err)
	}
	graph := field(t, b.Bytes(), 7)
	for what, want := range map[string][]byte{
		"float32 weights": {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}, "float16 weights": {0, 0x3c, 0, 0xc0},
	} {
		if !bytes.Contains(graph, want) {
			t.Errorf("the graph does not have the %s", what)
		}
	}
	if node := field(t, graph, 1); string(field(t, node, 4)) != "Mul" || string(field(t, node, 2)) != "y" {
		t.Errorf("the first node is %q", node)
	}
	if meta := field(t, b.Bytes(), 14); string(field(t, meta, 2)) != "value" {
		t.Errorf("the metadata is %q", meta)
	}
}

// field returns the first value of a message's field of that number, and fails where the message does
// not end where it should.
func field(t *testing.T, message []byte, wanted protowire.Number) (found []byte) {
	t.Helper()
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		size := protowire.ConsumeFieldValue(number, kind, message[max(n, 0):])
		if n < 0 || size < 0 {
			t.Fatal("not a protobuf message")
		}
		if number == wanted && found == nil {
			found, _ = protowire.ConsumeBytes(message[n:])
		}
		message = message[n+size:]
	}
	return found
}
