package convert

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/graphdef"
	"github.com/c236555e/rehead/inception/convert/internal/imagenet"
	"github.com/c236555e/rehead/inception/convert/internal/onnx"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

func readGraph(t testing.TB, name string) *graph.Graph {
	t.Helper()
	b := fixture.Read(t, name)
	read := graphdef.Read
	if strings.HasSuffix(name, ".onnx") {
		read = func(r io.ReaderAt, size int64) (*graph.Graph, error) { return onnx.Read(r, size, nil) }
	}
	g, err := read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// node finds the n-th node of an operator.
func node(t *testing.T, g *graph.Graph, op string, n int) *graph.Node {
	t.Helper()
	for _, x := range g.Nodes {
		if x.Op == op {
			if n--; n < 0 {
				return x
			}
		}
	}
	t.Fatalf("no such %s", op)
	return nil
}

// TestMatchRefused changes one thing in a good graph each; every change must be noticed and told
// with its place.
func TestMatchRefused(t *testing.T) {
	ints := func(v ...int64) graph.Attr { return graph.Attr{Ints: v} }
	for _, c := range []struct {
		name, file string
		change     func(t *testing.T, g *graph.Graph)
		want       string
	}{
		{"two branches swapped", "folded.onnx", func(t *testing.T, g *graph.Graph) {
			n := node(t, g, "Concat", 4)
			n.Inputs[0], n.Inputs[1] = n.Inputs[1], n.Inputs[0]
		}, "the graph is not an InceptionV3"},
		{"joined along the height", "folded.onnx", func(t *testing.T, g *graph.Graph) {
			node(t, g, "Concat", 2).Attrs["axis"] = graph.Attr{Int: 2}
		}, "want 1 (channels)"},
		{"another stride", "folded.onnx", func(t *testing.T, g *graph.Graph) {
			node(t, g, "Conv", 0).Attrs["strides"] = ints(1, 1)
		}, "stride [1 1]"},
		{"another padding", "unfolded.onnx", func(t *testing.T, g *graph.Graph) {
			node(t, g, "Conv", 2).Attrs["pads"] = ints(0, 0, 0, 0)
		}, "padding [0 0 0 0]"},
		{"dilated", "folded.onnx", func(t *testing.T, g *graph.Graph) {
			node(t, g, "Conv", 50).Attrs["dilations"] = ints(2, 2)
		}, "dilations"},
		{"grouped", "folded.onnx", func(t *testing.T, g *graph.Graph) {
			node(t, g, "Conv", 50).Attrs["group"] = graph.Attr{Int: 2}
		}, "2 groups"},
		{"no ReLU", "folded.onnx", func(t *testing.T, g *graph.Graph) {
			node(t, g, "Relu", 7).Op = "LeakyRelu"
		}, "the graph is not an InceptionV3"},
		{"a cycle", "folded.onnx", func(t *testing.T, g *graph.Graph) {
			n := node(t, g, "Conv", 3)
			for v, by := range g.By {
				if by == node(t, g, "Concat", 6) {
					n.Inputs[0] = v
				}
			}
		}, "depends on itself"},
		{"training mode", "unfolded.onnx", func(t *testing.T, g *graph.Graph) {
			node(t, g, "BatchNormalization", 3).Attrs["training_mode"] = graph.Attr{Int: 1}
		}, "training mode"},
		{"a pool of 2x2", "folded.onnx", func(t *testing.T, g *graph.Graph) {
			node(t, g, "MaxPool", 0).Attrs["kernel_shape"] = ints(2, 2)
		}, "pools [2 2]"},
		{"weights that are not constants", "slim.pb", func(t *testing.T, g *graph.Graph) {
			delete(g.Consts, "InceptionV3/Conv2d_2b_3x3/weights")
		}, "freeze the graph"},
		{"a negative variance", "classify_image_graph_def.pb", func(t *testing.T, g *graph.Graph) {
			k := g.Consts["mixed_3/conv/batchnorm/moving_variance"]
			load := k.Load
			k.Load = func(dst []float32) error {
				err := load(dst)
				dst[2] = -1
				return err
			}
		}, "channel 2 is -1"},
		{"not a number", "slim.pb", func(t *testing.T, g *graph.Graph) {
			k := g.Consts["InceptionV3/Mixed_6c/Branch_2/Conv2d_0c_1x7/BatchNorm/beta"]
			load := k.Load
			k.Load = func(dst []float32) error {
				err := load(dst)
				dst[1] /= dst[1] - dst[1]
				return err
			}
		}, "Conv2d_0c_1x7/BatchNorm/beta"},
		{"joined along the wrong axis", "slim.pb", func(t *testing.T, g *graph.Graph) {
			g.Consts["InceptionV3/InceptionV3/Mixed_5b/concat/axis"].Ints = []int64{1}
		}, "is not 3 (channels)"},
		{"channels first", "slim.pb", func(t *testing.T, g *graph.Graph) {
			node(t, g, "Conv2D", 1).Attrs["data_format"] = graph.Attr{Text: "NCHW"}
		}, "want NHWC"},
		{"another scale", "slim.pb", func(t *testing.T, g *graph.Graph) {
			g.Consts["InceptionV3/Conv2d_3b_1x1/BatchNorm/moving_mean"].Shape = []int{3}
		}, "number of channels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := readGraph(t, c.file)
			make := tfSource
			if strings.HasSuffix(c.file, ".onnx") {
				make = onnxSource
			}
			if _, err := make(g); err != nil {
				t.Fatalf("unchanged: %v", err)
			}
			g = readGraph(t, c.file)
			c.change(t, g)
			src, err := make(g)
			if err == nil {
				src.sha256 = "x"
				_, err = assemble(src)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

// TestOutline: the expectations derived from the layers' paths, at a few places worked out by hand.
func TestOutline(t *testing.T) {
	o, err := newOutline()
	if err != nil {
		t.Fatal(err)
	}
	for path, from := range map[string]string{
		"Conv2d_1a_3x3": "input", "Conv2d_3b_1x1": "max(Conv2d_2b_3x3)", "Conv2d_4a_3x3": "Conv2d_3b_1x1",
		"Mixed_5b.branch5x5_1": "max(Conv2d_4a_3x3)", "Mixed_5b.branch3x3dbl_3": "Mixed_5b.branch3x3dbl_2",
		"Mixed_5c.branch_pool": "avg(Mixed_5b)",
		"Mixed_6a.branch3x3":   "Mixed_5d", "Mixed_6b.branch7x7dbl_5": "Mixed_6b.branch7x7dbl_4",
		"Mixed_7a.branch7x7x3_4": "Mixed_7a.branch7x7x3_3",
		"Mixed_7b.branch3x3_2b":  "Mixed_7b.branch3x3_1", "Mixed_7c.branch3x3dbl_3a": "Mixed_7c.branch3x3dbl_2",
		"Mixed_7c.branch1x1": "Mixed_7b",
	} {
		if o.reads[path] != from {
			t.Errorf("%s reads %q, want %q", path, o.reads[path], from)
		}
	}
	for joined, block := range map[string]string{
		"Mixed_6a.branch3x3+Mixed_6a.branch3x3dbl_3+max(Mixed_5d)":                                                                              "Mixed_6a",
		"Mixed_7c.branch1x1+Mixed_7c.branch3x3_2a+Mixed_7c.branch3x3_2b+Mixed_7c.branch3x3dbl_3a+Mixed_7c.branch3x3dbl_3b+Mixed_7c.branch_pool": "Mixed_7c",
	} {
		if o.blocks[joined] != block {
			t.Errorf("%s is %q, want %q", joined, o.blocks[joined], block)
		}
	}
	if len(o.reads) != 94 || len(o.blocks) != 11 {
		t.Errorf("%d layers and %d blocks, want 94 and 11", len(o.reads), len(o.blocks))
	}
}

// TestRetrained: output_graph.pb and output_labels.txt become a whole model.
func TestRetrained(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "output_graph.pb")
	if err := os.WriteFile(in, fixture.Read(t, "output_graph.pb"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenModel(in, Options{}); err == nil || !strings.Contains(err.Error(), "output_labels.txt") {
		t.Errorf("without labels: got error %v, want one that says where they should be", err)
	}
	w, err := Load(in, Options{}) // as a trunk it needs no labels
	if err != nil || w.Classes != 3 || w.Flavor != inception.TF2015 || w.Labels != nil {
		t.Fatalf("got %v, %v", w, err)
	}
	labels := filepath.Join(dir, "output_labels.txt")
	if err := os.WriteFile(labels, []byte("daisy\nred rose\r\ntulip\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "model")
	res, err := Convert(in, out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := inception.OpenModel(out)
	if err != nil {
		t.Fatal(err)
	}
	if res.Model == nil || !reflect.DeepEqual(m.Labels, []string{"daisy", "red rose", "tulip"}) ||
		m.Recipe != inception.TF2015.Recipe() || m.Flavor != inception.TF2015 {
		t.Errorf("labels %q, recipe %+v", m.Labels, m.Recipe)
	}
	checkWeights(t, m.Trunk, want(t, true), 2e-7)
	g := readGraph(t, "output_graph.pb")
	k, err := g.Consts["final_training_ops/weights/final_weights"].Float32s()
	if err != nil {
		t.Fatal(err)
	}
	for f := range fixtureFeatures {
		for c := range 3 {
			if got := m.Head.W[c*fixtureFeatures+f]; got != k[f*3+c] {
				t.Fatalf("weight of class %d and feature %d is %g, want %g", c, f, got, k[f*3+c])
			}
		}
	}
	if !reflect.DeepEqual(m.Head.B, []float32{0.5, -0.25, 0.125}) {
		t.Errorf("biases are %v", m.Head.B)
	}
	if err := os.WriteFile(labels, []byte("daisy\ntulip\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenModel(in, Options{}); err == nil || !strings.Contains(err.Error(), "has 2 labels") {
		t.Errorf("too few labels: got error %v", err)
	}
	if err := os.WriteFile(labels, []byte("a\n\nb\nc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenModel(in, Options{Labels: labels}); err == nil || !strings.Contains(err.Error(), "line 2 is empty") {
		t.Errorf("an empty line: got error %v", err)
	}
}

func TestLabelMap(t *testing.T) {
	out := imagenet.Labels(1008)
	err := readLabelMap("# a comment\nentry {\n  target_class: 977\n  target_class_string: \"n03710721\"\n}\nentry {\n  "+
		"target_class: 449\n  target_class_string: \"n01440764\"\n}\n", out)
	if err != nil || out[977] != "maillot tank suit" || out[449] != "tench" || out[782] != "maillot" {
		t.Errorf("got %q, %q, %q, %v", out[782], out[449], out[977], err)
	}
	for _, bad := range []string{"target_class: 1008", "target_class: x", "target_class_string: \"n01440764\"",
		"target_class: 1\ntarget_class_string: \"n0\""} {
		if err := readLabelMap(bad, out); err == nil {
			t.Errorf("%q: want an error", bad)
		}
	}
	src := &source{fc: &classifier{}}
	src.fc.weight.Shape = []int{1000, 2048}
	if err := src.published(&file{}); err != nil || len(src.labels) != 1000 || src.labels[1] != "goldfish" {
		t.Errorf("1000 classes got %d labels, %v", len(src.labels), err)
	}
	src.fc.weight.Shape = []int{7, 2048}
	if err := src.published(&file{}); err != nil || src.labels != nil {
		t.Errorf("7 classes got %d labels, %v", len(src.labels), err)
	}
}

// tgz packs files.
func tgz(t testing.TB, files map[string][]byte, order ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range order {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])),
			Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// oldest is a .tgz of one file in the form of Unix V7, as tar --format=v7 writes it: its header has
// no mark but its checksum.
func oldest(t testing.TB, files map[string][]byte, name string) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(tgz(t, files, name)))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	clear(data[257:512])
	sum := 8 * int(' ')
	for i, b := range data[:512] {
		if i < 148 || i >= 156 {
			sum += int(b)
		}
	}
	copy(data[148:], fmt.Sprintf("%06o\x00 ", sum))
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestArchive: straight from inception-2015-12-05.tgz, and from a file that is only gzipped.
func TestArchive(t *testing.T) {
	pb := fixture.Read(t, "classify_image_graph_def.pb")
	files := map[string][]byte{"classify_image_graph_def.pb": pb, "cropped_panda.jpg": []byte("\xff\xd8"),
		"LICENSE": []byte("Apache"), "second.pb": pb}
	path := fixture.Write(t, "inception-2015-12-05.tgz",
		tgz(t, files, "classify_image_graph_def.pb", "cropped_panda.jpg", "LICENSE"))
	w, err := Load(path, Options{})
	if err != nil || w.Flavor != inception.TF2015 || w.Classes != fixtureClasses {
		t.Fatalf("got %v, %v", w, err)
	}
	plain, err := Load(fixture.Write(t, "g.pb", pb), Options{})
	if err != nil || plain.Digest != w.Digest {
		t.Errorf("digests differ, or %v", err)
	}
	if w, err := Load(fixture.Write(t, "old.tgz", oldest(t, files, "classify_image_graph_def.pb")), Options{}); err != nil ||
		w.Digest != plain.Digest {
		t.Errorf("V7: %v", err)
	}
	z, err := os.ReadFile(filepath.Join(fixture.Dir(t), "keras.h5.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if w, err := Load(fixture.Write(t, "k.h5.gz", z), Options{}); err != nil || w.Flavor != inception.Keras {
		t.Errorf("gzipped: got %v, %v", w, err)
	}
	for say, b := range map[string][]byte{
		"second weight file": tgz(t, files, "classify_image_graph_def.pb", "second.pb"),
		"no weight file":     tgz(t, files, "LICENSE"),
		"unexpected EOF":     tgz(t, files, "classify_image_graph_def.pb")[:50000],
	} {
		if _, err := Load(fixture.Write(t, "x.tgz", b), Options{}); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("got error %v, want one with %q", err, say)
		}
	}
}

// TestReads: a head behind a maximum or behind the block as it is reads that, and one whose size does
// not fit is refused.
func TestReads(t *testing.T) {
	for want, c := range map[string]struct {
		op   string
		grow bool // the dense layer reads all pixels
	}{"maximum of Mixed_7c": {"GlobalMaxPool", false}, "cells of Mixed_7c": {"Identity", true},
		"features": {"Identity", false}, "in front of the head": {"GlobalLpPool", false}} {
		g := readGraph(t, "folded.onnx")
		node(t, g, "GlobalAveragePool", 0).Op = c.op
		src, err := onnxSource(g)
		if err != nil {
			t.Fatalf("%s: %v", c.op, err)
		}
		if src.size, src.sha256 = fixtureSize, "x"; c.grow {
			cells := inception.LastCells(fixtureSize).Side
			for _, l := range src.links {
				if l.dense != nil {
					k, n := l.dense.weight.Shape[0], l.dense.weight.Shape[1]
					l.dense.weight.Shape = []int{k, n * cells * cells}
					l.dense.weight.Load = func(dst []float32) error {
						for i := range dst { // of the value of channel c in pixel p: c + p/100
							at := i % (n * cells * cells)
							dst[i] = float32(at/(cells*cells)) + float32(at%(cells*cells))/100
						}
						return nil
					}
				}
			}
		}
		w, err := assemble(src)
		if err != nil {
			t.Fatal(err)
		}
		if src.headErr != nil {
			if !strings.Contains(src.headErr.Error(), want) {
				t.Errorf("%s: got %v, want an error with %q", c.op, src.headErr, want)
			}
			continue
		}
		if w.Head == nil || w.Reads.String() != want {
			t.Fatalf("%s: the head reads %v, want the %s", c.op, w.Reads, want)
		}
		if c.grow {
			for i, v := range w.Reads.Values(w.Width) {
				if x := float32(v.Channel) + float32(v.Run)/100; w.Head.W[i] != x {
					t.Fatalf("weight %d is %g, want %g: channels last", i, w.Head.W[i], x)
				}
			}
		}
	}
}

// TestGrid: each element of a quantised constant has the scale of its place along the axis, or of its
// block there.
func TestGrid(t *testing.T) {
	shape := []int{2, 5, 1, 3}
	for _, d := range []grid{{axis: 0}, {axis: 1}, {axis: -1}, {1, 2}, {1, 5}, {1, 8}, {0, 1}, {-1, 2}} {
		n, of, err := d.steps(shape)
		if err != nil {
			t.Fatal(err)
		}
		axis := (d.axis + len(shape)) % len(shape)
		steps := slices.Clone(shape)
		if d.block > 0 {
			steps[axis] = (shape[axis] + d.block - 1) / d.block
		}
		i := 0
		for a := range shape[0] {
			for b := range shape[1] {
				for c := range shape[3] {
					at := []int{a, b, 0, c}
					want := at[axis]
					if d.block > 0 {
						at[axis] /= d.block
						want = ((at[0]*steps[1]+at[1])*steps[2]+at[2])*steps[3] + at[3]
					}
					if got := of(i); got != want || got >= n {
						t.Fatalf("%+v: element %d has scale %d of %d, want %d", d, i, got, n, want)
					}
					i++
				}
			}
		}
	}
	if _, _, err := (grid{axis: 4}).steps(shape); err == nil {
		t.Error("axis 4 of 4: want an error")
	}
}

// TestAxes: the axes of a mean are found behind the reshapings of an exporter that does not optimise.
func TestAxes(t *testing.T) {
	g := readGraph(t, "folded.onnx")
	pool := node(t, g, "GlobalAveragePool", 0)
	k := &graph.Const{Tensor: raw.Tensor{Name: "axes", Shape: []int{2}, DType: raw.I64, Load: raw.NotFloat},
		Ints: []int64{-1, -2}}
	if err := g.AddConst("axes", k); err != nil {
		t.Fatal(err)
	}
	shape := &graph.Node{Name: "reshape", Op: "Reshape", Inputs: []string{"axes", "axes"}, Outputs: []string{"flat"}}
	if err := g.Add(shape, "flat"); err != nil {
		t.Fatal(err)
	}
	pool.Op, pool.Inputs = "ReduceMean", append(pool.Inputs[:1:1], "flat")
	if src, err := onnxSource(g); err != nil || src.headErr != nil || src.fc == nil {
		t.Errorf("got %v, want the mean over height and width", err)
	}
}

// TestPlane: height and width are told in any order and from either end; OpenVINO keeps the -1, -2 of PyTorch's exporter.
func TestPlane(t *testing.T) {
	for _, c := range []struct {
		axes   []int64
		height int64
		want   bool
	}{
		{[]int64{2, 3}, 2, true}, {[]int64{-1, -2}, 2, true}, {[]int64{-2, 3}, 2, true}, {[]int64{2, 1}, 1, true},
		{[]int64{-3, -2}, 1, true}, {[]int64{2, 3}, 1, false}, {[]int64{1, 2}, 2, false}, {[]int64{2, 2}, 2, false},
		{[]int64{6, 7}, 2, false}, {[]int64{-5, -6}, 2, false}, {[]int64{1, 2, 3}, 2, false}, {nil, 2, false},
	} {
		if got := plane(c.axes, c.height); got != c.want {
			t.Errorf("%v with height %d: got %v, want %v", c.axes, c.height, got, c.want)
		}
	}
	g := readGraph(t, "folded.onnx")
	pool := node(t, g, "GlobalAveragePool", 0)
	pool.Op, pool.Attrs = "ReduceMean", map[string]graph.Attr{"axes": {Ints: []int64{-1, -2}}, "keepdims": {Int: 1}}
	src, _, err := graphSource(g, onnxDialect{})
	if err != nil || src.headErr != nil || src.fc == nil {
		t.Errorf("got %v, want the mean over height and width", err)
	}
}
