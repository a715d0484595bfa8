package convert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/mxnet"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// mxnetParts are the tensors of a layer by the ends of their names, of Gluon and of MXNet's symbols.
var mxnetParts = map[string]string{"weight": "weight", "bias": "bias", "gamma": "gamma", "beta": "beta",
	"running_mean": "mean", "moving_mean": "mean", "running_var": "variance", "moving_var": "variance"}

// gluonModel is where the network that is read comes from.
const gluonModel = "want net.save_parameters(path), or net.export(path), of " +
	"mxnet.gluon.model_zoo.vision.inception_v3"

// mxnetSource maps the parameters of Gluon's InceptionV3, whose layers come in torchvision's order: by
// the numbers in their names, or as net.export writes them.
func mxnetSource(f *file) (*source, error) {
	tensors, err := mxnet.Read(f.data, f.size)
	if err != nil {
		return nil, err
	}
	if tensors, err = inOrder(tensors); err != nil {
		return nil, err
	}
	layers, err := inception.Layers(1, 299)
	if err != nil {
		return nil, err
	}
	src := &source{what: "MXNet", units: make(map[string]*unit, len(layers)), flavor: inception.Torchvision,
		reason: "MXNet's names, whose average pools count their border"}
	src.doubts = []string{"the file does not say how pictures are scaled: torchvision's recipe is taken; Gluon's own " +
		"weights want --mean 123.675,116.28,103.53 --std 58.395,57.12,57.375"}
	columns := map[string][]raw.Tensor{}
	for _, t := range tensors {
		part := mxnetPart(t.Name)
		switch {
		case part == "weight" && len(t.Shape) == 2, part == "bias":
			part = "dense " + part
		case part == "":
			return nil, tensorError(t, "is not a tensor of InceptionV3 as MXNet names them: %s", gluonModel)
		}
		columns[part] = append(columns[part], t)
	}
	for part, want := range map[string]int{"weight": len(layers), "gamma": len(layers), "beta": len(layers),
		"mean": len(layers), "variance": len(layers), "dense weight": len(columns["dense bias"])} {
		if got := len(columns[part]); got != want {
			return nil, fmt.Errorf("has %d tensors called %s, want %d: %s", got, part, want, gluonModel)
		}
	}
	for i, l := range layers {
		src.units[l.Path] = &unit{weight: columns["weight"][i], norm: &norm{gamma: &columns["gamma"][i],
			beta: &columns["beta"][i], mean: &columns["mean"][i], variance: &columns["variance"][i], eps: bnEps}}
	}
	dense := columns["dense weight"]
	if len(dense) > 1 {
		src.headErr = fmt.Errorf("has %d dense layers (%s to %s), and MXNet's parameters do not say what stands between "+
			"them: export the network with mxnet.onnx.export_model", len(dense), dense[0].Name, dense[len(dense)-1].Name)
	} else if len(dense) == 1 {
		src.fc = &classifier{weight: dense[0], bias: &columns["dense bias"][0]}
	}
	return src, nil
}

// mxnetPart tells what a tensor is from the end of its name.
func mxnetPart(name string) string {
	for end, part := range mxnetParts {
		if stem, ok := strings.CutSuffix(name, end); ok && stem != "" && strings.ContainsAny(stem[len(stem)-1:], "._") {
			return part
		}
	}
	return ""
}

// inOrder sorts tensors whose names are numbers with dots between. Of others, which have a number
// where it counts layers of a kind in a block, the order of the file must be that of the numbers.
func inOrder(tensors []raw.Tensor) ([]raw.Tensor, error) {
	if slices.ContainsFunc(tensors, func(t raw.Tensor) bool { return strings.HasPrefix(t.Name, "features.0.") }) {
		slices.SortStableFunc(tensors, func(a, b raw.Tensor) int { return byNumber(a.Name, b.Name) })
		return tensors, nil
	}
	last := map[string]int{} // the number of a kind of layer in a block
	for _, t := range tensors {
		stem := strings.TrimRight(t.Name, "abcdefghijklmnopqrstuvwxyz_")
		kind := strings.TrimRight(stem, "0123456789")
		n, err := strconv.Atoi(stem[len(kind):])
		kind += t.Name[len(stem):]
		if at, there := last[kind]; err != nil || there && n != at+1 {
			return nil, tensorError(t, "is not in the order of the network's layers: %s", gluonModel)
		}
		last[kind] = n
	}
	return tensors, nil
}
