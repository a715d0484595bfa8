package inception

import (
	"math"
	"slices"
	"testing"
)

// TestTable walks the table at full width and 299 pixels and holds every row to the shape written
// beside it.
func TestTable(t *testing.T) {
	last, err := traceTable(1, 299, func(Layer) {}, func(r row, got [3]int) {
		if got != r.out {
			t.Errorf("%s: a branch ending in %+v: got %v, want %v", r.block, r.steps[len(r.steps)-1], got, r.out)
		}
	})
	if err != nil || last != [3]int{2048, 8, 8} {
		t.Fatalf("the last block has %v, %v, want 2048 x 8 x 8", last, err)
	}
	sums := map[string]int{}
	for _, r := range table() {
		sums[r.block] += r.out[0]
	}
	for block, want := range map[string]int{
		"Conv2d_1a_3x3": 32, "Conv2d_2a_3x3": 32, "Conv2d_2b_3x3": 64, "maxpool1": 64, "Conv2d_3b_1x1": 80,
		"Conv2d_4a_3x3": 192, "maxpool2": 192, "Mixed_5b": 256, "Mixed_5c": 288, "Mixed_5d": 288, "Mixed_6a": 768,
		"Mixed_6b": 768, "Mixed_6c": 768, "Mixed_6d": 768, "Mixed_6e": 768, "Mixed_7a": 1280, "Mixed_7b": 2048,
		"Mixed_7c": 2048,
	} {
		if sums[block] != want {
			t.Errorf("%s has %d channels, want %d", block, sums[block], want)
		}
	}
	if len(sums) != 18 || len(blocks()) != 18 {
		t.Errorf("got %d blocks, want 18", len(sums))
	}
}

// TestCost compares with what is published: torchvision counts 5.71 G multiply-adds for the network
// with its classifier, and 23,834,568 parameters of which 2,049,000 are the classifier's; without
// batch norm's scale and with one bias a channel that leaves 21,785,568 - 17,216.
func TestCost(t *testing.T) {
	c, err := trunkCost(1, 299)
	if err != nil {
		t.Fatal(err)
	}
	if c.layers != 94 {
		t.Errorf("got %d convolutions, want 94", c.layers)
	}
	if g := float64(2*c.macs) / 1e9; math.Abs(g-11.42) > 0.005 {
		t.Errorf("got %.3f GFLOP, want 11.42", g)
	}
	if want := int64(23834568 - 2049000 - 17216); c.parameters != want {
		t.Errorf("got %d parameters, want %d", c.parameters, want)
	}
	small, err := trunkCost(0.25, 128)
	if err != nil || small.macs*50 > c.macs || small.macs < 1e6 {
		t.Errorf("width 0.25 at 128 pixels: got %+v, %v", small, err)
	}
}

func TestLayers(t *testing.T) {
	for _, c := range []struct {
		width float64
		conv  string
		shape [4]int
	}{
		{1, "Conv2d_1a_3x3", [4]int{32, 3, 3, 3}},
		{1, "Mixed_7c.branch3x3dbl_2", [4]int{384, 448, 3, 3}},
		{0.5, "Mixed_6b.branch7x7_2", [4]int{64, 64, 1, 7}},
		{0.5, "Mixed_7b.branch3x3dbl_3b", [4]int{192, 192, 3, 1}},
		{0.25, "Conv2d_1a_3x3", [4]int{16, 3, 3, 3}},        // int(8) is below 16
		{0.1, "Mixed_5b.branch_pool", [4]int{16, 19, 1, 1}}, // int(19.2) channels come from Conv2d_4a_3x3
		{2, "Mixed_5b.branch1x1", [4]int{128, 384, 1, 1}},
	} {
		layers, err := Layers(c.width, 299)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(layers, func(l Layer) bool { return l.Path == c.conv })
		if i < 0 || layers[i].Shape != c.shape {
			t.Errorf("width %g: %s: got %+v, want shape %v", c.width, c.conv, layers[max(i, 0)], c.shape)
		}
	}
	seen := map[string]bool{}
	layers, _ := Layers(1, MinSize)
	for _, l := range layers {
		if seen[l.Path] {
			t.Errorf("%s is there twice", l.Path)
		}
		seen[l.Path] = true
		if l.out[0] < 1 || l.out[1] < 1 {
			t.Errorf("%s has no output at the smallest size", l.Path)
		}
	}
	for _, bad := range []struct {
		width float64
		size  int
	}{{0, 299}, {-1, 299}, {math.NaN(), 299}, {math.Inf(1), 299}, {maxWidth + 1, 299}, {1, MinSize - 1},
		{1, maxSize + 1}} {
		if _, err := Layers(bad.width, bad.size); err == nil {
			t.Errorf("width %g at size %d was accepted", bad.width, bad.size)
		}
	}
}

func TestFeatures(t *testing.T) {
	for _, width := range []float64{0.01, 0.1, 0.25, 0.33, 0.5, 0.75, 1, 1.4} {
		last, err := traceTable(width, 107, func(Layer) {}, nil)
		if err != nil || features(width) != last[0] {
			t.Errorf("width %g: got %d features, the table gives %d, %v", width, features(width), last[0], err)
		}
	}
}

// TestFlavors spells out how the flavours differ, straight from their sources.
func TestFlavors(t *testing.T) {
	for _, c := range []struct {
		flavor        Flavor
		border, max7c bool
		filter        string
		mean          float32
	}{
		{TF2015, false, true, "tf1-bilinear", 128},
		{PytorchFID, false, true, "tf1-bilinear", 128},
		{TFSlim, false, false, "tf1-bilinear", 127.5},
		{Keras, false, false, "bilinear", 127.5},
		{Torchvision, true, false, "bilinear", 127.5},
		{Timm, true, false, "bicubic", 127.5},
	} {
		r := c.flavor.Recipe()
		if c.flavor.CountBorder() != c.border || c.flavor.MaxIn7c() != c.max7c || r.Filter != c.filter ||
			r.Mean[0] != c.mean || r.Std[2] != c.mean || r.Size != 299 {
			t.Errorf("%s: border counted %v, max in 7c %v, %+v", c.flavor, c.flavor.CountBorder(), c.flavor.MaxIn7c(), r)
		}
		if err := checkRecipe(r); err != nil {
			t.Errorf("%s: %v", c.flavor, err)
		}
		small := Resized(r, 128)
		if err := checkRecipe(small); err != nil || small.Size != 128 {
			t.Errorf("%s at 128 pixels: %+v, %v", c.flavor, small, err)
		}
		if got, err := ParseFlavor(string(c.flavor)); err != nil || got != c.flavor {
			t.Errorf("%s: got %v, %v", c.flavor, got, err)
		}
	}
	if len(Flavors()) != 6 {
		t.Errorf("got %d flavours, want 6", len(Flavors()))
	}
	if _, err := ParseFlavor("caffe"); err == nil {
		t.Error("an unknown flavour was accepted")
	}
}
