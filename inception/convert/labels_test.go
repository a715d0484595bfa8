package convert

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/imagenet"
)

// classifierFile writes a narrow network whose classifier's biases count its classes.
func classifierFile(t *testing.T, classes int) string {
	t.Helper()
	w, err := inception.Random(inception.RandomConfig{Width: fixtureWidth, Classes: classes})
	if err != nil {
		t.Fatal(err)
	}
	for i := range w.Tensors["fc.bias"].Data {
		w.Tensors["fc.bias"].Data[i] = float32(i)
	}
	return foreign(t, w)
}

// TestLabelOrders: the classifiers of the three published lengths get ImageNet's names in their own
// orders, from the file to the answer of a model; another length gets none.
func TestLabelOrders(t *testing.T) {
	for classes, c := range map[int]struct {
		flavor inception.Flavor
		names  map[int]string
	}{
		1000: {inception.Timm, map[int]string{0: "tench", 1: "goldfish", 999: "toilet tissue"}},
		1001: {inception.Timm, map[int]string{0: "background", 1: "tench", 1000: "toilet tissue"}},
		1008: {inception.PytorchFID, map[int]string{0: "background", 1: "kit fox", 449: "tench", 1000: "dumbbell",
			1007: "unused 1007"}},
		999: {inception.Timm, nil},
	} {
		out := filepath.Join(t.TempDir(), "out.safetensors")
		if _, err := Convert(classifierFile(t, classes), out, Options{}); err != nil {
			t.Fatal(err)
		}
		w, err := inception.ReadWeights(out)
		if err != nil {
			t.Fatal(err)
		}
		if w.Classes != classes || w.Flavor != c.flavor || !slices.Equal(w.Labels, imagenet.Labels(classes)) {
			t.Errorf("%d classes: got %d of flavour %s and %d labels", classes, w.Classes, w.Flavor, len(w.Labels))
		}
		if c.names == nil {
			continue
		}
		m, err := inception.ModelFromWeights(w)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range c.names {
			at := slices.Index(m.Labels, name)
			if at != i || m.Head.B[at] != float32(i) {
				t.Errorf("%d classes: %s is label %d with bias %v, want %d", classes, name, at, m.Head.B[max(at, 0)], i)
			}
		}
	}
}

// TestReadLabels: a byte order mark is no part of a label; what is no UTF-8, and a label twice, are
// refused when the file is read.
func TestReadLabels(t *testing.T) {
	file := filepath.Join(t.TempDir(), "labels.txt")
	for text, want := range map[string]string{
		"\ufeffa\r\nb\r\n": "", "a\nb": "", "a\na\n": "line 1 and on line 2", "caf\xe9\nb\n": "UTF-8",
		"\xff\xfea\x00\n\x00b\x00\n\x00": "UTF-8", "a\x00\nb": "UTF-8", "a\n\nb\n": "empty",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readLabels(file)
		if want == "" && (err != nil || !slices.Equal(got, []string{"a", "b"})) ||
			want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}
