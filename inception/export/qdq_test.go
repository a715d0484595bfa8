package export_test

import (
	"bytes"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/inception/export"
	"github.com/c236555e/rehead/nn"
)

// int8Model is a model of int8 with the ranges of a picture of noise.
func int8Model(t *testing.T) *inception.Model {
	t.Helper()
	m := model(t, inception.Keras, side)
	w, err := inception.Calibrate(t.Context(), m.Trunk, nn.Config{}, 1, func(_ int, pixels []float32) error {
		copy(pixels, noise(side).Pixels)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Trunk, m.Ranges, m.TrunkDigest = w, w.Ranges, w.Digest
	return m
}

// TestQDQ: a model of int8 is written in integers; each weight comes back within half a step of 127,
// or of what a bounded pair leaves of it, and only where integers are asked for.
func TestQDQ(t *testing.T) {
	m := int8Model(t)
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := export.ONNXFile(m, path); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Load(path, convert.Options{}); err == nil || !strings.Contains(err.Error(), "--quantized") {
		t.Errorf("got error %v, want one about integers", err)
	}
	w, err := convert.Load(path, convert.Options{Quantized: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range m.Trunk.Tensors {
		got := w.Tensors[name]
		if strings.HasSuffix(name, ".bias") || strings.HasPrefix(name, "fc.") {
			continue
		}
		per := len(want.Data) / want.Shape[0]
		for o := range want.Shape[0] {
			most, off := 0.0, 0.0
			for i := o * per; i < (o+1)*per; i++ {
				most = max(most, math.Abs(float64(want.Data[i])))
				off = max(off, math.Abs(float64(want.Data[i]-got.Data[i])))
			}
			// a pair of the two largest takes steps of most/64 and may give up one more step
			if !(off <= 1.5*most/64) {
				t.Fatalf("%s, output %d: off by %g where the largest is %g", name, o, off, most)
			}
		}
	}
	if w.Recipe != m.Recipe {
		t.Errorf("got recipe %+v, want %+v", w.Recipe, m.Recipe)
	}
}

// TestQDQShape: each of the 94 convolutions reads bytes and its result is bytes again, which is what
// ONNX Runtime makes QLinearConv of; parts of a concatenation have the steps of the whole.
func TestQDQShape(t *testing.T) {
	var b bytes.Buffer
	if err := export.ONNX(int8Model(t), &b); err != nil {
		t.Fatal(err)
	}
	ops, makes, reads := map[string]int{}, map[string]string{}, map[string][]string{}
	graph := fields(t, b.Bytes(), 7)[0]
	for _, node := range fields(t, graph, 1) {
		op := string(fields(t, node, 4)[0])
		ops[op]++
		for _, in := range fields(t, node, 1) {
			reads[string(in)] = append(reads[string(in)], op)
		}
		makes[string(fields(t, node, 2)[0])] = op
	}
	if ops["Conv"] != 94 || ops["QuantizeLinear"] < 94 {
		t.Errorf("got %d convolutions and %d QuantizeLinear", ops["Conv"], ops["QuantizeLinear"])
	}
	for _, node := range fields(t, graph, 1) {
		if op := string(fields(t, node, 4)[0]); op != "Conv" && op != "Concat" {
			continue
		}
		for _, in := range fields(t, node, 1) {
			if from := makes[string(in)]; from != "DequantizeLinear" {
				t.Fatalf("%s reads a value of %q, want DequantizeLinear", fields(t, node, 3)[0], from)
			}
		}
	}
	for value, ops := range reads {
		if makes[value] == "Relu" && (len(ops) != 1 || ops[0] != "QuantizeLinear") {
			t.Errorf("%s is read by %v, want QuantizeLinear alone", value, ops)
		}
	}
	for _, c := range []export.Format{export.FormatKeras, export.FormatTFLite} {
		if err := export.Write(int8Model(t), &b, export.Config{Format: c}); err == nil || !strings.Contains(err.Error(), "int8") {
			t.Errorf("%s: got error %v, want one about int8", c, err)
		}
	}
}
