package convert

import (
	"fmt"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// slimScopes maps TF-slim's scopes below InceptionV3/ to torchvision's paths. The irregular ones
// are as their authors wrote them (tensorflow/models research/slim/nets/inception_v3.py).
func slimScopes() map[string]string {
	m := map[string]string{}
	for _, p := range []string{"Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"} {
		m[p] = p
	}
	branch := func(block string, number int, prefix string, scopes ...string) {
		for i, s := range scopes {
			path := block + "." + prefix
			if strings.HasSuffix(prefix, "_") {
				path = fmt.Sprintf("%s%d", path, i+1)
			}
			m[fmt.Sprintf("%s/Branch_%d/%s", block, number, s)] = path
		}
	}
	for _, b := range []string{"Mixed_5b", "Mixed_5c", "Mixed_5d"} {
		branch(b, 0, "branch1x1", "Conv2d_0a_1x1")
		if b == "Mixed_5c" {
			branch(b, 1, "branch5x5_", "Conv2d_0b_1x1", "Conv_1_0c_5x5")
		} else {
			branch(b, 1, "branch5x5_", "Conv2d_0a_1x1", "Conv2d_0b_5x5")
		}
		branch(b, 2, "branch3x3dbl_", "Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_0c_3x3")
		branch(b, 3, "branch_pool", "Conv2d_0b_1x1")
	}
	branch("Mixed_6a", 0, "branch3x3", "Conv2d_1a_1x1")
	branch("Mixed_6a", 1, "branch3x3dbl_", "Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_1a_1x1")
	for _, b := range []string{"Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"} {
		branch(b, 0, "branch1x1", "Conv2d_0a_1x1")
		branch(b, 1, "branch7x7_", "Conv2d_0a_1x1", "Conv2d_0b_1x7", "Conv2d_0c_7x1")
		branch(b, 2, "branch7x7dbl_", "Conv2d_0a_1x1", "Conv2d_0b_7x1", "Conv2d_0c_1x7", "Conv2d_0d_7x1", "Conv2d_0e_1x7")
		branch(b, 3, "branch_pool", "Conv2d_0b_1x1")
	}
	branch("Mixed_7a", 0, "branch3x3_", "Conv2d_0a_1x1", "Conv2d_1a_3x3")
	branch("Mixed_7a", 1, "branch7x7x3_", "Conv2d_0a_1x1", "Conv2d_0b_1x7", "Conv2d_0c_7x1", "Conv2d_1a_3x3")
	for b, tall := range map[string]string{"Mixed_7b": "Conv2d_0b_3x1", "Mixed_7c": "Conv2d_0c_3x1"} {
		branch(b, 0, "branch1x1", "Conv2d_0a_1x1")
		branch(b, 1, "branch3x3_", "Conv2d_0a_1x1")
		branch(b, 1, "branch3x3_2a", "Conv2d_0b_1x3")
		branch(b, 1, "branch3x3_2b", tall)
		branch(b, 2, "branch3x3dbl_", "Conv2d_0a_1x1", "Conv2d_0b_3x3")
		branch(b, 2, "branch3x3dbl_3a", "Conv2d_0c_1x3")
		branch(b, 2, "branch3x3dbl_3b", "Conv2d_0d_3x1")
		branch(b, 3, "branch_pool", "Conv2d_0b_1x1")
	}
	return m
}

// slots are what optimizers keep beside a variable.
var slots = []string{"/RMSProp", "/RMSProp_1", "/Momentum", "/Adam", "/Adam_1", "/ExponentialMovingAverage"}

// slimNames maps the variables of a TF-slim checkpoint.
func slimNames(tensors []raw.Tensor) (*source, error) {
	scopes := slimScopes()
	src := &source{what: "TF-slim checkpoint", flavor: inception.TFSlim, reason: "TF-slim's variable names",
		units: make(map[string]*unit, len(scopes))}
	for i := range tensors {
		t := tensors[i]
		name, ours := strings.CutPrefix(t.Name, "InceptionV3/")
		if t.Name == "global_step" || strings.HasPrefix(name, "AuxLogits/") || optimizer(name) {
			src.ignored = append(src.ignored, t.Name)
			continue
		}
		scope, part := split(name)
		path := scopes[scope]
		switch {
		case ours && scope == "Logits/Conv2d_1c_1x1":
			if src.fc == nil {
				src.fc = &classifier{transposed: true}
			}
			if part == "weights" {
				src.fc.weight = t
				continue
			} else if part == "biases" {
				src.fc.bias = &t
				continue
			}
		case ours && path != "" && src.slim(path, part, &t):
			continue
		}
		return nil, tensorError(t, "is not a variable of TF-slim's InceptionV3, or is there twice")
	}
	for scope, path := range scopes {
		if err := src.units[path].slimWhole("InceptionV3/" + scope); err != nil {
			return nil, err
		}
	}
	if src.fc != nil && src.fc.weight.Load == nil {
		return nil, &inception.FormatError{Tensor: "InceptionV3/Logits/Conv2d_1c_1x1/weights", Offset: -1,
			Reason: "is missing though its biases are there: fetch the file again"}
	}
	return src, nil
}

func optimizer(name string) bool {
	for _, s := range slots {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// split cuts "Mixed_5b/Branch_0/Conv2d_0a_1x1/BatchNorm/beta" in front of what belongs to one
// convolution.
func split(name string) (scope, part string) {
	if i := strings.Index(name, "/BatchNorm/"); i >= 0 {
		return name[:i], name[i+1:]
	}
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)], name[i+1:]
}

// slim puts a variable into its unit and reports whether it is known and new.
func (src *source) slim(path, part string, t *raw.Tensor) bool {
	u := src.units[path]
	if u == nil {
		u = &unit{layout: hwio, norm: &norm{eps: bnEps}}
		src.units[path] = u
	}
	if part == "weights" {
		if u.weight.Load != nil {
			return false
		}
		u.weight = *t
		return true
	}
	slot := map[string]**raw.Tensor{
		"BatchNorm/beta": &u.norm.beta, "BatchNorm/gamma": &u.norm.gamma,
		"BatchNorm/moving_mean": &u.norm.mean, "BatchNorm/moving_variance": &u.norm.variance,
	}[part]
	if slot == nil || *slot != nil {
		return false
	}
	*slot = t
	return true
}

// slimWhole fails with the name of the first variable that a unit lacks.
func (u *unit) slimWhole(scope string) error {
	lacks := ""
	switch {
	case u == nil || u.weight.Load == nil:
		lacks = "/weights"
	case u.norm.beta == nil:
		lacks = "/BatchNorm/beta"
	case u.norm.mean == nil:
		lacks = "/BatchNorm/moving_mean"
	case u.norm.variance == nil:
		lacks = "/BatchNorm/moving_variance"
	default:
		return nil
	}
	return &inception.FormatError{Tensor: scope + lacks, Offset: -1,
		Reason: "is missing: the checkpoint does not hold a whole InceptionV3; fetch it again"}
}
