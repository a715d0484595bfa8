package keras

import (
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/fuzztest"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// none has every weight that is asked for, empty.
type none struct{}

func (none) Layer([]Step) map[string]raw.Tensor {
	t := raw.Tensor{Shape: []int{1}, DType: raw.F32, Load: func([]float32) error { return nil }}
	return map[string]raw.Tensor{"kernel": t, "bias": t, "gamma": t, "beta": t, "moving_mean": t, "moving_variance": t,
		"mean": t, "variance": t}
}

const (
	functional3 = `{"class_name":"Functional","config":{"name":"m","layers":[
{"class_name":"InputLayer","name":"in","config":{"batch_shape":[null,139,139,3]},"inbound_nodes":[]},
{"class_name":"Rescaling","name":"r","config":{"scale":0.5,"offset":-1},"inbound_nodes":[{"args":[{"class_name":"__keras_tensor__","config":{"keras_history":["in",0,0]}}],"kwargs":{}}]},
{"class_name":"Sequential","name":"s","config":{"name":"s","layers":[{"class_name":"InputLayer","config":{"name":"i"}},
{"class_name":"Conv2D","config":{"name":"c","strides":[2,2],"padding":"valid","activation":"relu","use_bias":true}}]},
"inbound_nodes":[{"args":[{"class_name":"__keras_tensor__","config":{"keras_history":["r",0,0]}}],"kwargs":{}}]},
{"class_name":"Dense","name":"d","config":{"activation":"softmax"},"inbound_nodes":[{"args":[{"class_name":"__keras_tensor__","config":{"keras_history":["s",0,0]}}],"kwargs":{}}]}],
"input_layers":["in",0,0],"output_layers":[["d",0,0]]}}`
	functional2 = `{"class_name":"Functional","config":{"name":"m","layers":[
{"class_name":"InputLayer","name":"in","config":{"batch_input_shape":[null,139,139,3],"name":"in"},"inbound_nodes":[]},
{"class_name":"TFOpLambda","name":"tf.math.truediv","config":{"name":"a","function":"math.truediv"},"inbound_nodes":[["in",0,0,{"y":127.5,"name":null}]]},
{"class_name":"TFOpLambda","name":"tf.math.subtract","config":{"name":"b","function":"math.subtract"},"inbound_nodes":[["tf.math.truediv",0,0,{"y":1.0,"name":null}]]},
{"class_name":"Dense","name":"d","config":{"name":"d","activation":"linear"},"inbound_nodes":[[["tf.math.subtract",0,0,{}]]]}],
"input_layers":[["in",0,0]],"output_layers":[["d",0,0]]}}`
)

func TestGraph(t *testing.T) {
	for text, want := range map[string]string{
		functional3: "Mul AddV2 Conv2D BiasAdd Relu MatMul BiasAdd Softmax", functional2: "RealDiv Sub MatMul BiasAdd",
	} {
		g, err := Graph([]byte(text), none{})
		if err != nil {
			t.Fatal(err)
		}
		var ops []string
		for _, n := range g.Nodes {
			ops = append(ops, n.Op)
		}
		if got := strings.Join(ops, " "); got != want {
			t.Errorf("got operators %q, want %q", got, want)
		}
		for _, side := range g.Sizes {
			if side != 139 {
				t.Errorf("got an input of %d pixels, want 139", side)
			}
		}
	}
}

func TestSnake(t *testing.T) {
	for class, want := range map[string]string{"Conv2D": "conv2d", "GlobalAveragePooling2D": "global_average_pooling2d",
		"BatchNormalization": "batch_normalization", "InputLayer": "input_layer", "TFOpLambda": "tf_op_lambda"} {
		if got := Snake(class); got != want {
			t.Errorf("%s: got %q, want %q", class, got, want)
		}
	}
}

func TestGraphRefused(t *testing.T) {
	for want, text := range map[string]string{
		"damaged":         `{"class_name"`,
		"Python code":     `{"class_name":"MyModel","config":{}}`,
		"has 0 layers":    `{"class_name":"Functional","config":{"layers":[]}}`,
		"is not there":    `{"class_name":"Functional","config":{"layers":[{"class_name":"InputLayer","name":"a","config":{}}],"output_layers":[["b",0,0]]}}`,
		"three channels":  strings.Replace(functional3, "139,139,3", "139,139,1", 1),
		"139 x 140":       strings.Replace(functional3, "139,139,3", "139,140,3", 1),
		"depends on":      strings.Replace(functional3, `["in",0,0]}}],"kwargs"`, `["d",0,0]}}],"kwargs"`, 1),
		"want two":        strings.Replace(functional3, `"strides":[2,2]`, `"strides":[2]`, 1),
		"called 1 times":  strings.Replace(functional3, `["s",0,0]`, `["s",3,0]`, 1),
		"is not a number": strings.Replace(functional3, `"scale":0.5`, `"scale":"half"`, 1),
	} {
		if _, err := Graph([]byte(text), none{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func FuzzGraph(f *testing.F) {
	fuzztest.Graph(f, fuzztest.Limits{Nodes: func(int) int { return 8 * maxLayers }, Unread: true},
		func(b []byte) (*graph.Graph, error) { return Graph(b, none{}) }, []byte(functional3), []byte(functional2))
}
