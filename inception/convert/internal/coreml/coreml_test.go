package coreml

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/internal/fixture"
)

// texts is a Value of several texts, as a list, or of one.
func texts(list ...string) fixture.PB {
	var all, one fixture.PB
	for _, s := range list {
		one = fixture.PB{}.Raw(3, fixture.PB{}.Raw(1, fixture.PB{}.Raw(4, fixture.PB{}.Str(1, s))))
		all = all.Raw(1, one)
	}
	if len(list) == 1 {
		return one
	}
	return fixture.PB{}.Raw(3, fixture.PB{}.Raw(3, all))
}

// binding is an Argument: the name of a value, or the value itself.
func binding(name string, value fixture.PB) fixture.PB {
	if value != nil {
		return fixture.PB{}.Raw(1, fixture.PB{}.Raw(2, value))
	}
	return fixture.PB{}.Raw(1, fixture.PB{}.Str(1, name))
}

// operationOf is an Operation with its inputs.
func operationOf(kind, out string, inputs map[string]fixture.PB) fixture.PB {
	o := fixture.PB{}.Str(1, kind)
	for name, b := range inputs {
		o = o.Raw(2, fixture.PB{}.Str(1, name).Raw(2, b))
	}
	return o.Raw(3, fixture.PB{}.Str(1, out))
}

// modelOf is a model of one ML program that takes an image.
func modelOf(operations ...fixture.PB) []byte {
	var block fixture.PB
	for _, o := range operations {
		block = block.Raw(3, o)
	}
	function := fixture.PB{}.Raw(3, fixture.PB{}.Str(1, "CoreML5").Raw(2, block))
	program := fixture.PB{}.Raw(2, fixture.PB{}.Str(1, "main").Raw(2, function))
	image := fixture.PB{}.Num(1, 139).Num(2, 139).Num(3, 20)
	input := fixture.PB{}.Str(1, "x").Raw(3, fixture.PB{}.Raw(4, image))
	return fixture.PB{}.Num(1, 6).Raw(2, fixture.PB{}.Raw(1, input)).Raw(502, program)
}

// TestProgram: labels and other arguments may stand in the operation itself.
func TestProgram(t *testing.T) {
	read := func(b []byte) (*Model, error) { return Read(bytes.NewReader(b), int64(len(b)), nil) }
	for _, labels := range [][]string{{"roses", "tulips"}, {"roses"}} {
		b := modelOf(
			operationOf("gelu", "y", map[string]fixture.PB{"x": binding("x", nil), "mode": binding("", texts("TANH_APPROXIMATION"))}),
			operationOf("classify", "label", map[string]fixture.PB{"probabilities": binding("y", nil),
				"classes": binding("", texts(labels...))}))
		m, err := read(b)
		if err != nil {
			t.Fatal(err)
		}
		if !Is(b) || !slices.Equal(m.Labels, labels) || !m.Bytes["x"] || m.Sizes["x"] != 139 || m.BGR {
			t.Errorf("got labels %q, bytes %v, side %d, want %q", m.Labels, m.Bytes, m.Sizes["x"], labels)
		}
		if n := m.By["y"]; n.Op != "Gelu" || n.Attrs["approximate"].Text != "tanh" || n.Inputs[0] != "x" {
			t.Errorf("got %v %+v", n, n.Attrs)
		}
	}
	for say, o := range map[string]fixture.PB{
		"no input":                  operationOf("relu", "y", nil),
		"compressed weights":        operationOf("constexpr_lut_to_dense", "y", nil),
		"has no numbers":            operationOf("relu", "y", map[string]fixture.PB{"x": binding("", fixture.PB{}.Str(1, "doc"))}),
		"pad_type is \"\"":          operationOf("conv", "y", map[string]fixture.PB{"x": binding("x", nil)}),
		"blocks of its own":         operationOf("cond", "y", nil).Raw(4, nil),
		"its axes are not constant": operationOf("reduce_mean", "y", map[string]fixture.PB{"x": binding("x", nil)}),
	} {
		if _, err := read(modelOf(o)); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("got %v, want an error with %q", err, say)
		}
	}
	if _, err := read(fixture.PB{}.Num(1, 6).Raw(202, nil)); err == nil || !strings.Contains(err.Error(), "pipeline") {
		t.Errorf("a pipeline: got %v", err)
	}
}
