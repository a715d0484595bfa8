package convert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// undecided is what a state dict of torchvision's names leaves open: whose network it is, and what timm's class
// takes as arguments, of which nothing is among the weights.
type undecided struct{ flavor, pool, epsilon, activation bool }

// pools are timm's names of what stands between the last block and the classifier.
var pools = map[string]reads{"avg": readsMean, "max": readsMaximum, "avgmax": readsSum, "catavgmax": readsBoth}

// pool makes the head read the last block as timm's pool of that name does.
func (src *source) pool(name string) error {
	var ok bool
	if src.reads, ok = pools[name]; !ok {
		return fmt.Errorf("the global pool is %q, want %s", name, strings.Join(slices.Sorted(maps.Keys(pools)), ", "))
	}
	if src.fc != nil && src.reads != readsMean {
		src.links = []link{{kind: inception.LayerDense, dense: src.fc, node: &graph.Node{Name: "fc", Op: "layer", At: -1}}}
		src.fc, src.activation = nil, inception.Softmax
	}
	if src.reads == readsSum && len(src.links) > 0 { // half of either
		src.links = append([]link{{kind: inception.LayerScale, scale: &affine{scale: []float64{0.5}},
			node: &graph.Node{Name: "global_pool", Op: "SelectAdaptivePool2d", At: -1}}}, src.links...)
	}
	return nil
}

// epsilon sets what every batch norm of the trunk adds to its variances.
func (src *source) epsilon(eps float64) {
	for _, u := range src.units {
		if u.norm != nil {
			u.norm.eps = eps
		}
	}
}

// normed reports whether any batch norm is there that was not folded into its convolution.
func (src *source) normed() bool {
	for _, u := range src.units {
		if u.norm != nil {
			return true
		}
	}
	return false
}

// decide takes what is asked for of what the file leaves open, and doubts the rest. Of the networks that a file
// may be, timm's alone have arguments.
func (src *source) decide(o Options) error {
	if src.open.flavor && (o.Pool != "" && o.Pool != "avg" || o.Epsilon != 0) {
		src.flavor, src.reason, src.open.flavor = inception.Timm, "what is asked for is an argument of timm's alone", false
	}
	if src.open.flavor && src.from2015() {
		src.flavor, src.reason = inception.PytorchFID, "its first layer is that of 2015, as pytorch-fid's"
		src.open.flavor = false
	}
	if src.flavor != inception.Timm && !src.open.flavor {
		src.open = undecided{}
	}
	if o.TrunkOnly {
		o.Pool, src.open.pool = "", false
	}
	if o.Pool != "" {
		if !src.open.pool {
			return fmt.Errorf("--pool %s: the file tells which pool stands in front of its head (%s): leave --pool out", o.Pool,
				src.reason)
		}
		if err := src.pool(o.Pool); err != nil {
			return err
		}
		src.open.pool = false
	}
	if o.Epsilon != 0 {
		if !src.open.epsilon {
			return fmt.Errorf("--epsilon %g: the file tells what its batch norms add to their variances (%s): leave --epsilon "+
				"out", o.Epsilon, src.reason)
		}
		if !(o.Epsilon > 0 && o.Epsilon < 1) {
			return fmt.Errorf("--epsilon %g: want a number between 0 and 1", o.Epsilon)
		}
		src.epsilon(o.Epsilon)
		src.open.epsilon = false
	}
	if src.open.pool && src.double() {
		src.doubts = append(src.doubts, "its classifier reads two numbers a channel of the last block: the averages, then "+
			"the maxima are taken, as of timm's global_pool catavgmax")
		src.open.pool = false
		if err := src.pool("catavgmax"); err != nil {
			return err
		}
	}
	src.doubts = append(src.doubts, src.open.doubts(src.flavor)...)
	return nil
}

// double reports whether the classifier reads twice as many values as the last block has channels.
func (src *source) double() bool {
	if src.fc == nil || len(src.fc.weight.Shape) != 2 {
		return false
	}
	width, err := src.width()
	return err == nil && src.fc.weight.Shape[1] == inception.LastMeanMaximum().Length(width)
}

// doubts says what is open, what is taken for it, and what decides.
func (n undecided) doubts(flavor inception.Flavor) (out []string) {
	if n.flavor {
		out = append(out, fmt.Sprintf("a state dict does not tell timm's, torchvision's and pytorch-fid's networks apart: "+
			"%s is taken, --flavor says which it is", flavor))
	}
	var args []string
	if n.pool {
		args = append(args, "global_pool (avg is taken; --pool max, avgmax or catavgmax)")
	}
	if n.epsilon {
		args = append(args, fmt.Sprintf("norm_eps (%g is taken; --epsilon)", bnEps))
	}
	if n.activation {
		args = append(args, "act_layer (relu is taken; others are not read)")
	}
	if len(args) > 0 {
		out = append(out, "what timm's network was made with is not in the file: "+strings.Join(args, ", "))
	}
	return out
}
