package coreml

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

// layer is a layer of a neural network (NeuralNetwork.proto).
type layer struct {
	name    string
	at      int64
	inputs  []string
	outputs []string
	kind    int // number of the field that holds the parameters
	body    *raw.Cursor
}

// The numbers of the fields that hold a kind's parameters.
const (
	kindConvolution = 100
	kindPooling     = 120
	kindActivation  = 130
	kindDense       = 140
	kindBatchNorm   = 160
	kindL2          = 170
	kindSoftmax     = 175
	kindAdd         = 230
	kindMultiply    = 231
	kindScale       = 245
	kindBias        = 250
	kindConcat      = 320
	kindSoftmaxND   = 950
	kindConcatND    = 980
	kindConstantND  = 1070
	kindReduceMax   = 1260
	kindReduceMean  = 1280
)

// plain are the kinds without parameters that matter.
var plain = map[int]string{300: "Reshape", 301: "Flatten", 310: "Transpose", 600: "Identity", 880: "Add", 890: "Div",
	900: "Mul", 905: "Sub", 985: "Transpose", 1120: "Squeeze", 1125: "Unsqueeze", 1130: "Flatten", 1140: "Reshape",
	1150: "Reshape"}

// network reads NeuralNetwork or NeuralNetworkClassifier. What stands in front is spelt as operators.
func (f *reader) network(x wire.Field) error {
	var layers []*layer
	err := x.Each(func(x wire.Field) (err error) {
		switch x.Num {
		case 1:
			l, err := readLayer(x)
			if layers = append(layers, l); len(layers) > 1<<14 {
				return errors.New("has too many layers")
			}
			return err
		case 2:
			return f.preprocessing(x)
		case 100:
			return x.Each(func(x wire.Field) error {
				text, err := x.Text(maxName)
				if f.Labels = append(f.Labels, text); len(f.Labels) > maxLabel {
					err = errors.New("has too many labels")
				}
				return err
			})
		case 101:
			return x.Each(func(x wire.Field) error {
				v, err := x.Ints(nil, maxInts*maxInts)
				for _, n := range v {
					f.Labels = append(f.Labels, strconv.FormatInt(n, 10))
				}
				return err
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range layers {
		if err := f.layer(l); err != nil {
			return fmt.Errorf("layer %q at offset %d: %w", l.name, l.at, err)
		}
	}
	return nil
}

// readLayer reads NeuralNetworkLayer.
func readLayer(x wire.Field) (*layer, error) {
	l := &layer{at: x.At}
	err := x.Each(func(x wire.Field) (err error) {
		text := ""
		if x.Num <= 3 {
			if text, err = x.Text(maxName); err != nil {
				return err
			}
		}
		switch {
		case x.Num == 1:
			l.name = text
		case x.Num == 2:
			l.inputs = append(l.inputs, text)
		case x.Num == 3:
			l.outputs = append(l.outputs, text)
		case x.Num >= 100 && x.Type == wire.Bytes:
			l.kind, l.body = x.Num, x.Body
		}
		if len(l.inputs) > maxInts || len(l.outputs) > maxInts {
			err = fmt.Errorf("has more than %d inputs or outputs", maxInts)
		}
		return err
	})
	return l, err
}

// preprocessing reads NeuralNetworkPreprocessing: y = channelScale x + bias.
func (f *reader) preprocessing(x wire.Field) error {
	name := ""
	scale, bias, has := float32(1), [3]float32{}, false
	err := x.Each(func(x wire.Field) (err error) {
		switch x.Num {
		case 1:
			name, err = x.Text(maxName)
		case 10:
			has = true
			err = x.Each(func(x wire.Field) error {
				v, err := x.Float()
				switch x.Num {
				case 10:
					scale = float32(v)
				case 20, 21, 22: // blue, green, red
					bias[22-x.Num] = float32(v)
				}
				return err
			})
		case 11:
			err = errors.New("subtracts a mean picture: convert the network with a scale and a bias")
		}
		return err
	})
	if err != nil || !has {
		return err
	}
	if name == "" { // of the one input
		for v := range f.Bytes {
			name = v
		}
	}
	by, err := f.floats(name, scale)
	if err != nil {
		return err
	}
	plus, err := f.floats(name, bias[:]...)
	if err != nil {
		return err
	}
	middle, end := f.name(name), f.name(name)
	f.inputs[name] = end
	return errors.Join(
		f.Add(&graph.Node{Name: middle, Op: "Mul", Inputs: []string{name, by}, At: x.At}, middle),
		f.Add(&graph.Node{Name: end, Op: "Add", Inputs: []string{middle, plus}, At: x.At}, end))
}

// layer adds a layer to the graph.
func (f *reader) layer(l *layer) error {
	n := &graph.Node{Name: l.name, Op: fmt.Sprintf("layer of kind %d", l.kind), Attrs: map[string]graph.Attr{}, At: l.at}
	for _, v := range l.inputs {
		if scaled, ok := f.inputs[v]; ok {
			v = scaled
		}
		n.Inputs = append(n.Inputs, v)
	}
	if op, ok := plain[l.kind]; ok {
		n.Op = op
		return f.Add(n, l.outputs...)
	}
	p, err := f.params(l)
	if err != nil {
		return err
	}
	switch l.kind {
	case kindConvolution:
		err = p.convolution(f, n)
	case kindPooling:
		err = p.pooling(n)
	case kindActivation:
		err = p.activation(n)
	case kindDense:
		err = p.dense(f, n)
	case kindBatchNorm:
		err = p.batchNorm(f, n)
	case kindScale, kindBias:
		return p.scale(f, n, l)
	case kindL2:
		n.Op = "LpNormalization"
	case kindSoftmax:
		n.Op = "Softmax"
	case kindSoftmaxND:
		n.Op, n.Attrs["axis"] = "Softmax", graph.Attr{Int: p.int(1, 0)}
	case kindConcat:
		n.Op, n.Attrs["axis"] = "Concat", graph.Attr{Int: 1}
	case kindConcatND:
		n.Op, n.Attrs["axis"] = "Concat", graph.Attr{Int: p.int(1, 0)}
	case kindReduceMean, kindReduceMax:
		n.Op, n.Attrs["axes"] = map[int]string{kindReduceMean: "ReduceMean", kindReduceMax: "ReduceMax"}[l.kind],
			graph.Attr{Ints: p.ints[1]}
	case kindAdd, kindMultiply:
		return p.operand(f, n, l)
	case kindConstantND:
		return p.constant(f, l)
	}
	if err != nil {
		return err
	}
	return f.Add(n, l.outputs...)
}
