package nn

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/c236555e/rehead/nn/internal/ir"
)

// lowering turns a graph into an ir.Net.
type lowering struct {
	net   *ir.Net
	input *Node
	uses  map[*Node]int // how often a node is an argument or an output
	value map[*Node]int // index into net.Values
	maker map[int]int   // value -> step that computes it
}

// lower lists what lies between input and outputs as steps, fused where only
// the fused result is wanted.
func lower(input *Node, outputs []*Node) (*ir.Net, error) {
	if input == nil || input.Graph() == nil || input.Op() != nil {
		return nil, errors.New("nn: compile: the input is not a leaf made by Input")
	}
	if len(outputs) == 0 {
		return nil, errors.New("nn: compile: got no outputs, want at least 1")
	}
	for i, n := range outputs {
		if n == nil || n.Graph() != input.Graph() {
			return nil, fmt.Errorf("nn: compile: output %d is not a node of the input's graph", i)
		}
	}
	order, err := reachable(outputs)
	if err != nil {
		return nil, fmt.Errorf("nn: compile: %w", err)
	}
	l := &lowering{net: new(ir.Net), input: input, uses: map[*Node]int{}, value: map[*Node]int{}, maker: map[int]int{}}
	for _, n := range order {
		for _, arg := range arguments(n) {
			l.uses[arg]++
		}
	}
	for _, n := range outputs {
		l.uses[n]++
	}
	l.net.Input = l.add(input, input.Name())
	for _, n := range order {
		if n.Op() == nil || len(arguments(n)) == 0 {
			continue // inputs are known, weights are read where they are used, and so are Gorgonia's constants
		}
		if err := l.node(n); err != nil {
			return nil, err
		}
	}
	for i, n := range outputs {
		v, ok := l.value[n]
		if !ok {
			return nil, fmt.Errorf("nn: compile: output %d, %q, is a leaf other than the input, want something computed", i,
				n.Name())
		}
		l.net.Outputs = append(l.net.Outputs, v)
	}
	return l.net, nil
}

// arguments returns n's arguments in order.
func arguments(n *Node) []*Node {
	var args []*Node
	for it := n.Graph().From(n.ID()); it != nil && it.Next(); {
		args = append(args, it.Node().(*Node))
	}
	return args
}

// reachable lists the nodes that outputs need, arguments before their users.
func reachable(outputs []*Node) ([]*Node, error) {
	const under, done = 1, 2
	state := map[*Node]int{}
	var order []*Node
	type visit struct {
		n    *Node
		args []*Node
	}
	for _, out := range outputs {
		stack := []visit{{out, arguments(out)}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if state[top.n] == done {
				stack = stack[:len(stack)-1]
				continue
			}
			state[top.n] = under
			if len(top.args) == 0 {
				state[top.n] = done
				order = append(order, top.n)
				stack = stack[:len(stack)-1]
				continue
			}
			next := top.args[0]
			top.args = top.args[1:]
			switch state[next] {
			case under:
				return nil, fmt.Errorf("the graph has a cycle through %q", next.Name())
			case 0:
				stack = append(stack, visit{next, arguments(next)})
			}
		}
	}
	return order, nil
}

// add makes a value for n and returns its index.
func (l *lowering) add(n *Node, name string) int {
	v := len(l.net.Values)
	l.net.Values = append(l.net.Values, ir.Value{Name: name, Shape: n.Shape()[1:]})
	l.value[n] = v
	return v
}

// arg returns the value of an argument that varies from image to image.
func (l *lowering) arg(o Op, i int, n *Node) (int, error) {
	if v, ok := l.value[n]; ok {
		return v, nil
	}
	s := o.signature()
	if n.Value() != nil {
		return 0, fmt.Errorf("nn: compile: %v: argument %d is the parameter %q, want the input or something computed from it",
			s, i, n.Name())
	}
	return 0, fmt.Errorf("nn: compile: %v: argument %d is %q, which has no values and is not the program's input", s, i,
		n.Name())
}

// weights returns the values of an argument that is the same for all images.
func (l *lowering) weights(o Op, i int, n *Node) ([]float32, error) {
	if n.Op() != nil || n == l.input || n.Value() == nil {
		return nil, fmt.Errorf("nn: compile: %v: argument %d is %q, want a parameter", o.signature(), i, n.Name())
	}
	v, err := viewOf(n.Value())
	if err != nil {
		return nil, fmt.Errorf("nn: compile: parameter %q: %w", n.Name(), err)
	}
	if !v.shape.Eq(n.Shape()) {
		return nil, fmt.Errorf("nn: compile: parameter %q: got values of shape %v, want %v", n.Name(), v.shape, n.Shape())
	}
	for j, x := range v.data {
		if x-x != 0 { // NaN for what is not finite
			return nil, fmt.Errorf("nn: compile: parameter %q: value %d is %v, want finite numbers", n.Name(), j, x)
		}
	}
	return v.data, nil
}

// node lowers one operator, fusing it with the step before where it can.
func (l *lowering) node(n *Node) error {
	o := OpOf(n)
	if o == nil {
		return fmt.Errorf("nn: compile: operator %v of node %q is not known, want operators of package nn: %s", n.Op(),
			n.Name(), instead(fmt.Sprint(n.Op())))
	}
	args := arguments(n)
	in, params, err := l.arguments(o, args)
	if err != nil {
		return err
	}
	step := ir.Step{Name: o.signature().name, In: in}
	switch o := o.(type) {
	case *Conv2D:
		step.Kind, step.Window = ir.Conv, o.window(args[1].Shape())
		step.W = o.ordinary(params[1], args[1].Shape())
		step.B = make([]float32, args[1].Shape()[0])
		if len(params) == 3 {
			copy(step.B, params[2])
		}
	case *BatchNorm:
		if folded, err := l.normalise(n, &step, norm{o, o.Eps, params[1:]}); folded || err != nil {
			return err
		}
	case *BatchNormTraining:
		mean, variance, err := o.Running.frozen(o, len(params[1]))
		if err != nil {
			return err
		}
		frozen := norm{o, o.Eps, append(params[1:], mean, variance)}
		if folded, err := l.normalise(n, &step, frozen); folded || err != nil {
			return err
		}
	case *ReLU:
		if made := l.fusible(args[0], ir.Conv, ir.Affine); made != nil {
			made.ReLU = true
			l.value[n] = l.value[args[0]]
			return nil
		}
		step.Kind = ir.ReLU
	case *Dense:
		step.Kind, step.W, step.B = ir.Dense, params[1], params[2]
	case *Dropout: // answering leaves nothing out
		l.value[n] = l.value[args[0]]
		l.uses[n] += l.uses[args[0]] - 1 // whoever else reads the argument reads it as it is
		return nil
	default:
		plain(o, &step)
	}
	step.Out = l.add(n, step.Name)
	l.maker[step.Out] = len(l.net.Steps)
	l.net.Steps = append(l.net.Steps, step)
	return nil
}

// plain fills in the step of an operator that has no parameters and is a step by itself.
func plain(o Op, step *ir.Step) {
	switch o := o.(type) {
	case *MaxPool:
		step.Kind, step.Window = ir.MaxPool, o.window()
	case *AvgPool:
		step.Kind, step.Window, step.CountBorder = ir.AvgPool, o.window(), o.CountBorder
	case *GlobalAvgPool:
		step.Kind = ir.GlobalAvgPool
	case *Concat:
		step.Kind = ir.Concat
	case *Activation:
		step.Kind, step.Function, step.Alpha = ir.Activation, string(o.Function), o.alpha()
	case *Add:
		step.Kind = ir.Add
	case *Flatten:
		step.Kind = ir.Flatten
	case *Softmax:
		step.Kind = ir.Softmax
	case *Moments:
		step.Kind = ir.Moments
	}
}

// arguments sorts the arguments of o into those that vary from image to image, of which it returns
// the values' indices, and parameters, which stand at the argument's own place.
func (l *lowering) arguments(o Op, args []*Node) (in []int, params [][]float32, err error) {
	vary := 1 // arguments that are values, from the first
	switch o.(type) {
	case *Concat, *Add:
		vary = len(args)
	case *Dropout:
		args = args[:1]
	case *Conv2D, *BatchNorm, *BatchNormTraining, *ReLU, *MaxPool, *AvgPool, *GlobalAvgPool, *Moments, *Dense, *Softmax,
		*Activation, *Flatten:
	default:
		return nil, nil, fmt.Errorf("nn: compile: operator %v is not one that a Program runs, docs/operators.md lists "+
			"those; a Machine runs it", o.signature())
	}
	params = make([][]float32, len(args))
	for i, a := range args {
		if i >= vary {
			params[i], err = l.weights(o, i, a)
		} else {
			var v int
			v, err = l.arg(o, i, a)
			in = append(in, v)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return in, params, nil
}

// fusible returns the step that computes n if it is of one of the kinds, not
// clamped yet, and nobody else wants its result as it is.
func (l *lowering) fusible(n *Node, kinds ...ir.Kind) *ir.Step {
	s, ok := l.maker[l.value[n]]
	if !ok || l.uses[n] != 1 {
		return nil
	}
	step := &l.net.Steps[s]
	for _, k := range kinds {
		if step.Kind == k && !step.ReLU {
			return step
		}
	}
	return nil
}

// norm is a batch norm with its gamma, beta, mean and variance.
type norm struct {
	op     Op
	eps    float64
	params [][]float32
}

// normalise folds p, which n applies, into the convolution before it, or makes step an affine one.
func (l *lowering) normalise(n *Node, step *ir.Step, p norm) (folded bool, err error) {
	scale, shift, err := p.affine()
	if err != nil {
		return false, err
	}
	x := arguments(n)[0]
	if made := l.fusible(x, ir.Conv); made != nil {
		fold(made, scale, shift)
		l.value[n] = l.value[x]
		return true, nil
	}
	step.Kind, step.W, step.B = ir.Affine, narrow(scale), narrow(shift)
	return false, nil
}

// affine returns the batch norm as scale*x + shift per channel.
func (p norm) affine() (scale, shift []float64, err error) {
	gamma, beta, mean, variance := p.params[0], p.params[1], p.params[2], p.params[3]
	scale, shift = make([]float64, len(gamma)), make([]float64, len(gamma))
	for c := range gamma {
		spread := float64(variance[c]) + p.eps
		if !(spread > 0) {
			return nil, nil, fmt.Errorf("nn: compile: %v: channel %d: variance plus eps is %v, want more than 0",
				p.op.signature(), c, spread)
		}
		scale[c] = float64(gamma[c]) / math.Sqrt(spread)
		shift[c] = float64(beta[c]) - float64(mean[c])*scale[c]
		if math.IsInf(spread, 0) || math.IsInf(shift[c], 0) || math.IsNaN(shift[c]) {
			return nil, nil, fmt.Errorf("nn: compile: %v: channel %d: mean %v and variance %v, want finite numbers",
				p.op.signature(), c, mean[c], variance[c])
		}
	}
	return scale, shift, nil
}

// fold multiplies what a convolution computes by scale and adds shift, per
// output channel, in new weights.
func fold(step *ir.Step, scale, shift []float64) {
	w := make([]float32, len(step.W))
	each := len(w) / len(scale)
	for c, s := range scale {
		for i := c * each; i < (c+1)*each; i++ {
			w[i] = float32(float64(step.W[i]) * s)
		}
		step.B[c] = float32(float64(step.B[c])*s + shift[c])
	}
	step.W = w
}

func narrow(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// equivalents lists how Gorgonia spells its operators, and what this package has for each.
var equivalents = [][2]string{
	{"im2col", "nn.Conv2D"}, {"MaxPool", "nn.MaxPool"}, {"AvgPool", "nn.AvgPool"},
	{"GlobalAveragePool", "nn.GlobalAvgPool"}, {"batchnorm", "nn.BatchNorm, in training nn.BatchNormTraining"},
	{"Softmax", "nn.Softmax"}, {"tanh", "nn.Activation of Tanh"}, {"sigmoid", "nn.Activation of Sigmoid"},
	{"softplus", "nn.Activation of Softplus"}, {">=", "nn.ReLU, or nn.Activation of LeakyReLU"}, {"Concat", "nn.Concat"},
	{"Dropout", "nn.Dropout"}, {"+", "nn.Add"}, {"×", "nn.Dense"}, {"Reshape", "nn.Flatten"},
}

// instead says what to use for an operator of Gorgonia's.
func instead(theirs string) string {
	for _, p := range equivalents {
		if strings.Contains(theirs, p[0]) {
			return p[1]
		}
	}
	return "docs/operators.md lists them"
}
