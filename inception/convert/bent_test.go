package convert

import (
	"testing"

	"github.com/c236555e/rehead/inception/internal/fixture"
)

// TestBent: heads on the mean and the maximum of the last block, in either order, and with the rarer activations,
// answer as the tools that wrote them. See testdata/bent.py.
func TestBent(t *testing.T) {
	const rest = "dense 8, hard_swish, dense 7, softplus, dense 6, mish, dense 5, hard_sigmoid, dense 4, softsign, " +
		"dense 3, softmax"
	for _, c := range []struct {
		name, answers string
		middle        float32 // of the pixels that the tool was given
	}{{"bent.onnx", "bent.json", 125}, {"bent.pt2", "bent.json", 125}, {"bent.keras", "bent.keras.json", 127.5}} {
		t.Run(c.name, func(t *testing.T) {
			m, err := OpenModel(fixture.File(t, c.name), Options{})
			if err != nil {
				t.Fatal(err)
			}
			m.Recipe.Mean, m.Recipe.Std = [3]float32{c.middle, c.middle, c.middle}, [3]float32{c.middle, c.middle, c.middle}
			if got, want := m.Reads.String(), "mean, maximum of Mixed_7c"; got != want {
				t.Errorf("the head reads %s, want %s", got, want)
			}
			if got, want := m.Head.Describe(), "dense 9, prelu, layer_norm, "+rest; got != want {
				t.Errorf("got the head %s, want %s", got, want)
			}
			answersAs(t, m, c.answers)
		})
	}
}
