package convert

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/pth"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// wrappers only hand their input on to the one module in them.
var wrappers = map[string]bool{
	"torch.nn.parallel.data_parallel.DataParallel": true, "torch.nn.parallel.distributed.DistributedDataParallel": true,
	"torch._dynamo.eval_frame.OptimizedModule": true, "torch.optim.swa_utils.AveragedModel": true,
}

const sayState = "save the weights alone with torch.save(net.state_dict(), path)"

// whole takes what the classes of a network that was pickled whole say beyond its weights: whose it
// is, epsilon, activations, and every layer of its head.
func (src *source) whole(modules map[string]pth.Module) error {
	at := strings.TrimSuffix(src.prefix, ".")
	net, pool := modules[at], "avg"
	for i := range len(at) {
		if i != 0 && at[i] != '.' {
			continue
		}
		if outer := modules[at[:i]].Class; !wrappers[outer] {
			return fmt.Errorf("a %s has the network in it, and what it computes is not in the file: %s", outer, sayState)
		}
	}
	switch net.Class {
	case "torchvision.models.inception.Inception3":
		src.flavor, src.reason = inception.Torchvision, "a whole network of torchvision's class"
		if strings.HasPrefix(modules[src.prefix+"Mixed_7c"].Class, "pytorch_fid.") {
			src.flavor, src.reason = inception.PytorchFID, "a whole network of pytorch-fid's class"
		}
	case "pytorch_fid.inception.InceptionV3":
		src.flavor, src.reason = inception.PytorchFID, "a whole network of pytorch-fid's class"
	case "timm.models.inception_v3.InceptionV3":
		src.flavor, src.reason = inception.Timm, "a whole network of timm's class"
		pool = cmp.Or(modules[src.prefix+"global_pool"].Text["pool_type"], pool)
	default:
		return fmt.Errorf("is a whole network of class %s, whose pools and activations are not known: %s", net.Class,
			sayState)
	}
	src.doubts, src.open = nil, undecided{}
	for path, u := range src.units {
		bn := modules[src.prefix+path+".bn"]
		if eps, ok := bn.Numbers["eps"]; ok && u.norm != nil {
			u.norm.eps = eps
		}
		for _, act := range []string{".bn.act", ".act"} {
			if c := modules[src.prefix+path+act].Class; c != "" && c != torchLayers+"activation.ReLU" &&
				!strings.HasSuffix(c, ".Identity") {
				return fmt.Errorf("the activation of %s is a %s: rehead's trunk has ReLU only", path, c)
			}
		}
	}
	src.links, src.headErr = src.modules(modules, src.prefix+"fc")
	if src.headErr != nil {
		src.headErr = fmt.Errorf("its classifier: %w: %s", src.headErr, exportLine)
	}
	src.fc = nil
	if err := src.pool(pool); err != nil {
		src.refused = fmt.Errorf("%w; --trunk-only converts the trunk for use with the average", err)
	}
	src.simplify()
	return nil
}

// torchLayers is where PyTorch's own classes are.
const torchLayers = "torch.nn.modules."

// torchActivations are the classes that are layers without weights.
var torchActivations = map[string]inception.LayerKind{
	"ReLU": inception.LayerReLU, "ReLU6": inception.LayerReLU6, "LeakyReLU": inception.LayerLeakyReLU,
	"ELU": inception.LayerELU, "SELU": inception.LayerSELU, "Tanh": inception.LayerTanh,
	"Sigmoid": inception.LayerSigmoid, "SiLU": inception.LayerSwish, "GELU": inception.LayerGELU,
	"Softmax": linkSoftmax, "LogSoftmax": linkSoftmax, "Softplus": inception.LayerSoftplus,
	"Softsign": inception.LayerSoftsign, "Mish": inception.LayerMish, "Hardsigmoid": inception.LayerHardSigmoid,
	"Hardswish": inception.LayerHardSwish,
}

// modules are the layers of a module and those in it.
func (src *source) modules(all map[string]pth.Module, path string) ([]link, error) {
	m, ok := all[path]
	if !ok {
		return nil, nil
	}
	class := m.Class[strings.LastIndexByte(m.Class, '.')+1:]
	l := link{node: &graph.Node{Name: path, Op: class, At: -1}}
	if !strings.HasPrefix(m.Class, torchLayers) {
		return nil, fmt.Errorf("%s %q is no layer of PyTorch's", m.Class, path)
	}
	switch class {
	case "Identity", "Dropout", "AlphaDropout", "Flatten":
		return nil, nil
	case "Sequential":
		var out []link
		for _, child := range m.Children {
			more, err := src.modules(all, child)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
		return out, nil
	case "Linear", "BatchNorm1d", "LayerNorm", "PReLU":
		return src.weighted(l, m)
	}
	l.kind = torchActivations[class]
	switch {
	case l.kind == "":
		return nil, fmt.Errorf("rehead has no layer like %s %q in a head", m.Class, path)
	case m.Text["approximate"] == "tanh":
		l.kind = inception.LayerGELUTanh
	case l.kind == inception.LayerLeakyReLU:
		l.alpha = m.Numbers["negative_slope"]
	case l.kind == inception.LayerELU:
		l.alpha = m.Numbers["alpha"]
	case l.kind == inception.LayerHardSigmoid:
		l.alpha = 1.0 / 6
	case l.kind == inception.LayerSoftplus && (m.Numbers["beta"] != 1 || m.Numbers["threshold"] < 20):
		return nil, fmt.Errorf("%s %q has a beta of %g and a threshold of %g, want 1 and 20", m.Class, path,
			m.Numbers["beta"], m.Numbers["threshold"])
	}
	return []link{l}, nil
}

// weighted is a layer with weights.
func (src *source) weighted(l link, m pth.Module) ([]link, error) {
	name := strings.TrimPrefix(l.node.Name, src.prefix)
	if src.fc != nil && name == "fc" {
		l.kind, l.dense = inception.LayerDense, src.fc
		return []link{l}, nil
	}
	tensors := map[string]raw.Tensor{}
	for _, part := range []string{"weight", "bias", "running_mean", "running_var"} {
		if t, ok := src.layered[name+"."+part]; ok {
			tensors[name+"."+part] = t
		}
	}
	if strings.HasSuffix(m.Class, ".LayerNorm") || strings.HasSuffix(m.Class, ".PReLU") {
		return src.unlayered(l, m, name)
	}
	layers, err := headLayers(tensors)
	if err == nil && len(layers) != 1 {
		err = fmt.Errorf("%s %q has no weights", m.Class, l.node.Name)
	}
	if err != nil {
		return nil, err
	}
	if l.dense = layers[0].dense; l.dense != nil {
		l.kind = inception.LayerDense
		return []link{l}, nil
	}
	if eps, ok := m.Numbers["eps"]; ok && eps >= 0 && !math.IsInf(eps, 0) {
		layers[0].norm.eps = eps
	}
	l.kind = inception.LayerScale
	l.scale, err = layers[0].norm.affine()
	return []link{l}, err
}

// unlayered is a layer whose weights are a vector, as a state dict does not tell them apart.
func (src *source) unlayered(l link, m pth.Module, name string) ([]link, error) {
	weight, ok := src.layered[name+".weight"]
	if strings.HasSuffix(m.Class, ".PReLU") {
		if !ok {
			return nil, fmt.Errorf("%s %q has no weights", m.Class, l.node.Name)
		}
		l.kind, l.slope = inception.LayerPReLU, &weight
		return []link{l}, nil
	}
	l.kind, l.alpha = inception.LayerNorm, m.Numbers["eps"]
	scale := link{kind: inception.LayerScale, node: l.node, scale: &affine{}}
	for part, to := range map[string]*[]float64{".weight": &scale.scale.scale, ".bias": &scale.scale.shift} {
		if t, ok := src.layered[name+part]; ok {
			v, err := numbers(&graph.Const{Tensor: t}, t.Name)
			if err != nil {
				return nil, err
			}
			*to = v
		}
	}
	return []link{l, scale}, nil
}
