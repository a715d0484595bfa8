package convert

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/paddle"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// What paddle.vision.models.InceptionV3 computes otherwise than torchvision's, and what stands in no
// file of it: its batch norms' epsilon, and what its classifier reads at inference, since its dropout
// divides nothing in training (mode downscale_in_infer).
const (
	paddleEps  = 1e-5
	paddleKept = 0.8
)

// paddleValues ends the name of the file with a program's values.
const paddleValues = ".pdiparams"

// paddleScaling is what is said of files without a scaling in front of the network.
const paddleScaling = "the file does not say how pictures are scaled: torchvision's recipe is taken; Paddle's own " +
	"weights want --mean 123.675,116.28,103.53 --std 58.395,57.12,57.375"

// paddleBlocks are torchvision's names of inception_block_list.
var paddleBlocks = []string{"Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d",
	"Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c"}

// paddleParts are torchvision's names of the tensors of a convolution (0) and its batch norm (1).
var paddleParts = map[string]string{"0.weight": "conv.weight", "0.bias": "conv.bias", "1.weight": "bn.weight",
	"1.bias": "bn.bias", "1._mean": "bn.running_mean", "1._variance": "bn.running_var"}

// paddleName is a tensor's name as torchvision has it; of others it is the same.
func paddleName(name string) string {
	f := strings.Split(name, ".")
	if len(f) < 4 {
		return name
	}
	part := paddleParts[strings.Join(f[len(f)-2:], ".")]
	layer := strings.ReplaceAll(strings.Join(f[:len(f)-2], "."), "branch_pool_conv", "branch_pool")
	if stem, ok := strings.CutPrefix(layer, "inception_stem.conv_"); ok && part != "" {
		return "Conv2d_" + stem + "." + part
	}
	rest, ok := strings.CutPrefix(layer, "inception_block_list.")
	number, branch, dotted := strings.Cut(rest, ".")
	n, err := strconv.Atoi(number)
	if !ok || !dotted || err != nil || n < 0 || n >= len(paddleBlocks) || part == "" {
		return name
	}
	return paddleBlocks[n] + "." + branch + "." + part
}

// paddleSource maps the state dict of paddle.vision.models.InceptionV3.
func paddleSource(f *file) (*source, error) {
	tensors, err := paddle.Read(f.data, f.size)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, sayPickle)
	}
	for i := range tensors {
		tensors[i].Name = paddleName(tensors[i].Name)
	}
	src, err := torchNames(tensors)
	if err != nil {
		return nil, err
	}
	src.what, src.flavor = "Paddle", inception.Torchvision
	src.reason, src.open = "Paddle's names, whose average pools count their border", undecided{}
	src.doubts = []string{paddleScaling}
	src.epsilon(paddleEps)
	if src.fc == nil {
		return src, nil
	}
	src.fc.transposed = true
	src.doubts = append(src.doubts, fmt.Sprintf("the bottleneck is %g of the average, as Paddle's classifier reads it",
		paddleKept))
	return src, src.kept(paddleKept)
}

// paddleProgram reads what paddle.jit.save wrote: the program, and the values in the .pdiparams file of its name.
func paddleProgram(f *file) (*source, error) {
	open := f.neighbour()
	if open == nil {
		return nil, errors.New("is a program of Paddle's without its .pdiparams file: unpack both first")
	}
	name := strings.TrimSuffix(filepath.Base(f.path), filepath.Ext(f.path)) + paddleValues
	g, err := paddle.ReadProgram(f.data, f.size, func() (io.ReaderAt, int64, error) { return open(name) })
	if err != nil {
		return nil, err
	}
	src, match, err := graphSource(g, onnxDialect{})
	if err != nil {
		return nil, err
	}
	src.what = "Paddle program"
	src.pooled(match, false)
	if _, _, ok, err := src.front.scaling(); !ok && err == nil {
		src.doubts = append(src.doubts, paddleScaling)
	}
	if len(src.links) == 0 || src.links[0].kind != inception.LayerScale || src.reads != readsMean {
		return src, nil
	}
	a := src.links[0].scale
	shifted := slices.ContainsFunc(a.shift, func(v float64) bool { return v != 0 })
	if len(a.scale) != 1 || !(a.scale[0] > 0) || shifted {
		return src, nil
	}
	src.links = src.links[1:] // a dropout's: what it leaves of the average is the bottleneck, as in the state dict
	src.doubts = append(src.doubts, fmt.Sprintf("the bottleneck is %.6g of the average, as Paddle's classifier reads it",
		a.scale[0]))
	src.plain()
	return src, src.kept(float32(a.scale[0]))
}

// kept multiplies what the last block gives: its convolutions end in ReLU, so that their last scaling
// does.
func (src *source) kept(part float32) error {
	for path, u := range src.units {
		if !slices.Contains(lastConvolutions, path) {
			continue
		}
		if u.after != nil {
			by := affine{scale: []float64{float64(part)}}
			if err := by.before(u.after.scale, u.after.shift); err != nil {
				return err
			}
			u.after = &by
			continue
		}
		if u.norm == nil || u.norm.gamma == nil || u.norm.beta == nil {
			return tensorError(u.weight, "has no batch norm with a weight and a bias behind it: save net.state_dict() of "+
				"paddle.vision.models.inception_v3")
		}
		u.norm.gamma, u.norm.beta = scaled(*u.norm.gamma, part), scaled(*u.norm.beta, part)
	}
	return nil
}

// lastConvolutions are those whose results Mixed_7c joins.
var lastConvolutions = []string{"Mixed_7c.branch1x1", "Mixed_7c.branch3x3_2a", "Mixed_7c.branch3x3_2b",
	"Mixed_7c.branch3x3dbl_3a", "Mixed_7c.branch3x3dbl_3b", "Mixed_7c.branch_pool"}

// scaled is a tensor times a number.
func scaled(t raw.Tensor, by float32) *raw.Tensor {
	load := t.Load
	t.Load = func(dst []float32) error {
		err := load(dst)
		for i := range dst {
			dst[i] *= by
		}
		return err
	}
	return &t
}
