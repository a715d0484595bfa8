package export

import (
	"encoding/binary"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/export/internal/flat"
)

// The operators of TensorFlow Lite's schema (tensorflow/compiler/mlir/lite/schema/schema.fbs) that
// are written, with the number of their options' table, 0 for none.
type liteOp struct{ code, options byte }

var (
	liteAdd     = liteOp{0, 11}
	liteAverage = liteOp{1, 5}
	liteConcat  = liteOp{2, 10}
	liteConv    = liteOp{3, 1}
	liteDense   = liteOp{9, 8}
	liteUnit    = liteOp{11, 12}
	liteSigmoid = liteOp{14, 0}
	liteMaximum = liteOp{17, 5}
	liteMul     = liteOp{18, 21}
	liteReLU    = liteOp{19, 0}
	liteReLU6   = liteOp{21, 0}
	liteSoftmax = liteOp{25, 9}
	liteReshape = liteOp{22, 17}
	liteTanh    = liteOp{28, 0}
	litePad     = liteOp{34, 22}
	liteMean    = liteOp{40, 27}
	liteSub     = liteOp{41, 28}
	liteDiv     = liteOp{42, 29}
	liteExp     = liteOp{47, 0}
	litePReLU   = liteOp{54, 0}
	liteMinimum = liteOp{57, 39}
	liteNeg     = liteOp{59, 0}
	liteLog     = liteOp{73, 0}
	liteHighest = liteOp{82, 27}
	liteLeaky   = liteOp{98, 75}
	liteAbs     = liteOp{101, 0}
	liteELU     = liteOp{111, 0}
	liteGELU    = liteOp{150, 116}

	liteHardSwish = liteOp{117, 0}
)

// The constants of SELU (Klambauer et al., 2017).
const (
	seluAlpha = 1.6732632423543772
	seluScale = 1.0507009873554805
)

// What the schema numbers.
const (
	liteInt32     byte = 2 // of a tensor; float32 is 0
	liteSame      byte = 0
	liteValid     byte = 1
	liteNone      byte = 0 // no activation
	liteFusedReLU byte = 1
)

// lite is a TensorFlow Lite model while it is put together; tensors are known by their places.
type lite struct {
	codes     []flat.Table
	known     map[liteOp]int
	tensors   []flat.Table
	shapes    [][]int
	operators []flat.Table
	buffers   []flat.Table
}

// tflite writes the network as a TensorFlow Lite model of float32.
func (n *network) tflite(w io.Writer) error {
	g := &lite{known: map[liteOp]int{}, buffers: []flat.Table{{}}} // the first buffer is empty by convention
	side := n.Recipe.Size
	picture := g.tensor(inputName, []int{side, side, 3})
	mean, std := n.Recipe.Mean, n.Recipe.Std
	none, shape := flat.Table{liteNone}, []int{side, side, 3}
	centred := g.apply(liteSub, "centred", shape, none, picture, g.floats("mean", mean[:], 3))
	first := g.apply(liteDiv, "scaled", shape, none, centred, g.floats("std", std[:], 3))
	at := make([]int, len(n.layers))
	for i := range n.layers {
		l := &n.layers[i]
		var err error
		if at[i], err = g.layer(l, l.reads(at, first)); err != nil {
			return err
		}
	}
	out, name := at[len(at)-1], bottleneckName
	if n.head != nil {
		out, name = g.classify(n, out), probabilitiesName
	}
	meta, err := g.described(n)
	if err != nil {
		return err
	}
	signature := flat.Table{[]flat.Table{{inputName, uint32(picture)}}, []flat.Table{{name, uint32(out)}},
		"serving_default"}
	subgraph := flat.Table{g.tensors, []int32{int32(picture)}, []int32{int32(out)}, g.operators, "main"}
	const version = 3
	return flat.Write(w, "TFL3", flat.Table{uint32(version), g.codes, []flat.Table{subgraph}, "rehead " + n.ToolVersion,
		g.buffers, nil, meta, []flat.Table{signature}})
}

// described adds what is to be said of the model as named buffers.
func (g *lite) described(n *network) (meta []flat.Table, err error) {
	said, err := n.described()
	if err != nil {
		return nil, err
	}
	delete(said, "format")
	for _, key := range slices.Sorted(maps.Keys(said)) {
		meta = append(meta, flat.Table{key, uint32(len(g.buffers))})
		g.buffers = append(g.buffers, flat.Table{[]byte(said[key])})
	}
	return meta, nil
}

// tensor adds a tensor [N,shape...] and returns its place.
func (g *lite) tensor(name string, shape []int) int {
	one, free := []int32{1}, []int32{-1}
	for _, d := range shape {
		one, free = append(one, int32(d)), append(free, int32(d))
	}
	g.tensors = append(g.tensors, flat.Table{one, byte(0), uint32(0), name, nil, nil, nil, free})
	g.shapes = append(g.shapes, shape)
	return len(g.tensors) - 1
}

// constant adds a tensor with a buffer.
func (g *lite) constant(name string, kind byte, data any, shape []int) int {
	dims := []int32{}
	for _, d := range shape {
		dims = append(dims, int32(d))
	}
	g.tensors = append(g.tensors, flat.Table{dims, kind, uint32(len(g.buffers)), name})
	g.buffers = append(g.buffers, flat.Table{data})
	g.shapes = append(g.shapes, shape)
	return len(g.tensors) - 1
}

func (g *lite) floats(name string, values []float32, shape ...int) int {
	return g.later(name, func() []float32 { return values }, shape...)
}

// later is floats for values that are made while they are written.
func (g *lite) later(name string, values func() []float32, shape ...int) int {
	count := 1
	for _, d := range shape {
		count *= d
	}
	return g.constant(name, 0, &flat.Floats{Len: count, Values: values}, shape)
}

func (g *lite) integers(name string, values []int32, shape ...int) int {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
	}
	return g.constant(name, liteInt32, raw, shape)
}

// apply adds an operator with its result, [N,shape...], whose place it returns.
func (g *lite) apply(op liteOp, name string, shape []int, options flat.Table, in ...int) int {
	code, ok := g.known[op]
	if !ok {
		code = len(g.codes)
		g.known[op] = code
		const firstVersion = 1
		g.codes = append(g.codes, flat.Table{min(op.code, 127), nil, int32(firstVersion), int32(op.code)})
	}
	out := g.tensor(name, shape)
	var reads []int32
	for _, v := range in {
		reads = append(reads, int32(v))
	}
	t := flat.Table{uint32(code), reads, []int32{int32(out)}}
	if op.options != 0 {
		t = append(t, op.options, options)
	}
	g.operators = append(g.operators, t)
	return out
}

// layer adds a layer of the trunk.
func (g *lite) layer(l *layer, in []int) (int, error) {
	shape := l.shape
	if len(shape) == 3 {
		shape = []int{l.shape[1], l.shape[2], l.shape[0]}
	}
	switch l.kind {
	case concat, join:
		return g.apply(liteConcat, l.name, shape, flat.Table{int32(len(shape)), liteNone}, in...), nil
	case globalMean, globalMax:
		axes := g.integers(l.name+"/axes", []int32{1, 2}, 2)
		op := map[kind]liteOp{globalMean: liteMean, globalMax: liteHighest}[l.kind]
		return g.apply(op, l.name, shape, flat.Table{false}, in[0], axes), nil
	case flatten:
		to := g.integers(l.name+"/shape", []int32{-1, int32(shape[0])}, 2)
		return g.apply(liteReshape, l.name, shape, flat.Table{}, in[0], to), nil
	}
	named, err := l.padding2(g.shapes[in[0]])
	if err != nil {
		return 0, err
	}
	padding := liteValid
	if named == "same" {
		padding = liteSame
	}
	stride := func(i int) int32 { return int32(l.stride[i]) }
	if l.kind == convolution {
		f := l.filter
		weight := g.later(l.name+"/weight", l.ohwi, f[0], f[2], f[3], f[1])
		return g.apply(liteConv, l.name, shape, flat.Table{padding, stride(1), stride(0), liteFusedReLU}, in[0], weight,
			g.floats(l.name+"/bias", l.bias, f[0])), nil
	}
	if l.border && l.padded() {
		from, p := g.shapes[in[0]], l.padding
		pads := []int32{0, 0, int32(p.Top), int32(p.Bottom), int32(p.Left), int32(p.Right), 0, 0}
		in[0] = g.apply(litePad, l.name+"/pad", []int{from[0] + p.Top + p.Bottom, from[1] + p.Left + p.Right, from[2]},
			flat.Table{}, in[0], g.integers(l.name+"/pads", pads, 4, 2))
		padding = liteValid
	}
	op := map[kind]liteOp{maxPool: liteMaximum, avgPool: liteAverage}[l.kind]
	return g.apply(op, l.name, shape, flat.Table{padding, stride(1), stride(0), int32(l.kernel[1]), int32(l.kernel[0]),
		liteNone}, in[0]), nil
}

// classify adds the head and returns the probabilities.
func (g *lite) classify(n *network, x int) int {
	for i := range n.head.Before {
		x = g.before(&n.head.Before[i], "layer"+strconv.Itoa(i), x)
	}
	w, b := n.last()
	x = g.dense(logitsName, x, w, b)
	if n.MultiLabel() {
		return g.apply(liteSigmoid, probabilitiesName, g.shapes[x], nil, x)
	}
	return g.apply(liteSoftmax, probabilitiesName, g.shapes[x], flat.Table{float32(1)}, x)
}

func (g *lite) dense(name string, x int, w, b []float32) int {
	return g.apply(liteDense, name, []int{len(b)}, flat.Table{liteNone}, x,
		g.floats(name+"/weight", w, len(b), len(w)/len(b)), g.floats(name+"/bias", b, len(b)))
}

// before adds a layer that stands before the head's last.
func (g *lite) before(l *inception.HeadLayer, name string, x int) int {
	shape := g.shapes[x]
	step := func(op liteOp, suffix string, options flat.Table, in ...int) int {
		return g.apply(op, name+suffix, shape, options, in...)
	}
	number := func(suffix string, v float64) int { return g.floats(name+suffix, []float32{float32(v)}, 1) }
	none := flat.Table{liteNone}
	// above and below zero: scale x, and scale alpha (e^x - 1)
	exponential := func(scale, alpha float64) int {
		below := step(liteELU, "/elu", nil, step(liteMinimum, "/below", flat.Table{}, x, number("/zero", 0)))
		above := step(liteMul, "/above", none, step(liteReLU, "/relu", nil, x), number("/scale", scale))
		return step(liteAdd, "", none, above, step(liteMul, "/limited", none, below, number("/alpha", scale*alpha)))
	}
	switch l.Kind {
	case inception.LayerDense:
		return g.dense(name, x, l.W, l.B)
	case inception.LayerScale:
		scaled := step(liteMul, "/scaled", none, x, g.floats(name+"/weight", l.W, len(l.W)))
		return step(liteAdd, "", none, scaled, g.floats(name+"/bias", l.B, len(l.B)))
	case inception.LayerReLU6:
		return step(liteReLU6, "", nil, x)
	case inception.LayerLeakyReLU:
		return step(liteLeaky, "", flat.Table{float32(l.Alpha)}, x)
	case inception.LayerELU:
		if l.Alpha == 1 {
			return step(liteELU, "", nil, x)
		}
		return exponential(1, l.Alpha)
	case inception.LayerSELU:
		return exponential(seluScale, seluAlpha)
	case inception.LayerTanh:
		return step(liteTanh, "", nil, x)
	case inception.LayerSigmoid:
		return step(liteSigmoid, "", nil, x)
	case inception.LayerSwish:
		return step(liteMul, "", none, x, step(liteSigmoid, "/gate", nil, x))
	case inception.LayerGELU:
		return step(liteGELU, "", flat.Table{false}, x)
	case inception.LayerGELUTanh:
		return step(liteGELU, "", flat.Table{true}, x)
	case inception.LayerSoftplus:
		return g.softplus(name, x)
	case inception.LayerSoftsign:
		return step(liteDiv, "", none, x, step(liteAdd, "/longer", none, step(liteAbs, "/length", nil, x),
			number("/one", 1)))
	case inception.LayerMish:
		return step(liteMul, "", none, x, step(liteTanh, "/gate", nil, g.softplus(name+"/soft", x)))
	case inception.LayerHardSigmoid: // a sixth of a ReLU6
		scaled := step(liteMul, "/scaled", none, x, number("/scale", 6*l.Alpha))
		six := step(liteReLU6, "/six", nil, step(liteAdd, "/middle", none, scaled, number("/three", 3)))
		return step(liteMul, "", none, six, number("/sixth", 1.0/6))
	case inception.LayerHardSwish:
		return step(liteHardSwish, "", nil, x)
	case inception.LayerPReLU:
		return step(litePReLU, "", nil, x, g.floats(name+"/slope", l.W, len(l.W)))
	case inception.LayerL2:
		return step(liteUnit, "", none, x)
	}
	return step(liteReLU, "", nil, x)
}

// softplus is log(1 + e^x), as max(x, 0) and log(1 + e^-|x|), which no x makes infinite.
func (g *lite) softplus(name string, x int) int {
	step := func(op liteOp, suffix string, options flat.Table, in ...int) int {
		return g.apply(op, name+suffix, g.shapes[x], options, in...)
	}
	none := flat.Table{liteNone}
	power := step(liteExp, "/power", nil, step(liteNeg, "/below", nil, step(liteAbs, "/length", nil, x)))
	one := g.floats(name+"/one", []float32{1}, 1)
	return step(liteAdd, "", none, step(liteReLU, "/above", nil, x), step(liteLog, "/log", nil,
		step(liteAdd, "/sum", none, power, one)))
}
