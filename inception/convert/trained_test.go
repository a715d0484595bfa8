package convert

import (
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// TestTrained: a Keras model whose last layer has no activation gets the one of its loss, as Keras 3 and tf-keras write
// it into their files, and none where the loss does not say.
func TestTrained(t *testing.T) {
	const keras3 = `{"optimizer": "adam", "loss": {"module": "keras.losses", "class_name": "SparseCategoricalCrossentropy", ` +
		`"config": {"name": "sparse_categorical_crossentropy", "reduction": "sum_over_batch_size", "from_logits": true, ` +
		`"ignore_class": null, "axis": -1}, "registered_name": null}, "loss_weights": null, "metrics": ["accuracy"]}`
	const binary = `{"class_name": "BinaryCrossentropy", "config": {"reduction": "auto", "name": "binary_crossentropy", ` +
		`"from_logits": true, "label_smoothing": 0.0, "axis": -1, "fn": "binary_crossentropy"}}`
	for text, want := range map[string]inception.Activation{
		keras3:                                  inception.Softmax,
		`{"loss": ` + binary + `}`:              inception.Sigmoid,
		`{"loss": [` + binary + `]}`:            inception.Sigmoid,
		`{"loss": {"species": ` + binary + `}}`: inception.Sigmoid,
		`{"loss": {"a": ` + binary + `, "b": ` + binary + `}}`:                                  "",
		`{"loss": "categorical_crossentropy"}`:                                                  "",
		`{"loss": {"class_name": "CategoricalCrossentropy", "config": {"from_logits": false}}}`: "",
		`{"loss": {"class_name": "MeanSquaredError", "config": {"from_logits": true}}}`:         "",
		`{"loss": {"class_name": "Custom>Crossentropy", "config": {"from_logits": true}}}`:      "",
		`{}`: "", ``: "", `{"loss": 3}`: "",
	} {
		dense := link{kind: inception.LayerDense, dense: &classifier{}, node: &graph.Node{Name: "dense"}}
		src := &source{links: []link{dense}, bare: errBare}
		src.simplify()
		if err := src.trained([]byte(text)); err != nil {
			t.Fatal(err)
		}
		got := inception.Activation("")
		if src.headErr == nil {
			got = src.activation
		}
		if got != want || (len(src.doubts) == 1) != (want != "") {
			t.Errorf("%s: got %q and %q, want %q", text, got, src.doubts, want)
		}
	}
}
