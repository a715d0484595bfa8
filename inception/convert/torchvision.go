package convert

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// torchNames maps the names that torchvision, timm and pytorch-fid share: <path>.conv.weight and
// <path>.bn.weight|bias|running_mean|running_var, or <path>.weight|bias when batch norm is folded;
// below any prefix, and as nn.Sequential or pytorch-fid's blocks number them.
func torchNames(tensors []raw.Tensor) (*source, error) {
	layers, err := inception.Layers(1, 299)
	if err != nil {
		return nil, err
	}
	src := &source{what: "PyTorch", units: make(map[string]*unit, len(layers)), layered: map[string]raw.Tensor{}}
	tensors, numbered := src.rename(tensors)
	for _, l := range layers {
		src.units[l.Path] = &unit{}
	}
	aux := false
	for i := range tensors {
		t := tensors[i]
		switch {
		case strings.HasPrefix(t.Name, "AuxLogits."):
			aux = true
			src.ignored = append(src.ignored, t.Name)
		case strings.HasSuffix(t.Name, ".num_batches_tracked"):
			src.ignored = append(src.ignored, t.Name)
		case strings.HasPrefix(t.Name, "fc.") && !plainFC(t.Name):
			src.layered[t.Name] = t
		case plainFC(t.Name):
			if src.fc == nil {
				src.fc = &classifier{}
			}
			switch {
			case strings.HasSuffix(t.Name, ".weight") && src.fc.weight.Load == nil:
				src.fc.weight = t
			case strings.HasSuffix(t.Name, ".bias") && src.fc.bias == nil:
				src.fc.bias = &t
			default:
				return nil, tensorError(t, "is unknown, or there twice, in a classifier: want one weight and one bias, "+
					"called fc or last_linear")
			}
		case !src.place(&t):
			return nil, tensorError(t, "is not a tensor of InceptionV3 as torchvision, timm or pytorch-fid name them, or is "+
				"there under two names: use a file of this network")
		}
	}
	for _, l := range layers {
		if err := src.units[l.Path].whole(l.Path); err != nil {
			return nil, err
		}
	}
	if src.fc != nil && src.fc.weight.Load == nil {
		return nil, &inception.FormatError{Tensor: "fc.weight", Offset: -1,
			Reason: "is missing though the file has fc.bias: fetch the file again"}
	}
	src.sequential()
	if src.detectTorch(aux); numbered == blockNames {
		src.flavor, src.reason, src.open = inception.PytorchFID, "named by the blocks of pytorch-fid's class", undecided{}
	}
	return src, nil
}

// plainFC tells the names of a classifier that is one dense layer.
func plainFC(name string) bool {
	return name == "fc.weight" || name == "fc.bias" || strings.HasPrefix(name, "last_linear.")
}

// exportLine is the way out where a state dict does not say enough.
const exportLine = `torch.onnx.export(net, x, "net.onnx") says it all`

// place puts a tensor where its name says and reports whether the name is known.
func (src *source) place(t *raw.Tensor) bool {
	path, part, ok := splitTorch(t.Name)
	u := src.units[path]
	if !ok || u == nil {
		return false
	}
	switch part {
	case "conv.weight", "weight":
		if u.weight.Load != nil {
			return false
		}
		u.weight = *t
	case "conv.bias", "bias":
		if u.bias != nil {
			return false
		}
		u.bias = t
	default:
		if u.norm == nil {
			u.norm = &norm{eps: bnEps}
		}
		switch part {
		case "bn.weight":
			u.norm.gamma = t
		case "bn.bias":
			u.norm.beta = t
		case "bn.running_mean":
			u.norm.mean = t
		case "bn.running_var":
			u.norm.variance = t
		default:
			return false
		}
	}
	return true
}

// splitTorch cuts "Mixed_5b.branch1x1.conv.weight" into the layer's path and the rest.
func splitTorch(name string) (path, part string, ok bool) {
	for _, p := range []string{".conv.weight", ".conv.bias", ".bn.weight", ".bn.bias", ".bn.running_mean",
		".bn.running_var", ".weight", ".bias"} {
		if strings.HasSuffix(name, p) {
			return name[:len(name)-len(p)], p[1:], true
		}
	}
	return "", "", false
}

// whole fails with the name of the first tensor that a unit lacks.
func (u *unit) whole(path string) error {
	lacks := ""
	switch {
	case u.weight.Load == nil:
		lacks = path + ".conv.weight"
	case u.norm == nil && u.bias == nil:
		lacks = path + ".bn.weight"
	case u.norm == nil:
	case u.norm.mean == nil:
		lacks = path + ".bn.running_mean"
	case u.norm.variance == nil:
		lacks = path + ".bn.running_var"
	case u.norm.gamma == nil:
		lacks = path + ".bn.weight"
	case u.norm.beta == nil:
		lacks = path + ".bn.bias"
	}
	if lacks == "" {
		return nil
	}
	return &inception.FormatError{Tensor: lacks, Offset: -1,
		Reason: "is missing: the file does not hold a whole InceptionV3; fetch it again"}
}

// numbering is how a state dict names the network's blocks.
type numbering uint8

const (
	ownNames   numbering = iota
	childNames           // nn.Sequential(*net.children())
	blockNames           // pytorch_fid.inception.InceptionV3
)

// stemNames and mixedNames are the network's children in their order.
var (
	stemNames  = []string{"Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"}
	mixedNames = []string{"Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e",
		"Mixed_7a", "Mixed_7b", "Mixed_7c"}
)

// rename removes what stands in front of the network's names, gives numbered blocks theirs, and
// passes over what lies beside the network.
func (src *source) rename(tensors []raw.Tensor) ([]raw.Tensor, numbering) {
	prefix, how, found := "", ownNames, false
	for _, t := range tensors {
		for k, end := range []string{"Conv2d_1a_3x3.conv.weight", "0.conv.weight", "blocks.0.0.conv.weight",
			"Conv2d_1a_3x3.weight"} {
			p, ok := strings.CutSuffix(t.Name, end)
			if ok && (p == "" || strings.HasSuffix(p, ".")) && !strings.HasSuffix(p, "blocks.0.") {
				if !found || len(p) < len(prefix) {
					prefix, how, found = p, []numbering{ownNames, childNames, blockNames, ownNames}[k], true
				}
			}
		}
	}
	if !found {
		return tensors, ownNames
	}
	src.prefix = prefix
	var out []raw.Tensor
	for _, t := range tensors {
		name, ok := strings.CutPrefix(t.Name, prefix)
		if !ok {
			src.beside(t)
			continue
		}
		t.Name = name
		out = append(out, t)
	}
	if how != ownNames {
		renumber(out, how)
	}
	return out, how
}

// beside passes over a tensor that lies outside the network; layers there make the head doubtful.
func (src *source) beside(t raw.Tensor) {
	src.ignored, src.outside = append(src.ignored, t.Name), append(src.outside, t)
	if len(t.Shape) >= 2 && src.headErr == nil && !strings.Contains(t.Name, "AuxLogits.") {
		src.headErr = fmt.Errorf("tensor %q at offset %d lies beside the network: what it does there a "+
			"state dict does not say: if it is the classifier, `rehead weights convert --head-activation` takes it for that "+
			"(none for one layer), or %s", t.Name, t.Offset, exportLine)
	}
}

// renumber gives the tensors of numbered children the children's names, in the order of the
// numbers. A child with a convolution is one of the stem, one with branches a block; one with a
// convolution called conv0 is the auxiliary classifier, one with a bare weight the classifier.
func renumber(tensors []raw.Tensor, how numbering) {
	at := func(name string) (child, rest string) {
		f := strings.SplitN(name, ".", 4)
		if how == blockNames && len(f) == 4 && f[0] == "blocks" {
			return f[1] + "." + f[2], f[3]
		}
		child, rest, _ = strings.Cut(name, ".")
		return child, rest
	}
	kinds := map[string]byte{}
	for _, t := range tensors {
		child, rest := at(t.Name)
		first, _, _ := strings.Cut(rest, ".")
		switch {
		case first == "conv" || first == "bn":
			kinds[child] = 's'
		case strings.HasPrefix(first, "branch"):
			kinds[child] = 'm'
		case first == "conv0" || first == "conv1":
			kinds[child] = 'a'
		}
	}
	order := slices.SortedFunc(maps.Keys(kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(ordinal(a), ordinal(b)), cmp.Compare(a, b))
	})
	names, stem, mixed := map[string]string{}, stemNames, mixedNames
	for _, child := range order {
		switch {
		case kinds[child] == 's' && len(stem) > 0:
			names[child], stem = stem[0], stem[1:]
		case kinds[child] == 'm' && len(mixed) > 0:
			names[child], mixed = mixed[0], mixed[1:]
		case kinds[child] == 'a':
			names[child] = "AuxLogits"
		}
	}
	for i := range tensors {
		child, rest := at(tensors[i].Name)
		if n := names[child]; n != "" {
			tensors[i].Name = n + "." + rest
		} else if rest == "weight" || rest == "bias" {
			tensors[i].Name = "fc." + tensors[i].Name
		}
	}
}

// ordinal is a number, or two with a dot between, as one.
func ordinal(child string) int {
	a, b, _ := strings.Cut(child, ".")
	x, err := strconv.Atoi(a)
	y := 0
	if err == nil && b != "" {
		y, err = strconv.Atoi(b)
	}
	if err != nil || x < 0 || x >= 1000 || y < 0 || y >= 1000 {
		return math.MaxInt
	}
	return 1000*x + y
}

// detectTorch tells the flavours with torchvision's names apart by what else they hold.
func (src *source) detectTorch(aux bool) {
	classes := 0
	if src.fc != nil && len(src.fc.weight.Shape) > 0 {
		classes = src.fc.weight.Shape[0]
	}
	switch {
	case classes == 1008:
		src.flavor, src.reason = inception.PytorchFID, "torchvision's names with the 1008 classes of 2015"
	case aux:
		src.flavor, src.reason = inception.Torchvision, "has an auxiliary classifier"
	case classes == 0:
		src.flavor, src.reason = inception.Torchvision,
			"torchvision's names; without a classifier the flavour cannot be told for certain"
	default:
		src.flavor, src.reason = inception.Timm,
			fmt.Sprintf("torchvision's names, %d classes and no auxiliary classifier", classes)
	}
	src.open = undecided{flavor: !aux && classes != 1008, pool: true, epsilon: src.normed(), activation: true}
}
