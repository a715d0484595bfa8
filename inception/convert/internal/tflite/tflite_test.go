package tflite

import (
	"bytes"
	"testing"

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

func FuzzRead(f *testing.F) {
	f.Add(fixture.Read(f, "chain.tflite"))
	f.Fuzz(func(t *testing.T, b []byte) {
		defer boundtest.Reader(t, len(b))()
		g, _, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, k := range g.Consts {
			if k.DType.Float() && k.Len() > 4*len(b) {
				t.Fatalf("constant %q has %d elements in a file of %d bytes", k.Name, k.Len(), len(b))
			}
		}
	})
}
