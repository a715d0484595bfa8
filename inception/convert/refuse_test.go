package convert

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

// index finds a tensor by name.
func index(t *testing.T, ts []raw.Tensor, name string) int {
	t.Helper()
	for i, x := range ts {
		if x.Name == name {
			return i
		}
	}
	t.Fatalf("no tensor %q", name)
	return -1
}

// poison makes element i of a tensor v.
func poison(x *raw.Tensor, i int, v float32) {
	load := x.Load
	x.Load = func(dst []float32) error {
		err := load(dst)
		dst[i] = v
		return err
	}
}

// TestTensorsRefused changes one tensor of a good file each; the error must name it and say where
// it lies.
func TestTensorsRefused(t *testing.T) {
	type change func(t *testing.T, ts []raw.Tensor) []raw.Tensor
	drop := func(name string) change {
		return func(t *testing.T, ts []raw.Tensor) []raw.Tensor {
			i := index(t, ts, name)
			return append(ts[:i], ts[i+1:]...)
		}
	}
	edit := func(name string, f func(x *raw.Tensor)) change {
		return func(t *testing.T, ts []raw.Tensor) []raw.Tensor {
			f(&ts[index(t, ts, name)])
			return ts
		}
	}
	reshape := func(name string, shape ...int) change { return edit(name, func(x *raw.Tensor) { x.Shape = shape }) }
	set := func(name string, i int, v float32) change { return edit(name, func(x *raw.Tensor) { poison(x, i, v) }) }
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, c := range []struct {
		name, file string
		change     change
		want       []string
	}{
		{"missing weight", "torchvision.pth", drop("Mixed_6c.branch7x7_2.conv.weight"),
			[]string{"Mixed_6c.branch7x7_2.conv.weight", "missing"}},
		{"missing mean", "torchvision.pth", drop("Mixed_7a.branch3x3_1.bn.running_mean"),
			[]string{"Mixed_7a.branch3x3_1.bn.running_mean", "missing"}},
		{"missing gamma", "torchvision.pth", drop("Conv2d_1a_3x3.bn.weight"), []string{"Conv2d_1a_3x3.bn.weight", "missing"}},
		{"missing classifier", "torchvision.pth", drop("fc.weight"), []string{"fc.weight", "missing"}},
		{"unknown", "torchvision.pth", edit("fc.bias", func(x *raw.Tensor) {
			x.Name = "Mixed_8a.conv.weight"
		}), []string{"Mixed_8a.conv.weight", "not a tensor of InceptionV3"}},
		{"twice", "torchvision.pth", edit("Mixed_5c.branch1x1.conv.weight", func(x *raw.Tensor) {
			x.Name = "Mixed_5b.branch1x1.conv.weight"
		}), []string{"Mixed_5b.branch1x1.conv.weight"}},
		{"kernel of another size", "torchvision.pth", reshape("Mixed_5b.branch5x5_2.conv.weight", 16, 16, 3, 3),
			[]string{"Mixed_5b.branch5x5_2.conv.weight", "at byte", "[16 16 3 3]", "[16 16 5 5]"}},
		{"too few axes", "torchvision.pth", reshape("Mixed_5b.branch5x5_2.conv.weight", 16, 400),
			[]string{"Mixed_5b.branch5x5_2.conv.weight", "four axes"}},
		{"too few channels", "torchvision.pth", reshape("Conv2d_2a_3x3.conv.weight", 15, 16, 3, 3),
			[]string{"Conv2d_2a_3x3.conv.weight", "15 output channels"}},
		{"short vector", "torchvision.pth", reshape("Mixed_7c.branch1x1.bn.bias", 3),
			[]string{"Mixed_7c.branch1x1.bn.bias", "[3]", "at byte"}},
		{"classifier of other features", "torchvision.pth", reshape("fc.weight", 127, 10),
			[]string{"fc.weight", "127 features"}},
		{"huge shape", "torchvision.pth", reshape("fc.weight", 1<<29, 127), []string{"fc.weight", "more than"}},
		{"not a number", "torchvision.pth", set("Mixed_6e.branch_pool.conv.weight", 3, nan),
			[]string{"Mixed_6e.branch_pool.conv.weight", "element 3 is NaN", "at byte"}},
		{"infinite", "torchvision.pth", set("Mixed_6e.branch_pool.bn.running_mean", 2, inf),
			[]string{"Mixed_6e.branch_pool.bn.running_mean", "element 2 is -Inf"}},
		{"negative variance", "torchvision.pth", set("Mixed_6e.branch_pool.bn.running_var", 1, -1),
			[]string{"Mixed_6e.branch_pool.bn.running_var", "channel 1 has variance -1"}},
		{"too large once folded", "torchvision.pth", func(t *testing.T, ts []raw.Tensor) []raw.Tensor {
			ts = set("Mixed_6e.branch_pool.bn.running_var", 0, 0)(t, ts)
			return set("Mixed_6e.branch_pool.bn.weight", 0, math.MaxFloat32)(t, ts)
		}, []string{"Mixed_6e.branch_pool", "no longer finite"}},
		{"integers", "torchvision.pth", edit("Mixed_6e.branch_pool.conv.weight", func(x *raw.Tensor) {
			x.DType = raw.I32
		}), []string{"Mixed_6e.branch_pool.conv.weight", "int32"}},

		{"two classifiers", "torchvision.pth", edit("Mixed_5c.branch1x1.conv.weight", func(x *raw.Tensor) { x.Name = "last_linear.weight" }), []string{`"fc.weight" at byte`, "there twice"}},
		{"two biases", "torchvision.pth", func(t *testing.T, ts []raw.Tensor) []raw.Tensor {
			ts[index(t, ts, "Mixed_5c.branch1x1.bn.bias")].Name = "Mixed_5b.branch1x1.conv.bias"
			ts[index(t, ts, "Mixed_5c.branch1x1.bn.weight")].Name = "Mixed_5b.branch1x1.bias"
			return ts
		}, []string{"Mixed_5b.branch1x1.", "at byte", "under two names"}},

		{"unknown", "timm.safetensors", edit("fc.bias", func(x *raw.Tensor) {
			x.Name = "head.bias"
		}), []string{"head.bias", "at byte", "not a tensor of InceptionV3"}},
		{"kernel of another size", "timm.safetensors", reshape("Mixed_5b.branch5x5_2.conv.weight", 16, 16, 3, 3),
			[]string{"Mixed_5b.branch5x5_2.conv.weight", "at byte", "[16 16 5 5]"}},

		{"missing weights", "inception_v3.ckpt", drop("InceptionV3/Mixed_5c/Branch_1/Conv_1_0c_5x5/weights"),
			[]string{"Conv_1_0c_5x5/weights", "missing"}},
		{"missing variance", "inception_v3.ckpt", drop("InceptionV3/Conv2d_1a_3x3/BatchNorm/moving_variance"),
			[]string{"Conv2d_1a_3x3/BatchNorm/moving_variance", "missing"}},
		{"unknown", "inception_v3.ckpt", edit("InceptionV3/Logits/Conv2d_1c_1x1/biases", func(x *raw.Tensor) {
			x.Name = "InceptionV3/Mixed_8a/weights"
		}), []string{"InceptionV3/Mixed_8a/weights", "at byte", "not a variable"}},
		{"twice", "inception_v3.ckpt", edit("InceptionV3/Conv2d_2a_3x3/weights", func(x *raw.Tensor) {
			x.Name = "InceptionV3/Conv2d_1a_3x3/weights"
		}), []string{"InceptionV3/Conv2d_1a_3x3/weights", "at byte", "there twice"}},
		{"kernel of another size", "inception_v3.ckpt", reshape("InceptionV3/Conv2d_2a_3x3/weights", 1, 1, 144, 16),
			[]string{"InceptionV3/Conv2d_2a_3x3/weights", "at byte", "[16 16 3 3]"}},
		{"short vector", "inception_v3.ckpt", reshape("InceptionV3/Conv2d_2a_3x3/BatchNorm/beta", 3),
			[]string{"InceptionV3/Conv2d_2a_3x3/BatchNorm/beta", "at byte", "[3]"}},
		{"not a number", "inception_v3.ckpt", set("InceptionV3/Conv2d_2a_3x3/weights", 3, nan),
			[]string{"InceptionV3/Conv2d_2a_3x3/weights", "at byte", "element 3 is NaN"}},

		{"missing kernel", "keras.h5", drop("conv2d_40/conv2d_40/kernel:0"), []string{"93 convolutions"}},
		{"missing beta", "keras.h5", drop("batch_normalization_7/batch_normalization_7/beta:0"),
			[]string{"batch_normalization_7/batch_normalization_7/beta:0", "missing"}},
		{"a gap in the numbers", "keras.h5", edit("conv2d_94/conv2d_94/kernel:0", func(x *raw.Tensor) {
			x.Name = "conv2d_95/conv2d_95/kernel:0"
		}), []string{"conv2d_94/conv2d_94/kernel:0", "gap"}},
		{"two kernels", "keras.h5", edit("conv2d_2/conv2d_2/kernel:0", func(x *raw.Tensor) {
			x.Name = "conv2d_1/x/kernel:0"
		}), []string{"conv2d_1/x/kernel:0", "second kernel"}},
		{"a second dense layer", "keras.h5", edit("conv2d_2/conv2d_2/kernel:0", func(x *raw.Tensor) {
			x.Name = "dense_1/dense_1/kernel:0"
		}), []string{"dense_1/dense_1/kernel:0", "two axes"}},
		{"two layers swapped", "keras.h5", edit("conv2d_94/conv2d_94/kernel:0", func(x *raw.Tensor) {
			x.Shape = []int{3, 3, 127, 16}
		}), []string{"conv2d_94/conv2d_94/kernel:0", "[16 127 3 3]"}},
		{"unknown part", "keras.h5", edit("batch_normalization_7/batch_normalization_7/beta:0", func(x *raw.Tensor) {
			x.Name = "batch_normalization_7/batch_normalization_7/delta:0"
		}), []string{"delta:0", "unknown"}},
		{"unknown layer", "keras.h5", edit("predictions/predictions/bias:0", func(x *raw.Tensor) {
			x.Name = "lambda_1/lambda_1/alpha:0"
		}), []string{"lambda_1/lambda_1/alpha:0"}},
		{"a strange name", "keras.h5", edit("predictions/predictions/bias:0", func(x *raw.Tensor) { x.Name = "bias" }), []string{`"bias"`, "not a tensor"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			names := map[string]func([]raw.Tensor) (*source, error){".pth": torchNames, ".safetensors": torchNames,
				".h5": kerasNames, ".ckpt": slimNames}
			ts := tensorsOf(t, c.file, fixture.Read(t, c.file))
			src, err := names[filepath.Ext(c.file)](c.change(t, ts))
			if err == nil {
				_, err = assemble(src)
			}
			if err == nil {
				t.Fatal("want an error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("got error %v, want one with %q", err, w)
				}
			}
		})
	}
}

// TestFilesRefused: whole files that are not weights, or cut off.
func TestFilesRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty.pth", nil, "is empty"},
		{"photo.h5", []byte("\xff\xd8\xff\xe0 a photograph"), "is not a weight file"},
		{"page.pth", []byte("<!DOCTYPE html><html>not found</html>"), "is not a weight file"},
		{"cut.pth", fixture.Read(t, "torchvision.pth")[:400000], "truncated"},
		{"cut-old.pth", fixture.Read(t, "old.pth")[:400000], "cut off"},
		{"cut.h5", fixture.Read(t, "keras.h5")[:400000], "truncated"},
		{"cut.onnx", fixture.Read(t, "folded.onnx")[:400000], "truncated"},
		{"cut.pb", fixture.Read(t, "slim.pb")[:400000], "truncated"},
		{"tar.pth", append([]byte("storages"+strings.Repeat("\x00", 140)+"0002150\x00"), make([]byte, 600)...),
			"torch.save(net.state_dict(), path)"},
		{"cut.tgz", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03abc"), "gzip"},
	} {
		path := fixture.Write(t, c.name, c.b)
		if _, err := Load(path, Options{}); err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%s: got error %v, want one with the path and %q", c.name, err, c.want)
		}
	}
	if _, err := Load(t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a folder: got error %v", err)
	}
}

// TestEnds cuts a file of each format short, and appends to it: both are refused with the offset at
// which that shows.
func TestEnds(t *testing.T) {
	const index = "inception_v3_v2.index"
	for _, name := range append(everyFormat, "folded.onnx", index) {
		good := fixture.Read(t, name)
		cuts := []int{len(good) - 1, len(good) - 30, len(good) * 3 / 4, len(good) / 2, 600}
		for _, n := range append(cuts, len(good)+1, len(good)+1000) {
			bad := append(bytes.Clone(good), make([]byte, 1000)...)[:n]
			path := fixture.Write(t, name, bad)
			_, err := Load(path, Options{})
			if err == nil || !strings.Contains(err.Error(), path) || !place.MatchString(err.Error()) ||
				strings.Contains(err.Error(), errKind.Error()) {
				t.Errorf("%s of %d bytes, with %d: got error %v, want one with the path and an offset", name, len(good), n, err)
			}
		}
	}
}

// TestGraphTensorsRefused changes one constant of a good graph each; the error must name it and say
// where it lies.
func TestGraphTensorsRefused(t *testing.T) {
	conv := map[string]string{"unfolded.onnx": "Mixed_6c.branch7x7_2.conv.weight",
		"slim.pb": "InceptionV3/Mixed_6c/Branch_1/Conv2d_0b_1x7/weights"}
	for file, name := range conv {
		for say, change := range map[string]func(x *raw.Tensor){
			"has shape": func(x *raw.Tensor) {
				x.Shape = []int{x.Shape[0], x.Shape[1] * 7, x.Shape[2] * x.Shape[3] / 7, 1}
			},
			"four axes":         func(x *raw.Tensor) { x.Shape = []int{x.Len()} },
			"more than":         func(x *raw.Tensor) { x.Shape = []int{1 << 29, 16, 7, 1} },
			"element 3 is +Inf": func(x *raw.Tensor) { poison(x, 3, float32(math.Inf(1))) },
			"int32":             func(x *raw.Tensor) { x.DType = raw.I32 },
		} {
			g := readGraph(t, file)
			k := g.Consts[name]
			if k == nil {
				t.Fatalf("%s has no %s", file, name)
			}
			change(&k.Tensor)
			read := tfSource
			if strings.HasSuffix(file, ".onnx") {
				read = onnxSource
			}
			src, err := read(g)
			if err == nil {
				_, err = assemble(src)
			}
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), fmt.Sprint(k.Offset)) {
				t.Errorf("%s, %s: got error %v, want one with the tensor and its offset %d", file, say, err, k.Offset)
			}
		}
	}
}

// TestUnread: a constant that no operator reads is counted, as other formats' leftovers are.
func TestUnread(t *testing.T) {
	g := readGraph(t, "folded.onnx")
	before, err := onnxSource(g)
	if err != nil {
		t.Fatal(err)
	}
	g.Consts["left over"] = &graph.Const{}
	src, err := onnxSource(g)
	if err != nil || len(src.ignored) != len(before.ignored)+1 || src.ignored[len(src.ignored)-1] != "left over" {
		t.Errorf("got %v and %q, want one more than %q", err, src.ignored, before.ignored)
	}
}

// TestDenseOrder: the dense layers of weights alone are put in order by their numbers, else by what
// they read; what stands between them has to be said.
func TestDenseOrder(t *testing.T) {
	layer := func(name string, in, out int) []raw.Tensor {
		values := func(dst []float32) error {
			for i := range dst {
				dst[i] = 1
			}
			return nil
		}
		return []raw.Tensor{{Name: name + "/kernel:0", Shape: []int{in, out}, DType: raw.F32, Load: values},
			{Name: name + "/bias:0", Shape: []int{out}, DType: raw.F32, Load: values}}
	}
	dense := tensorsOf(t, "keras.h5", fixture.Read(t, "keras.h5"))
	var trunk []raw.Tensor
	features := 0
	for _, x := range dense {
		if !strings.HasPrefix(x.Name, "predictions") {
			trunk = append(trunk, x)
		} else if len(x.Shape) == 2 {
			features = x.Shape[0]
		}
	}
	for want, layers := range map[string][]raw.Tensor{
		"dense 7, relu, dense 4, relu, dense 4, softmax": slices.Concat(layer("dense_10/dense_10", 4, 4),
			layer("dense_2/dense_2", features, 7), layer("dense_9/dense_9", 7, 4)),
		"dense 7, relu, dense 4, softmax": slices.Concat(layer("a/a", 7, 4), layer("b/b", features, 7)),
		"do not say their order": slices.Concat(layer("a/a", 7, 7), layer("b/b", features, 7),
			layer("c/c", 7, 4)),
		"a softmax of one class":     layer("dense/dense", features, 1),
		"do not say what stands bet": slices.Concat(layer("dense/dense", features, 7), layer("dense_1/dense_1", 7, 4)),
	} {
		src, err := kerasNames(slices.Concat(trunk, layers))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(want, "relu") {
			err = src.said(Options{HeadActivation: "relu"})
		}
		if err == nil {
			err = src.headErr
		}
		w, broken := assemble(src)
		switch {
		case broken != nil:
			t.Fatal(broken)
		case want == "a softmax of one class":
			if w.Head == nil || w.Head.Activation != inception.Sigmoid {
				t.Errorf("one class: got head %+v", w.Head)
			}
		case err != nil && strings.Contains(err.Error(), want):
		case err != nil || w.Head == nil || w.Head.Describe() != want:
			t.Errorf("got %+v and %v, want %q", w.Head, err, want)
		}
	}
}
