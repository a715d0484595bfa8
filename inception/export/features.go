package export

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/onnx"
)

// features adds what the head reads of the blocks, given the names of what the layers give, and
// returns the name of it: [N,Features], as inception.Features orders it.
func (g *graph) features(n *network, values []string) (string, error) {
	f, parts, at, width := n.Reads, []string{}, map[string]int{}, 0
	for _, block := range f.Blocks {
		i := n.block(block)
		if i < 0 {
			return "", fmt.Errorf("the network has no block %q, which the head reads", block)
		}
		channels, side := n.layers[i].shape[0], n.layers[i].shape[1]
		for _, s := range f.Statistics {
			name := block + "." + string(s)
			at[name] = width
			parts = append(parts, name)
			switch s {
			case inception.Quarters:
				g.quarters(name, values[i], channels, side)
				width += 4 * channels
				continue
			case inception.Deviation:
				g.deviation(name, values[i])
			default:
				g.Node("ReduceMean", name, []string{values[i]}, onnx.Ints("axes", 2, 3), onnx.Int("keepdims", 0))
			}
			width += channels
		}
	}
	var columns []byte
	var scales []float32
	for _, v := range f.Values(n.Width) {
		c := at[v.Block+"."+string(v.Statistic)] + v.Run*n.layers[n.block(v.Block)].shape[0] + v.Channel
		columns, scales = binary.LittleEndian.AppendUint64(columns, uint64(c)), append(scales, v.Scale)
	}
	g.Node("Concat", "features.all", parts, onnx.Int("axis", 1))
	g.Raw("features.columns", onnx.Int64, []int{len(scales)}, columns)
	g.Node("Gather", "features.chosen", []string{"features.all", "features.columns"}, onnx.Int("axis", 1))
	g.Tensor("features.scales", []int{len(scales)}, scales)
	g.Node("Mul", "features", []string{"features.chosen", "features.scales"})
	return "features", nil
}

// block returns the layer that gives a block, or -1.
func (n *network) block(name string) int {
	return slices.IndexFunc(n.layers, func(l layer) bool { return l.kind == concat && l.name == name+".concat" })
}

// quarters adds the means over the four quarters of each channel, quarter by quarter. Two windows each
// way that share the middle row or column of an odd side are an average pool's.
func (g *graph) quarters(name, x string, channels, side int) {
	window, stride := (side+1)/2, max(side/2, 1)
	g.Node("AveragePool", name+".map", []string{x}, onnx.Ints("kernel_shape", window, window),
		onnx.Ints("strides", stride, stride))
	places := name + ".map"
	if side == 1 { // each quarter is the one pixel
		places = name + ".four"
		row := slices.Repeat([]string{name + ".map"}, 4)
		g.Node("Concat", places, row, onnx.Int("axis", 2))
	}
	g.Node("Transpose", name+".turned", []string{places}, onnx.Ints("perm", 0, 2, 3, 1))
	var shape []byte
	for _, v := range []int{0, 4 * channels} { // 0: the pictures, as they come
		shape = binary.LittleEndian.AppendUint64(shape, uint64(v))
	}
	g.Raw(name+".shape", onnx.Int64, []int{2}, shape)
	g.Node("Reshape", name, []string{name + ".turned", name + ".shape"})
}

// deviation adds the standard deviation of each channel.
func (g *graph) deviation(name, x string) {
	g.Node("ReduceMean", name+".centre", []string{x}, onnx.Ints("axes", 2, 3), onnx.Int("keepdims", 1))
	g.Node("Sub", name+".off", []string{x, name + ".centre"})
	g.Node("Mul", name+".squares", []string{name + ".off", name + ".off"})
	g.Node("ReduceMean", name+".variance", []string{name + ".squares"}, onnx.Ints("axes", 2, 3), onnx.Int("keepdims", 0))
	g.Node("Sqrt", name, []string{name + ".variance"})
}
