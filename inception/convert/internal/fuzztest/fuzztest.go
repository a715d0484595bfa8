// Package fuzztest holds readers of weight files, in their fuzz tests, to what all of them promise whatever a file's
// bytes are: an end in time and in little memory, no tensor that is larger than the file can hold, and none that is
// listed and cannot be read.
package fuzztest

import (
	"maps"
	"slices"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/internal/boundtest"
)

// Limits are what may come out of a file of some bytes.
type Limits struct {
	Elements func(size int) int // of a tensor of floats; nil: as many as there are bytes
	Nodes    func(size int) int // of a graph; nil: any number
	Unread   bool               // values are not read, since what lies elsewhere may be missing
}

// Tensors fuzzes a reader of tensors.
func Tensors(f *testing.F, l Limits, read func(b []byte) ([]raw.Tensor, error), seeds ...[]byte) {
	f.Helper()
	fuzz(f, seeds, func(t *testing.T, b []byte) {
		tensors, err := read(b)
		if err == nil {
			l.check(t, len(b), tensors)
		}
	})
}

// Graph fuzzes a reader of graphs.
func Graph(f *testing.F, l Limits, read func(b []byte) (*graph.Graph, error), seeds ...[]byte) {
	f.Helper()
	fuzz(f, seeds, func(t *testing.T, b []byte) {
		g, err := read(b)
		if err != nil {
			return
		}
		if l.Nodes != nil && len(g.Nodes) > l.Nodes(len(b)) {
			t.Fatalf("%d operators of %d bytes", len(g.Nodes), len(b))
		}
		var tensors []raw.Tensor
		for _, name := range slices.Sorted(maps.Keys(g.Consts)) {
			tensors = append(tensors, g.Consts[name].Tensor)
		}
		l.check(t, len(b), tensors)
	})
}

// Bounded fuzzes what only has to end, in time and in little memory.
func Bounded(f *testing.F, read func(b []byte) error, seeds ...[]byte) {
	f.Helper()
	fuzz(f, seeds, func(_ *testing.T, b []byte) {
		_ = read(b) //nolint:errcheck // any error will do
	})
}

func fuzz(f *testing.F, seeds [][]byte, run func(t *testing.T, b []byte)) {
	f.Helper()
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		defer boundtest.Reader(t, len(b))()
		run(t, b)
	})
}

// check holds the tensors that a file of so many bytes lists to the limits.
func (l Limits) check(t testing.TB, size int, tensors []raw.Tensor) {
	t.Helper()
	most := size
	if l.Elements != nil {
		most = l.Elements(size)
	}
	for _, x := range tensors {
		switch {
		case !x.DType.Float():
		case x.Len() > most:
			t.Fatalf("tensor %q has %d elements in a file of %d bytes, want at most %d", x.Name, x.Len(), size, most)
		case l.Unread:
		default:
			if v, err := x.Float32s(); err != nil || len(v) != x.Len() {
				t.Fatalf("tensor %q of %d elements was listed, and %d were read: %v", x.Name, x.Len(), len(v), err)
			}
		}
	}
}
