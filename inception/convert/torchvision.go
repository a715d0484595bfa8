package convert

import (
	"fmt"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// wrappers are what training code puts in front of every name.
var wrappers = []string{"module.", "_orig_mod.", "model.", "net.", "backbone.", "inception."}

// torchNames maps the names that torchvision, timm and pytorch-fid share: <path>.conv.weight and
// <path>.bn.weight|bias|running_mean|running_var, or <path>.weight|bias when batch norm is folded.
func torchNames(tensors []raw.Tensor) (*source, error) {
	tensors = unwrap(tensors)
	layers, err := inception.Layers(1, 299)
	if err != nil {
		return nil, err
	}
	src := &source{what: "PyTorch", units: make(map[string]*unit, len(layers))}
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
		case t.Name == "fc.weight" || t.Name == "fc.bias" || strings.HasPrefix(t.Name, "last_linear."):
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
	src.detectTorch(aux)
	return src, nil
}

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

// unwrap removes what stands in front of every name.
func unwrap(tensors []raw.Tensor) []raw.Tensor {
	for again := true; again; {
		again = false
		for _, w := range wrappers {
			all := len(tensors) > 0
			for _, t := range tensors {
				all = all && strings.HasPrefix(t.Name, w)
			}
			if !all {
				continue
			}
			out := make([]raw.Tensor, len(tensors))
			for i, t := range tensors {
				t.Name = t.Name[len(w):]
				out[i] = t
			}
			tensors, again = out, true
		}
	}
	return tensors
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
}
